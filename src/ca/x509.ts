/**
 * The room's door to @peculiar/x509: the library with this runtime's WebCrypto in it. Import it from here, never
 * directly, so that it cannot run without them.
 */
import './reflect-metadata.ts'
import * as x509 from '@peculiar/x509'
import { webcrypto } from 'node:crypto'

x509.cryptoProvider.set(webcrypto as unknown as Crypto)

export { x509 }

/** PEM as Istio and OpenSSL write it: 64 columns, one newline at the end. */
export function pemOf(label: 'CERTIFICATE', der: Uint8Array): string {
  const lines =
    Buffer.from(der.buffer, der.byteOffset, der.byteLength)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
