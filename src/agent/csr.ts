/**
 * A fresh P-256 key and the PKCS#10 request for it, as Istio's agent writes it (dataplane §6.2). Written byte by byte, so
 * that a sidecar never loads an X.509 library for two hundred bytes.
 */
import { generateKeyPairSync, sign } from 'node:crypto'

export interface KeyAndRequest {
  /** PKCS#8 PEM. */
  readonly privateKey: string
  /** PEM. */
  readonly csr: string
}

const oid = {
  organization: Buffer.from('060355040a', 'hex'),
  extensionRequest: Buffer.from('06092a864886f70d01090e', 'hex'),
  subjectAltName: Buffer.from('0603551d11', 'hex'),
  ecdsaWithSha256: Buffer.from('06082a8648ce3d040302', 'hex'),
}

/** A new key each time: certificates are never renewed for an old one. */
export function newKeyAndRequest(uri: string): KeyAndRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = sequence(set(sequence(oid.organization, der(0x0c))))
  const san = sequence(
    oid.subjectAltName,
    der(0x01, Buffer.from([0xff])),
    der(0x04, sequence(der(0x86, ascii(uri)))),
  )
  const attributes = der(0xa0, sequence(oid.extensionRequest, set(sequence(san))))
  const version = der(0x02, Buffer.from([0]))
  const info = sequence(version, subject, publicKey.export({ type: 'spki', format: 'der' }), attributes)
  const signature = der(0x03, Buffer.from([0]), sign('sha256', info, privateKey))
  const request = sequence(info, sequence(oid.ecdsaWithSha256), signature)
  return { privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, csr: pem(request) }
}

function ascii(text: string): Buffer {
  return Buffer.from(text, 'ascii')
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function set(...parts: Buffer[]): Buffer {
  return der(0x31, ...parts)
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

function pem(request: Buffer): string {
  const lines = request.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`
}
