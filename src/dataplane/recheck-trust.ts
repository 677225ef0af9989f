/**
 * After the trust anchors changed: ends live mTLS connections that would not be accepted any more (architecture §5). It
 * asks no more than a new handshake would, but for expiry: a certificate that was valid at the handshake stays good.
 */
import { verifySvid } from '../identity/verify-svid.ts'
import { peerChain } from '../tls/peer-chain.ts'
import type { DataPlane } from './data-plane.ts'

type TlsStream = Parameters<typeof peerChain>[0]

/** A resumed session has kept its leaf alone: where intermediates signed it, its client connects once more. */
export function recheckTrust(plane: DataPlane): void {
  const { bundles } = plane.contexts
  if (bundles === null) return
  plane.table.each('inbound', (connection) => {
    if (connection.peer === null || connection.closed) return
    const chain = peerChain(connection.stream as TlsStream)
    if (verifySvid(chain, bundles, connection.openedAt, 'client').ok) return
    plane.refusals.set('untrusted_now', (plane.refusals.get('untrusted_now') ?? 0) + 1)
    connection.cut(true)
  })
}
