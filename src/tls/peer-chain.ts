/** The certificates a TLS peer presented, as DER, leaf first. It reads; it verifies nothing. */
import type { TLSSocket } from 'node:tls'

/** One more than identity looks at, so that a longer chain is seen to be longer. */
const longest = 17

/** Empty when there is none. A resumed session gives the leaf alone: tickets keep no chain. */
export function peerChain(stream: TLSSocket): Buffer[] {
  const chain: Buffer[] = []
  let certificate = stream.getPeerX509Certificate()
  while (certificate !== undefined && chain.length < longest) {
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}
