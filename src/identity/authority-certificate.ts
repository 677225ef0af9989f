/**
 * One parsed certificate: the fields our reader finds, its public key for signature checks, and whether it may sign
 * others. It knows no bundle and no trust: being an authority is what it says of itself.
 */
import { X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readCertificate } from '../wire/certificate.ts'
import type { CertificateFields } from '../wire/certificate.ts'
import { KeyUsage } from '../wire/certificate-extensions.ts'

export interface ParsedCertificate {
  readonly der: Buffer
  readonly fields: CertificateFields
  readonly x509: X509Certificate
  readonly publicKey: KeyObject
}

/** SHA-2 with RSA PKCS#1 or ECDSA, and Ed25519; SHA-1, MD5 and everything unnamed is not believed. */
const signatures = new Set([
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.3.101.112',
])
const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1'])

/** Null when either reader refuses it, or its key or signature is too weak (dataplane §4: RSA ≥ 2048, P-256 and up). */
export function parseCertificate(der: Buffer): ParsedCertificate | null {
  const fields = readCertificate(der)
  if (fields === null || !signatures.has(fields.signatureAlgorithm)) return null
  try {
    const x509 = new X509Certificate(der)
    const { publicKey } = x509
    return isStrong(publicKey) ? { der, fields, x509, publicKey } : null
  } catch {
    // OpenSSL refuses what our reader let pass: two readers disagree, so it is no certificate.
    return null
  }
}

/** Whether it may sign certificates: CA flag, and keyCertSign when it has a keyUsage (RFC 5280 §6.1.4 k, n). */
export function maySign({ fields }: ParsedCertificate): boolean {
  return fields.isCa === true && (fields.keyUsage === null || (fields.keyUsage & KeyUsage.KeyCertSign) !== 0)
}

/** Whether `issuer`'s key made the signature on `subject`. */
export function signed(issuer: ParsedCertificate, subject: ParsedCertificate): boolean {
  try {
    return subject.x509.verify(issuer.publicKey)
  } catch {
    // A key of another kind than the signature: not signed by it.
    return false
  }
}

function isStrong(key: KeyObject): boolean {
  if (key.asymmetricKeyType === 'ed25519') return true
  const details = key.asymmetricKeyDetails
  if (key.asymmetricKeyType === 'ec') return curves.has(details?.namedCurve ?? '')
  return key.asymmetricKeyType === 'rsa' && (details?.modulusLength ?? 0) >= 2048
}
