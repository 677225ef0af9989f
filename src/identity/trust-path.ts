/**
 * Finds a path of signatures from a leaf to one of the given anchors (RFC 5280 §6.1, as far as SVIDs need it). It knows
 * no SPIFFE rule about the leaf, and tries every candidate: two roots of one name are normal while a root is replaced.
 */
import { dnsAllowed, hostAllowed } from '../wire/name-constraints.ts'
import { maySign, signed } from './authority-certificate.ts'
import type { ParsedCertificate } from './authority-certificate.ts'

export interface PathQuestion {
  readonly leaf: ParsedCertificate
  /** Host of the leaf's URI name: its trust domain. */
  readonly host: string
  readonly candidates: readonly ParsedCertificate[]
  readonly anchors: readonly ParsedCertificate[]
  /** The extended key usage that every intermediate with such a list must have. */
  readonly purpose: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Why a path ended, worst first met; and a budget, for chains crafted to branch. */
interface Search {
  readonly question: PathQuestion
  reason: string
  signatures: number
}

/** Path length and signature checks a handshake may cost; real chains have one to four. */
const longestPath = 8
const mostSignatures = 32

const anyPurpose = '2.5.29.37.0'

/** The certificates above the leaf, its issuer first and an anchor last, or why there are none. */
export function findPath(question: PathQuestion): readonly ParsedCertificate[] | string {
  const search: Search = {
    question,
    reason: 'no path to a trust anchor of its own trust domain',
    signatures: 0,
  }
  return climb(search, [question.leaf]) ?? search.reason
}

function climb(search: Search, path: readonly ParsedCertificate[]): readonly ParsedCertificate[] | null {
  const top = path.at(-1) as ParsedCertificate
  for (const anchor of search.question.anchors) {
    if (issued(search, anchor, top, path, true)) return [...path.slice(1), anchor]
  }
  if (path.length >= longestPath) return null
  for (const candidate of search.question.candidates) {
    if (path.includes(candidate) || !issued(search, candidate, top, path, false)) continue
    const found = climb(search, [...path, candidate])
    if (found !== null) return found
  }
  return null
}

function issued(
  search: Search,
  issuer: ParsedCertificate,
  subject: ParsedCertificate,
  path: readonly ParsedCertificate[],
  isAnchor: boolean,
): boolean {
  if (issuer.fields.subjectName !== subject.fields.issuerName) return false
  const flaw = flawOf(search.question, issuer, path, isAnchor)
  if (flaw !== null) {
    search.reason = flaw
    return false
  }
  if (search.signatures >= mostSignatures) {
    search.reason = 'too many certificates to try'
    return false
  }
  search.signatures += 1
  if (signed(issuer, subject)) return true
  search.reason = 'a signature in its chain does not verify'
  return false
}

/** What keeps `issuer` from standing above `path`, or null. */
function flawOf(
  { leaf, host, purpose, now }: PathQuestion,
  issuer: ParsedCertificate,
  path: readonly ParsedCertificate[],
  isAnchor: boolean,
): string | null {
  const { fields } = issuer
  if (!maySign(issuer)) return 'a certificate above it is no authority'
  if (now < fields.notBefore) return 'an authority above it is not valid yet'
  if (now > fields.notAfter) return 'an authority above it has expired'
  if (fields.unknownCritical.length > 0) {
    return `an authority above it has the unknown critical extension ${fields.unknownCritical[0]}`
  }
  // Intermediates between this one and the leaf; self-issued ones are free (RFC 5280 §6.1.4 l).
  const below = path.slice(1).filter((one) => one.fields.subjectName !== one.fields.issuerName).length
  if (fields.pathLength !== null && below > fields.pathLength)
    return 'its chain is longer than an authority allows'
  if (!isAnchor && fields.extKeyUsage !== null && !allows(fields.extKeyUsage, purpose)) {
    return 'an authority above it is not for this use'
  }
  const limits = fields.nameConstraints
  if (limits === null) return null
  if (limits.hasOther) return 'an authority above it constrains names in a way not understood'
  const inside = hostAllowed(limits, host) && leaf.fields.dnsNames.every((name) => dnsAllowed(limits, name))
  return inside ? null : 'its names are outside what an authority above it may name'
}

/** Whether an extKeyUsage list allows `purpose`. */
export function allows(extKeyUsage: readonly string[], purpose: string): boolean {
  return extKeyUsage.includes(purpose) || extKeyUsage.includes(anyPurpose)
}
