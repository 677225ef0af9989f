/**
 * Reads from an X.509 certificate's DER what identity needs, strictly (RFC 5280 §4). It verifies no signature and no
 * time, and reads anything it does not understand as null: a certificate that two readers could read differently is no
 * certificate.
 */
import { readChildren, readElement, readOid, readTime, Tag } from './der.ts'
import type { Element } from './der.ts'
import { readDistinguishedName } from './distinguished-name.ts'
import { readExtensions } from './certificate-extensions.ts'
import type { CertificateExtensions } from './certificate-extensions.ts'

export interface CertificateFields extends CertificateExtensions {
  /** RFC 2253 text, '' when empty. */
  readonly subject: string
  /** Lower-case hex of the Name's DER: equal hex is the same name. */
  readonly subjectName: string
  readonly issuerName: string
  /** Lower-case hex, no sign byte. */
  readonly serial: string
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly signatureAlgorithm: string
}

/** Larger certificates are refused unread; real ones are 1 to 4 KiB. */
const maximumBytes = 65_536

/** Null when `der` is not one whole well-formed v3 certificate. */
export function readCertificate(der: Buffer): CertificateFields | null {
  if (der.length > maximumBytes) return null
  const outer = readElement(der, 0, der.length)
  if (outer?.tag !== Tag.Sequence || outer.end !== der.length) return null
  const parts = readChildren(der, outer)
  const [tbs, algorithm, signature] = parts ?? []
  if (parts?.length !== 3 || tbs?.tag !== Tag.Sequence || signature?.tag !== Tag.BitString) return null
  const fields = readChildren(der, tbs)
  if (fields === null || fields.length < 8) return null
  const [version, serial, inner, issuer, validity, subject, key] = fields as [
    Element,
    Element,
    Element,
    Element,
    Element,
    Element,
    Element,
  ]
  if (!isVersion3(der, version) || serial.tag !== Tag.Integer || serial.end === serial.value) return null
  if (validity.tag !== Tag.Sequence || key.tag !== Tag.Sequence || algorithm?.tag !== Tag.Sequence)
    return null
  // RFC 5280 §4.1.1.2: what is signed and what is claimed outside must be the same algorithm.
  if (hex(der, inner) !== hex(der, algorithm)) return null
  const signatureAlgorithm = readOid(der, readChildren(der, algorithm)?.[0])
  const times = readChildren(der, validity)
  const notBefore = readTime(der, times?.[0])
  const notAfter = readTime(der, times?.[1])
  const subjectText = readDistinguishedName(der, subject)
  if (signatureAlgorithm === null || times?.length !== 2 || notBefore === null || notAfter === null)
    return null
  if (subjectText === null || readDistinguishedName(der, issuer) === null) return null

  const extensions = readExtensions(der, fields.slice(7))
  if (extensions === null) return null
  return {
    ...extensions,
    subject: subjectText,
    subjectName: hex(der, subject),
    issuerName: hex(der, issuer),
    serial: der.toString('hex', serial.value, serial.end).replace(/^00(?=.)/, ''),
    notBefore,
    notAfter,
    signatureAlgorithm,
  }
}

// [0] EXPLICIT INTEGER 2: extensions exist in version 3 only, and without them there is no identity.
function isVersion3(der: Buffer, { tag, value, end }: Element): boolean {
  return tag === 0xa0 && end - value === 3 && der.readUIntBE(value, 3) === 0x020102
}

const hex = (der: Buffer, { start, end }: Element): string => der.toString('hex', start, end)
