/**
 * Who signs: one key, the certificate it signs under, and the bundle that peers trust. It decides nothing about who may
 * have a certificate or what is in it.
 */
import { randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { pemOf, x509 } from './x509.ts'

/** What a certificate shall say, complete: the authority adds its name and its signature. */
export interface Template {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  /** Canonical text. */
  readonly ips: readonly string[]
  /** Milliseconds since the epoch; certificates count whole seconds. */
  readonly notBefore: number
  readonly notAfter: number
}

/** The door for other kinds of authority: plugged-in, remote. */
export interface Authority {
  readonly trustDomain: string
  /** The bundle that peers trust; may hold several roots. */
  readonly rootPem: string
  /** Intermediates from the signer up to, without, the root; '' when the root itself signs. */
  readonly chainPem: string
  /** When the signing certificate ends, milliseconds since the epoch: nothing signed outlives it. */
  readonly notAfter: number
  /** The leaf alone, PEM. */
  sign(template: Template): Promise<string>
}

/** The certificate template of dataplane §6.2: empty subject, critical names, for both ends of TLS, never a CA. */
export async function signTemplate(
  template: Template,
  issuer: InstanceType<typeof x509.X509Certificate>,
  signingKey: CryptoKey,
): Promise<string> {
  const names = [
    ...template.uris.map((value) => ({ type: 'url' as const, value })),
    ...template.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...template.ips.map((value) => ({ type: 'ip' as const, value })),
  ]
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: '',
    issuer: issuer.subjectName,
    notBefore: new Date(template.notBefore),
    notAfter: new Date(template.notAfter),
    publicKey: new x509.PublicKey(new Uint8Array(template.publicKey)),
    signingKey,
    signingAlgorithm: signatureOf(signingKey),
    extensions: [
      new x509.KeyUsagesExtension(digitalSignature | keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.BasicConstraintsExtension(false, undefined, true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      new x509.SubjectAlternativeNameExtension(names, true),
    ],
  })
  return pemOf('CERTIFICATE', new Uint8Array(certificate.rawData))
}

/** 128 random bits as hexadecimal, positive and without a leading zero octet, so that every reader prints the same. */
export function randomSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** Node's key as WebCrypto has it, for signing. */
export function importSigningKey(key: KeyObject): CryptoKey {
  const curve = key.asymmetricKeyDetails?.namedCurve
  const algorithm =
    key.asymmetricKeyType === 'rsa'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
      : { name: 'ECDSA', namedCurve: curve === 'secp384r1' ? 'P-384' : 'P-256' }
  return key.toCryptoKey(algorithm, false, ['sign']) as unknown as CryptoKey
}

/** SHA-256, but SHA-384 for P-384. */
export function signatureOf(key: CryptoKey): { name: string; hash: string } {
  const { name, namedCurve } = key.algorithm as { name: string; namedCurve?: string }
  return { name, hash: namedCurve === 'P-384' ? 'SHA-384' : 'SHA-256' }
}
