/** What token rules read of a request and may do to it, as values. Reading and doing is the data plane's work. */
import type { RequestToken } from '../authz/request-token.ts'

/** What holds for every request of a connection. */
export interface BearerConnection {
  readonly scheme: 'http' | 'https'
  /** The workload's own port. */
  readonly port: number
  /** The peer's identity without `spiffe://`; '' without mutual TLS. */
  readonly peer: string
}

/** Header names are lower case; target and path are the normalized ones that are forwarded and judged. */
export interface BearerRequest {
  readonly connection: BearerConnection
  readonly method: string
  readonly headers: readonly string[]
  readonly target: string
  /** The target without query and fragment. */
  readonly path: string
  readonly host: string
}

export interface Edits {
  /** Lower-case names; every copy goes, before anything is added. */
  readonly removeHeaders: readonly string[]
  /** Flat list. */
  readonly addHeaders: readonly string[]
  /** The target to judge and to forward. */
  readonly target: string
}

export type Outcome =
  | { readonly ok: true; readonly token: RequestToken | null; readonly edits: Edits }
  | {
      readonly ok: false
      readonly status: 401 | 403
      readonly body: string
      /** Value of www-authenticate; null = none is sent. */
      readonly authenticate: string | null
      readonly details: string
    }
