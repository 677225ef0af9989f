/**
 * Which chain serves an inbound connection: the table of dataplane §3.2 as one pure function. It looks at what was
 * declared and what was sniffed; it opens nothing and knows no policy but the mTLS mode.
 */
import type { EffectiveMtls } from '../policy/peer-authentication.ts'
import type { PortProtocol } from '../policy/service.ts'

/**
 * `terminate-*`: end mTLS here, then HTTP or opaque. `plain-*`: no TLS of ours; `plain-tcp` also carries foreign TLS
 * untouched. `refuse`: no chain matches, the connection is closed bare (dataplane §3.1 step 4, trap 6).
 */
export type Chain = 'terminate-http' | 'terminate-tcp' | 'plain-http' | 'plain-tcp' | 'refuse'

export type Sniffed = 'http1' | 'http2' | 'not-http'

const httpAlpn = new Set(['istio-http/1.0', 'istio-http/1.1', 'istio-h2'])
const tcpAlpn = new Set(['istio-peer-exchange', 'istio'])

export type PortKind = 'http' | 'tcp' | 'auto'

/** The three rows of the table. */
export function portKind(protocol: PortProtocol): PortKind {
  switch (protocol) {
    case 'http':
    case 'http2':
    case 'grpc':
      return 'http'
    case 'tcp':
    case 'tls':
      return 'tcp'
    case 'auto':
      return 'auto'
  }
}

/** Whether the TLS inspector runs on such a port: iff some chain of it matches TLS (dataplane §3.2). */
export function inspectsTls(mode: EffectiveMtls): boolean {
  return mode !== 'DISABLE'
}

/** Whether plaintext is sniffed for HTTP: only undeclared ports that serve plaintext at all. */
export function inspectsHttp(kind: PortKind, mode: EffectiveMtls): boolean {
  return kind === 'auto' && mode !== 'STRICT'
}

/** `alpn` is the client's offer, null when the first bytes were no ClientHello (or TLS is not inspected). */
export function chooseChain(
  kind: PortKind,
  mode: EffectiveMtls,
  alpn: readonly string[] | null,
  http: Sniffed,
): Chain {
  if (alpn === null) return plaintextChain(kind, mode, http)
  const offersHttp = alpn.some((token) => httpAlpn.has(token))
  const offersMesh = offersHttp || alpn.some((token) => tcpAlpn.has(token))
  if (mode === 'STRICT') {
    if (kind === 'http') return 'terminate-http'
    return kind === 'auto' && offersHttp ? 'terminate-http' : 'terminate-tcp'
  }
  // PERMISSIVE: only a mesh ALPN is ours to end; DISABLE never gets here with an ALPN.
  if (kind === 'http') return offersMesh ? 'terminate-http' : 'refuse'
  if (kind === 'auto' && offersHttp) return 'terminate-http'
  return offersMesh ? 'terminate-tcp' : 'plain-tcp'
}

function plaintextChain(kind: PortKind, mode: EffectiveMtls, http: Sniffed): Chain {
  if (mode === 'STRICT') return 'refuse'
  if (kind === 'http') return 'plain-http'
  return kind === 'auto' && http !== 'not-http' ? 'plain-http' : 'plain-tcp'
}
