/**
 * Everything a policy may look at, split by how long it holds: a connection's part is judged once, a request's part per
 * request. Filled by `dataplane/`; knows no socket. Both are born complete so that every instance has one shape.
 */
import type { Ip } from '../address/ip.ts'
import type { RequestToken } from './request-token.ts'

export class ConnectionContext {
  /** `spiffe://...` of the verified peer, or '' when there is none: plaintext, pass-through TLS. */
  readonly principalUri: string
  readonly sourceIp: Ip
  readonly destinationIp: Ip
  /** The workload (target) port the connection was reached on. */
  readonly destinationPort: number
  /** SNI of the TLS session that this proxy terminated, or ''. */
  readonly sni: string

  constructor(principalUri: string, sourceIp: Ip, destinationIp: Ip, destinationPort: number, sni: string) {
    this.principalUri = principalUri
    this.sourceIp = sourceIp
    this.destinationIp = destinationIp
    this.destinationPort = destinationPort
    this.sni = sni
  }
}

export class RequestContext {
  readonly method: string
  /** Path after normalization, without query and fragment. */
  readonly path: string
  /** `:path`, normalized, with its query: what `request.headers[:path]` sees. */
  readonly pathWithQuery: string
  /** Authority as received; '' when the request carries none. */
  readonly host: string
  /** Flat list, lower-case name then value, in order of arrival; repeated headers stay repeated. */
  readonly headers: readonly string[]
  /** Set after RequestAuthentication verified one and before ALLOW and DENY are judged; null = no valid token. */
  token: RequestToken | null = null
  /** Filled in by the first rule that asks for `remote.ip`; null until then. */
  remoteIp: Ip | null = null

  constructor(method: string, path: string, pathWithQuery: string, host: string, headers: readonly string[]) {
    this.method = method
    this.path = path
    this.pathWithQuery = pathWithQuery
    this.host = host
    this.headers = headers
  }
}
