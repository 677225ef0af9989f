/**
 * One place a cluster's traffic can go, and how the way there is secured. It holds the count the load balancer weighs,
 * but no connection: pools are the data plane's and go by `key`.
 */
import type { ClientTlsSettings } from '../policy/destination-rule.ts'
import type { ServiceEndpoint } from '../policy/service.ts'

export type ClientTls =
  | { readonly mode: 'plaintext' }
  | {
      /** `mtls`: the mesh's own certificate and roots; `simple` and `mutual`: those of `settings`. */
      readonly mode: 'mtls' | 'simple' | 'mutual'
      /** '' = none known here: for HTTP the request's host, as `settings` says (policy-semantics §4.6). */
      readonly sni: string
      /** Exact names, any of which the server's certificate must bear; never empty when `mode` is mtls. */
      readonly expected: readonly string[]
      readonly settings: ClientTlsSettings | null
    }
  /** Must not be dialled at all, in plaintext least of all. */
  | { readonly mode: 'refused'; readonly reason: string }

export class Endpoint {
  /** IP address text, or a host name to resolve when dialling. */
  readonly address: string
  readonly port: number
  readonly tls: ClientTls
  /** Pool key: equal keys mean interchangeable connections, across snapshots too. */
  readonly key: string
  /** Requests or connections under way; the data plane counts, the load balancer reads. */
  inFlight: number
  /** What the registry last said about it; null for destinations no service knows. For telemetry. */
  source: ServiceEndpoint | null

  constructor(address: string, port: number, tls: ClientTls, key: string, source: ServiceEndpoint | null) {
    this.address = address
    this.port = port
    this.tls = tls
    this.key = key
    this.inFlight = 0
    this.source = source
  }
}

/** Everything that makes connections interchangeable: where to, how secured, and which names may answer. */
export function endpointKey(address: string, port: number, tls: ClientTls): string {
  return `${address}|${port}|${tlsFingerprint(tls)}`
}

const fingerprints = new WeakMap<ClientTls, string>()

function tlsFingerprint(tls: ClientTls): string {
  const known = fingerprints.get(tls)
  if (known !== undefined) return known
  const made =
    tls.mode === 'plaintext'
      ? tls.mode
      : tls.mode === 'refused'
        ? JSON.stringify([tls.mode, tls.reason])
        : JSON.stringify([tls.mode, tls.sni, tls.expected, tls.settings])
  fingerprints.set(tls, made)
  return made
}
