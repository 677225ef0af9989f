/**
 * Reads a certificate's extensions (RFC 5280 §4.2): names, basic constraints, key usages, name constraints. It judges
 * nothing; critical extensions it cannot read are listed for the judge to refuse.
 */
import { readBoolean, readChildren, readElement, readOid, readSmallInteger, Tag } from './der.ts'
import type { Element } from './der.ts'
import { readNameConstraints } from './name-constraints.ts'
import type { NameConstraints } from './name-constraints.ts'
import { readSubjectAltNames } from './subject-alt-name.ts'

/** Bits of `keyUsage`. */
export const KeyUsage = { DigitalSignature: 1, KeyCertSign: 32, CrlSign: 64 } as const

export interface CertificateExtensions {
  readonly uriNames: readonly string[]
  readonly dnsNames: readonly string[]
  readonly hasOtherSan: boolean
  /** basicConstraints cA; null = no such extension. */
  readonly isCa: boolean | null
  readonly pathLength: number | null
  /** Bit i is the i-th named bit of RFC 5280 §4.2.1.3; null = no such extension. */
  readonly keyUsage: number | null
  readonly keyUsageCritical: boolean
  /** Dotted OIDs; null = no such extension. */
  readonly extKeyUsage: readonly string[] | null
  readonly nameConstraints: NameConstraints | null
  /** Dotted OIDs of critical extensions not read here. */
  readonly unknownCritical: readonly string[]
}

interface Extension {
  readonly critical: boolean
  /** The DER inside the OCTET STRING. */
  readonly value: number
  readonly end: number
}

/** `rest` is what follows the public key in the TBSCertificate: optional unique ids, then the extensions. */
export function readExtensions(der: Buffer, rest: readonly Element[]): CertificateExtensions | null {
  const found = listExtensions(der, rest)
  if (found === null) return null
  const names = found.get('2.5.29.17')
  const constraints = found.get('2.5.29.19')
  const usage = found.get('2.5.29.15')
  const purposes = found.get('2.5.29.37')
  const limits = found.get('2.5.29.30')
  const san = names && readSubjectAltNames(der, names.value, names.end)
  const basic = constraints && readBasicConstraints(der, constraints)
  const keyUsage = usage && readKeyUsage(der, usage)
  const extKeyUsage = purposes && readExtKeyUsage(der, purposes)
  const nameConstraints = limits && readNameConstraints(der, limits.value, limits.end)
  if (san === null || basic === null || keyUsage === null || extKeyUsage === null) return null
  if (nameConstraints === null) return null
  const known = ['2.5.29.17', '2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.30']
  return {
    uriNames: san?.uriNames ?? [],
    dnsNames: san?.dnsNames ?? [],
    hasOtherSan: san?.hasOther ?? false,
    isCa: basic?.isCa ?? null,
    pathLength: basic?.pathLength ?? null,
    keyUsage: keyUsage ?? null,
    keyUsageCritical: usage?.critical ?? false,
    extKeyUsage: extKeyUsage ?? null,
    nameConstraints: nameConstraints ?? null,
    unknownCritical: [...found]
      .filter(([oid, { critical }]) => critical && !known.includes(oid))
      .map(([oid]) => oid),
  }
}

function listExtensions(der: Buffer, rest: readonly Element[]): Map<string, Extension> | null {
  const found = new Map<string, Extension>()
  let last = 0
  for (const part of rest) {
    // issuerUniqueID [1], subjectUniqueID [2], extensions [3]: each at most once, in this order.
    if (![0x81, 0x82, 0xa3].includes(part.tag) || part.tag <= last) return null
    last = part.tag
    if (part.tag !== 0xa3) continue
    const list = readElement(der, part.value, part.end)
    const entries = list?.tag === Tag.Sequence && list.end === part.end ? readChildren(der, list) : null
    if (entries === null) return null
    for (const entry of entries) {
      const extension = entry.tag === Tag.Sequence ? readExtension(der, entry) : null
      // RFC 5280 §4.2: one instance of an extension; the second of two SANs has fooled readers.
      if (extension === null || found.has(extension.oid)) return null
      found.set(extension.oid, extension)
    }
  }
  return found
}

function readExtension(der: Buffer, entry: Element): (Extension & { oid: string }) | null {
  const parts = readChildren(der, entry)
  if (parts === null || parts.length < 2 || parts.length > 3) return null
  const oid = readOid(der, parts[0])
  const critical = parts.length === 3 ? readBoolean(der, parts[1]) : false
  const octets = parts.at(-1)
  if (oid === null || critical === null || octets?.tag !== Tag.OctetString) return null
  return { oid, critical, value: octets.value, end: octets.end }
}

function readBasicConstraints(
  der: Buffer,
  { value, end }: Extension,
): { isCa: boolean; pathLength: number | null } | null {
  const sequence = readElement(der, value, end)
  if (sequence?.tag !== Tag.Sequence || sequence.end !== end) return null
  const parts = readChildren(der, sequence)
  if (parts === null || parts.length > 2) return null
  if (parts.length === 0) return { isCa: false, pathLength: null }
  // An explicit FALSE is not DER, but widely written; it says the same.
  const isCa = readBoolean(der, parts[0])
  if (isCa === null) return null
  if (parts.length === 1) return { isCa, pathLength: null }
  const pathLength = readSmallInteger(der, parts[1])
  return pathLength === null || !isCa ? null : { isCa, pathLength }
}

function readKeyUsage(der: Buffer, { value, end }: Extension): number | null {
  const bits = readElement(der, value, end)
  if (bits?.tag !== Tag.BitString || bits.end !== end) return null
  const length = bits.end - bits.value
  const unused = der[bits.value] as number
  if (length < 2 || length > 3 || unused > 7) return null
  let usage = 0
  for (let i = 0; i < (length - 1) * 8 - unused; i += 1) {
    if (((der[bits.value + 1 + (i >> 3)] as number) & (0x80 >> (i & 7))) !== 0) usage |= 1 << i
  }
  return usage
}

function readExtKeyUsage(der: Buffer, { value, end }: Extension): string[] | null {
  const sequence = readElement(der, value, end)
  if (sequence?.tag !== Tag.Sequence || sequence.end !== end) return null
  const purposes = readChildren(der, sequence)
  if (purposes === null || purposes.length === 0) return null
  const oids = purposes.map((purpose) => readOid(der, purpose))
  return oids.includes(null) ? null : (oids as string[])
}
