/**
 * Checks our own secrets before anyone is shown them: key and leaf are a pair, the leaf is an X.509-SVID in force, the
 * rest of the chain are authorities. It trusts no peer, and no reason it gives holds key material.
 */
import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { maySign, parseCertificate } from './authority-certificate.ts'
import type { ParsedCertificate } from './authority-certificate.ts'
import { certificatesIn } from './pem.ts'
import { isComplete } from './svid.ts'
import type { SecretSet } from './svid.ts'
import { parseTrustBundles } from './trust-bundle.ts'
import type { TrustBundles } from './trust-bundle.ts'
import { svidIdOf } from './verify-svid.ts'

export interface OwnSvid {
  readonly id: SpiffeId
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly serial: string
  readonly bundles: TrustBundles
}

export type CheckedSecrets =
  { readonly ok: true; readonly svid: OwnSvid } | { readonly ok: false; readonly reason: string }

/**
 * go-spiffe's rules for one's own SVID (dataplane §5.2): stricter than for peers, digitalSignature must be there. A leaf
 * that is not valid yet passes: that is for peers' clocks to judge, and refusing it would leave us with nothing.
 */
export function checkSecrets(secrets: SecretSet, nowMs: number): CheckedSecrets {
  if (!isComplete(secrets)) return refuse('no complete set of key, certificate and trust bundle yet')
  const chain = certificatesIn(secrets.certificateChain).map(parseCertificate)
  const [leaf, ...above] = chain
  if (leaf === undefined) return refuse('our certificate chain holds no certificate')
  if (leaf === null || above.includes(null))
    return refuse('our certificate chain cannot be read, or is too weak')
  const { fields } = leaf
  const id = svidIdOf(fields)
  if (typeof id === 'string') return refuse(`our own: ${id}`)
  if (fields.keyUsage === null) return refuse('our own: its key usage lacks digitalSignature')
  if (nowMs > fields.notAfter) return refuse('our certificate has expired')
  if (!(above as ParsedCertificate[]).every(maySign))
    return refuse('our chain holds a certificate that is no authority')
  const key = readKey(secrets.privateKey)
  if (key === null) return refuse('our private key cannot be read')
  if (!leaf.x509.checkPrivateKey(key)) return refuse('our private key does not belong to our certificate')
  const parsed = parseTrustBundles(secrets.trustBundles)
  if (!parsed.ok) return parsed
  const { notBefore, notAfter, serial } = fields
  return { ok: true, svid: { id, notBefore, notAfter, serial, bundles: parsed.bundles } }
}

function readKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem)
  } catch {
    // The library's message could quote the input; "cannot be read" is all that may be said.
    return null
  }
}

const refuse = (reason: string): CheckedSecrets => ({ ok: false, reason })
