/** What `policy eval` says about a request: plain JSON, one line each. It holds verdicts and makes none. */
import type { ShadowResult } from '../../authz/authorize.ts'
import type { NearestMiss } from '../../authz/nearest-miss.ts'

export interface Answer {
  readonly allowed: boolean
  /** What the peer gets from the proxy; 200 for an allowed request, null on TCP and where the connection is closed. */
  readonly status: number | null
  readonly body: string | null
  /** gRPC refusals only. */
  readonly grpcStatus?: number
  /** Value of www-authenticate, for refused tokens. */
  readonly authenticate?: string
  /** Action of the policy that decided, or null. */
  readonly action: 'ALLOW' | 'DENY' | 'CUSTOM' | null
  /** `namespace/name` of the policy that matched, or null. */
  readonly policy: string | null
  readonly rule: number | null
  readonly reason: string
  /** Normalized, with its query, as forwarded; null where no request was read. */
  readonly path: string | null
  readonly shadow: readonly ShadowResult[]
  /** Ids of the AUDIT rules that matched. */
  readonly audit: readonly string[]
  readonly miss: NearestMiss | null
  /** What the authorizer of a CUSTOM rule answers, as in the access log; `PROVIDER:not_asked` where nobody said; or null. */
  readonly custom: string | null
}
