/**
 * The form of a key set document: a JSON object with a list of keys, or a map from key id to PEM certificate
 * (policy-semantics §6.5). It looks at structure only; whether a key can verify anything is for `jwt/`.
 */

/** One raw key of either form. */
export type RawKey =
  | { readonly kind: 'jwk'; readonly jwk: Readonly<Record<string, unknown>> }
  | { readonly kind: 'certificate'; readonly kid: string; readonly pem: string }

/** The exact texts clients see (policy-semantics §6.4). */
export type KeySetFault =
  'Jwks is an invalid JSON' | 'Jwks does not have [keys] field' | '[keys] in Jwks is not an array'

export type KeySetText =
  | { readonly ok: true; readonly keys: readonly RawKey[] }
  | { readonly ok: false; readonly fault: KeySetFault }

/** More keys than any provider has; the rest is not looked at. */
const mostKeys = 1000
const pemStart = '-----BEGIN CERTIFICATE-----'

/** Entries that are no objects are left out: one unusable key does not take the others with it. */
export function readKeySetText(text: string): KeySetText {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return { ok: false, fault: 'Jwks is an invalid JSON' }
  }
  if (!isObject(document)) return { ok: false, fault: 'Jwks is an invalid JSON' }
  if (!Object.hasOwn(document, 'keys')) return certificates(document)
  const keys = document['keys']
  if (!Array.isArray(keys)) return { ok: false, fault: '[keys] in Jwks is not an array' }
  return {
    ok: true,
    keys: keys
      .slice(0, mostKeys)
      .filter(isObject)
      .map((jwk) => ({ kind: 'jwk', jwk })),
  }
}

function certificates(document: Readonly<Record<string, unknown>>): KeySetText {
  const entries = Object.entries(document).slice(0, mostKeys)
  const keys: RawKey[] = []
  for (const [kid, pem] of entries) {
    if (typeof pem === 'string' && pem.trimStart().startsWith(pemStart))
      keys.push({ kind: 'certificate', kid, pem })
  }
  return keys.length === 0 ? { ok: false, fault: 'Jwks does not have [keys] field' } : { ok: true, keys }
}

/** Whether a raw key holds what must stay with the signer: a private exponent, or a shared secret. */
export function holdsSecret(key: RawKey): boolean {
  if (key.kind === 'certificate') return false
  return Object.hasOwn(key.jwk, 'd') || (key.jwk['kty'] === 'oct' && Object.hasOwn(key.jwk, 'k'))
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
