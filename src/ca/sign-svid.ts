/**
 * One certificate request to one X.509-SVID (dataplane §6.2). Of the request only the public key and the proof that the
 * caller holds it count; names it asks for are ignored, the caller's attested identity is what is certified.
 */
import { createPublicKey } from 'node:crypto'
import type { Authority } from './authority.ts'
import { x509 } from './x509.ts'

export interface SigningRules {
  /** Seconds; for requests that ask for 0 or less. */
  readonly defaultTtl: number
  /** Seconds; more is refused, not clamped. */
  readonly maxTtl: number
}

export const istioSigningRules: SigningRules = { defaultTtl: 24 * 3600, maxTtl: 90 * 24 * 3600 }

export interface SvidRequest {
  /** PEM. */
  readonly csr: string
  /** Seconds. */
  readonly ttl: number
  /** The attested identity. */
  readonly uri: string
}

export type SignFailure = 'csr' | 'ttl' | 'not-ready'
export type Signed =
  | { readonly ok: true; readonly leaf: string; readonly notAfter: number }
  | { readonly ok: false; readonly failure: SignFailure; readonly reason: string }

const backdate = 2 * 60_000
const longestCsr = 64 * 1024

/** `now` in milliseconds. Throws only when the authority itself fails to sign. */
export async function signSvid(
  authority: Authority,
  request: SvidRequest,
  rules: SigningRules,
  now: number,
): Promise<Signed> {
  const key = await readRequestedKey(request.csr)
  if (typeof key === 'string') return { ok: false, failure: 'csr', reason: key }
  if (!Number.isSafeInteger(request.ttl))
    return { ok: false, failure: 'ttl', reason: 'the TTL is no whole number' }
  const ttl = request.ttl <= 0 ? rules.defaultTtl : request.ttl
  if (ttl > rules.maxTtl) {
    const reason = `requested TTL ${ttl} s is greater than the max allowed TTL ${rules.maxTtl} s`
    return { ok: false, failure: 'ttl', reason }
  }
  if (authority.notAfter <= now) {
    return { ok: false, failure: 'not-ready', reason: 'the signing certificate has expired' }
  }
  const notAfter = Math.min(now + ttl * 1000, authority.notAfter)
  const leaf = await authority.sign({
    publicKey: key,
    uris: [request.uri],
    dnsNames: [],
    ips: [],
    notBefore: now - backdate,
    notAfter,
  })
  return { ok: true, leaf, notAfter }
}

/** The SubjectPublicKeyInfo whose private half signed the request, or why not. */
async function readRequestedKey(pem: string): Promise<Uint8Array | string> {
  if (pem.length > longestCsr) return 'the CSR is too long'
  const body =
    /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\s]+)-----END \1?CERTIFICATE REQUEST-----\s*$/.exec(
      pem,
    )?.[2]
  if (body === undefined) return 'the CSR is not one PEM block'
  try {
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(Buffer.from(body, 'base64')))
    const spki = new Uint8Array(request.publicKey.rawData)
    const weakness = weaknessOf(spki)
    if (weakness !== null) return weakness
    const { hash } = request.signatureAlgorithm as { hash?: { name?: string } | string }
    const digest = typeof hash === 'string' ? hash : (hash?.name ?? '')
    if (!/^SHA-(256|384|512)$/.test(digest)) return 'the CSR is signed with a weak or unknown digest'
    return (await request.verify()) ? spki : 'the CSR is not signed by its own key'
  } catch {
    return 'the CSR cannot be read'
  }
}

function weaknessOf(spki: Uint8Array): string | null {
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < 2048) return `an RSA key of ${modulusLength} bits is too short`
    // Verifying with a monstrous key is work that the caller does not pay for.
    return modulusLength > 8192 ? `an RSA key of ${modulusLength} bits is too long` : null
  }
  if (namedCurve === 'prime256v1' || namedCurve === 'secp384r1') return null
  return `keys of type ${key.asymmetricKeyType ?? 'unknown'} ${namedCurve ?? ''} are not signed`
}
