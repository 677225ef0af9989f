/**
 * Whether a server outside the mesh has a name we wanted: any of a list of exact names, else the host by the rules of
 * RFC 6125. It asks after names only; that the chain verifies is the TLS library's part.
 */
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { nameAllowed } from '../cluster/secure-naming.ts'
import { readCertificate } from '../wire/certificate.ts'

/** What is wrong with the server's name, or null. The subject's common name never counts. */
export function wrongName(stream: TLSSocket, expected: readonly string[], host: string): string | null {
  const certificate = stream.getPeerX509Certificate()
  if (certificate === undefined) return 'the server sent no certificate'
  if (expected.length > 0) {
    const fields = readCertificate(certificate.raw)
    if (fields === null) return "the server's certificate cannot be read"
    if (nameAllowed(expected, fields.uriNames, fields.dnsNames)) return null
    const seen = [...fields.uriNames, ...fields.dnsNames]
    return `expected one of ${expected.slice(0, 8).join(' ')}, seen ${seen.slice(0, 8).join(' ') || 'no name'}`
  }
  const matches =
    isIP(host) === 0
      ? certificate.checkHost(host, { subject: 'never', partialWildcards: false })
      : certificate.checkIP(host)
  return matches === undefined ? `expected ${host}, which the server's certificate does not name` : null
}
