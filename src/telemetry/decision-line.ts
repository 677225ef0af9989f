/**
 * One line of the decision log as a value: the schema that docs/decision-log.md describes. The data plane writes it, `policy
 * diff` and the admin page read it; nothing here does either.
 */
import type { ShadowResult } from '../authz/authorize.ts'
import type { NearestMiss } from '../authz/nearest-miss.ts'

/** Raised when a reader of the version before would misunderstand a line. */
export const decisionLineVersion = 1

export interface DecisionLine {
  readonly v: typeof decisionLineVersion
  /** RFC 3339, UTC. */
  readonly time: string
  readonly generation: number
  /** A request; a connection, judged once; one of either, judged again after a change and ended. */
  readonly event: 'request' | 'connection' | 'rejudged'
  readonly workload: {
    readonly namespace: string
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
  }
  readonly protocol: 'http' | 'grpc' | 'tcp'
  readonly source: {
    /** Without `spiffe://`; null = plaintext. */
    readonly principal: string | null
    readonly ip: string
    readonly port: number
    /** Behind proxies, as `remote.ip` means it; null where the request was not read. */
    readonly remoteIp: string | null
  }
  readonly destination: { readonly ip: string; readonly port: number }
  readonly sni: string | null
  /** Mode in force on the port: `STRICT`, `PERMISSIVE` or `DISABLE`. */
  readonly mtls: string
  readonly requestId: string | null
  readonly method: string | null
  readonly host: string | null
  /** As received, one character a byte; a query that is not told stands as `?(redacted)`. */
  readonly path: string | null
  /** Of headers that rules ask about, those that are there. */
  readonly headers: Readonly<Record<string, readonly string[]>> | null
  /** Of a verified token: `iss`, and the claims that rules ask about. */
  readonly claims: Readonly<Record<string, unknown>> | null
  /** Condition keys that rules ask about: what is missing above under one of these was absent. */
  readonly asked: readonly string[]
  /** How values stand above: `redacted`, `hmac:` and which key, or `shown`. */
  readonly values: string
  /**
   * What became of the end-user token; null where nobody looked. `peer`: a legacy policy made the peer's identity the
   * request's principal, whatever token there was.
   */
  readonly token: 'none' | 'verified' | 'refused' | 'peer' | null
  /** Usual places of credentials that are not empty: `authorization`, `access_token`, `cookie`. */
  readonly bears: readonly string[]
  /** Which RequestAuthentications were in force, as a digest; null = none. */
  readonly tokenRules: string | null
  /** Headers that these take from requests or put into them. */
  readonly tokenHeaders: readonly string[]
  readonly normalization: string | null
  /** What an authorizer said, as in the access log: `PROVIDER:allowed`; null where none was asked. */
  readonly authorizer: string | null
  /** HTTP/2 that was carried unread, on a connection. */
  readonly unread: boolean
  readonly verdict: 'allowed' | 'denied'
  readonly action: 'ALLOW' | 'DENY' | 'CUSTOM' | null
  /** `namespace/name` of the policy that decided. */
  readonly policy: string | null
  readonly rule: number | null
  readonly reason: string
  /** The ALLOW rule that came nearest; null also when there was no time to look. */
  readonly miss: NearestMiss | null
  readonly shadow: readonly ShadowResult[]
  readonly audit: readonly string[]
  /** Share of such decisions that are recorded: one line stands for 1 / sample of them. */
  readonly sample: number
}
