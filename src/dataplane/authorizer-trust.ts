/**
 * How an authorizer that speaks TLS is spoken to: the handshake and the secure naming of any other endpoint, or not at
 * all. It dials nothing and never falls back to plaintext.
 */
import type { RoutedAuthorizers } from '../ext-authz/routed-authorizer.ts'
import { originate } from '../tls/originate.ts'
import type { TlsContexts } from '../tls/tls-contexts.ts'
import { meshAlpn } from './outbound/dial-endpoint.ts'

export function authorizerTrust(contexts: TlsContexts, deadlineMs: number): RoutedAuthorizers['protection'] {
  return (endpoint, tls, host) => {
    const mesh = tls.mode === 'mtls'
    if (mesh && !contexts.ready) return null
    return {
      // Connections made under other keys or other trust are not used again.
      key: `${endpoint.key} ${contexts.generation}`,
      protect: (socket, protocol) =>
        new Promise((resolve, reject) => {
          const alpn = !mesh ? [protocol] : protocol === 'h2' ? meshAlpn.http2 : meshAlpn.http1
          originate(socket, contexts, { tls, alpn, deadlineMs, host }, (handshake) =>
            handshake.ok
              ? resolve(handshake.secure.stream)
              : reject(Object.assign(new Error(handshake.reason), { code: `tls_${handshake.code}` })),
          )
        }),
    }
  }
}
