/**
 * Ends mutual TLS on an inbound connection: bounded in number and time, and the peer's identity is on the connection
 * before anything else reads from it. A failed handshake is a closed connection, never plaintext.
 */
import type { DataPlane } from '../data-plane.ts'
import { multiplexedAlpn } from '../http2/multiplexed-alpn.ts'
import { terminate } from '../../tls/terminate.ts'
import { refuseConnection } from '../open-connection.ts'
import type { InboundCall } from './inbound-call.ts'

/**
 * What our side would choose, most wanted first; the mesh's own tokens only steer chains (dataplane §4). HTTP/1.1 comes
 * first where requests are to be judged one by one: HTTP/2 of others is carried opaque as yet (docs/differences.md).
 */
const requestAlpn = [multiplexedAlpn, 'http/1.1', 'h2'] as const
const streamAlpn = ['h2', 'http/1.1'] as const

/** `offered` is the client's ALPN list as peeked; `done` gets what was negotiated. */
export function terminateMtls(
  call: InboundCall,
  offered: readonly string[],
  chain: 'terminate-http' | 'terminate-tcp',
  plane: DataPlane,
  done: (alpn: string | null) => void,
): void {
  const { connection } = call
  if (!plane.contexts.ready) return refuseConnection(connection, 'NR', 'no_certificate', plane)
  if (plane.handshakes >= plane.settings.maxHandshakes)
    return refuseConnection(connection, 'OM', 'too_many_handshakes', plane)
  plane.handshakes += 1
  const { protocol } = call.port
  const judgesRequests = chain === 'terminate-http' && (protocol === 'http' || protocol === 'auto')
  const alpn = judgesRequests ? requestAlpn : streamAlpn
  const options = { alpn, offeredAlpn: offered, deadlineMs: plane.settings.deadlines.handshakeMs }
  terminate(connection.socket, plane.contexts, options, (handshake) => {
    plane.handshakes -= 1
    if (!handshake.ok)
      return refuseConnection(connection, 'DPE', `tls_${handshake.code}`, plane, handshake.reason)
    const { secure } = handshake
    connection.stream = secure.stream
    connection.peer = secure.peer
    connection.tlsVersion = secure.version
    connection.tlsCipher = secure.cipher
    done(secure.alpn)
  })
}
