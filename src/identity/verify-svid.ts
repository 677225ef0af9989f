/**
 * Says who a peer is: the one SPIFFE ID of its verified leaf, against the anchors of that ID's own trust domain only
 * (dataplane §5.2). It knows no socket and no expected name, and never throws.
 *
 * Where validators differ: a leaf without keyUsage or with a non-critical one passes, as in go-spiffe and Envoy; one
 * whose keyUsage lacks digitalSignature does not; extKeyUsage must allow the use when present, as in Envoy.
 */
import { createHash } from 'node:crypto'
import { parseSpiffeId } from '../spiffe/spiffe-id.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { KeyUsage } from '../wire/certificate-extensions.ts'
import type { CertificateFields } from '../wire/certificate.ts'
import { parseCertificate } from './authority-certificate.ts'
import type { ParsedCertificate } from './authority-certificate.ts'
import type { PeerIdentity } from './peer-identity.ts'
import type { TrustBundles } from './trust-bundle.ts'
import { allows, findPath } from './trust-path.ts'

export type SvidVerdict =
  | { readonly ok: true; readonly peer: PeerIdentity }
  /** `bad_svid`: the leaf is no X.509-SVID for this use; `untrusted`: it is one, but nobody we believe vouches for it now. */
  | { readonly ok: false; readonly reason: string; readonly code: 'bad_svid' | 'untrusted' }

/** What the peer is to us: a client must be allowed clientAuth, a server serverAuth. */
export type PeerUse = 'client' | 'server'

const purposes = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' } as const

/** Presented certificates looked at; more are refused rather than searched. */
const longestChain = 16

/** `chain`: DER, leaf first, the root or strangers may be among them. `nowMs`: milliseconds since the epoch. */
export function verifySvid(
  chain: readonly Buffer[],
  bundles: TrustBundles,
  nowMs: number,
  use: PeerUse = 'client',
): SvidVerdict {
  const [leafDer] = chain
  if (leafDer === undefined) return bad('no certificate')
  if (chain.length > longestChain) return bad(`a chain of more than ${longestChain} certificates`)
  const certificateHash = createHash('sha256').update(leafDer).digest('hex')
  const key = `${use} ${certificateHash}`
  const known = bundles.recall(key)
  if (known !== undefined && nowMs >= known.from && nowMs <= known.to) return { ok: true, peer: known.peer }

  const leaf = parseCertificate(leafDer)
  if (leaf === null) return bad('its certificate cannot be read, or its key or signature is too weak')
  const id = svidIdOf(leaf.fields)
  if (typeof id === 'string') return bad(id)
  const { fields } = leaf
  if (fields.extKeyUsage !== null && !allows(fields.extKeyUsage, purposes[use])) {
    return bad(`its certificate is not for use as a ${use}`)
  }
  if (nowMs < fields.notBefore) return untrusted('its certificate is not valid yet')
  if (nowMs > fields.notAfter) return untrusted('its certificate has expired')
  const anchors = bundles.anchors(id.trustDomain)
  if (anchors.length === 0) return untrusted(`no trust bundle for trust domain ${id.trustDomain}`)

  const presented = chain.slice(1).map(parseCertificate).filter(isPresent)
  const candidates = presented.concat(bundles.intermediates)
  const path = findPath({
    leaf,
    host: id.trustDomain,
    candidates,
    anchors,
    purpose: purposes[use],
    now: nowMs,
  })
  if (typeof path === 'string') return untrusted(path)

  const { subject, dnsNames, notAfter } = fields
  const peer: PeerIdentity = Object.freeze({ id, certificateHash, subject, dnsNames, notAfter })
  const whole = [leaf, ...path]
  const from = Math.max(...whole.map((one) => one.fields.notBefore))
  const to = Math.min(...whole.map((one) => one.fields.notAfter))
  bundles.remember(key, { peer, from, to }, path.slice(0, -1))
  return { ok: true, peer }
}

/** The SPIFFE ID of a leaf that keeps the X.509-SVID rules, or the rule it breaks. */
export function svidIdOf(fields: CertificateFields): SpiffeId | string {
  const [uri] = fields.uriNames
  if (uri === undefined) return 'its certificate has no URI name'
  if (fields.uriNames.length !== 1) return `its certificate has ${fields.uriNames.length} URI names`
  const id = parseSpiffeId(uri)
  if (id === null) return 'its URI name is not a SPIFFE ID'
  if (id.path === '' || id.path === '/') return 'its SPIFFE ID has no path'
  if (fields.isCa === true) return 'its leaf certificate is an authority'
  const usage = fields.keyUsage
  if (usage !== null) {
    if ((usage & KeyUsage.KeyCertSign) !== 0) return 'its leaf certificate may sign certificates'
    if ((usage & KeyUsage.CrlSign) !== 0) return 'its leaf certificate may sign revocation lists'
    if ((usage & KeyUsage.DigitalSignature) === 0) return 'its key usage lacks digitalSignature'
  }
  if (fields.nameConstraints !== null) return 'its leaf certificate constrains names'
  const [unknown] = fields.unknownCritical
  return unknown === undefined ? id : `its certificate has the unknown critical extension ${unknown}`
}

const bad = (reason: string): SvidVerdict => ({ ok: false, reason, code: 'bad_svid' })
const untrusted = (reason: string): SvidVerdict => ({ ok: false, reason, code: 'untrusted' })
const isPresent = (one: ParsedCertificate | null): one is ParsedCertificate => one !== null
