/**
 * One key of a key set, ready to verify with, and bound to the algorithms of its own type: an RSA key never is an HMAC
 * secret (policy-semantics §6.5). Private parts of a key are not even read.
 */
import { createPublicKey, createSecretKey, X509Certificate } from 'node:crypto'
import type { JsonWebKeyInput, KeyObject } from 'node:crypto'
import type { RawKey } from '../policy/key-set-text.ts'

export interface VerificationKey {
  /** '' when the key has none. */
  readonly keyId: string
  /** '' when the key names none. */
  readonly algorithm: string
  /** What its type can verify. */
  readonly algorithms: readonly string[]
  readonly key: KeyObject
}

const curves: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
}
const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const secretAlgorithms = ['HS256', 'HS384', 'HS512']
/** 3 and 65537. */
const rsaExponents = ['Aw', 'AQAB']
/** Bits; RFC 7518 §3.3, and the library's own minimum. */
const smallestModulus = 2048

/** null when the key cannot be used; the others of its set still can. */
export function verificationKey(raw: RawKey): VerificationKey | null {
  try {
    if (raw.kind === 'jwk') return fromJwk(raw.jwk)
    const jwk = new X509Certificate(raw.pem).publicKey.export({ format: 'jwk' })
    return fromJwk({ ...jwk, kid: raw.kid })
  } catch {
    // OpenSSL could not read it. What it says may quote the key.
    return null
  }
}

function fromJwk(jwk: Readonly<Record<string, unknown>>): VerificationKey | null {
  const keyId = text(jwk, 'kid')
  const algorithm = text(jwk, 'alg')
  if (keyId === null || algorithm === null || jwk['use'] === 'enc') return null
  const material = readMaterial(jwk)
  return material === null ? null : { keyId, algorithm, ...material }
}

function readMaterial(
  jwk: Readonly<Record<string, unknown>>,
): Pick<VerificationKey, 'algorithms' | 'key'> | null {
  switch (jwk['kty']) {
    case 'RSA': {
      if (!rsaExponents.includes(String(jwk['e']))) return null
      const key = publicKey(jwk, ['kty', 'n', 'e'])
      return (key.asymmetricKeyDetails?.modulusLength ?? 0) < smallestModulus
        ? null
        : { algorithms: rsaAlgorithms, key }
    }
    case 'EC': {
      const algorithm = curves[String(jwk['crv'])]
      return algorithm === undefined
        ? null
        : { algorithms: [algorithm], key: publicKey(jwk, ['kty', 'crv', 'x', 'y']) }
    }
    case 'OKP':
      return jwk['crv'] === 'Ed25519'
        ? { algorithms: ['EdDSA'], key: publicKey(jwk, ['kty', 'crv', 'x']) }
        : null
    case 'oct': {
      const secret = Buffer.from(typeof jwk['k'] === 'string' ? jwk['k'] : '', 'base64url')
      return secret.length === 0 ? null : { algorithms: secretAlgorithms, key: createSecretKey(secret) }
    }
    default:
      return null
  }
}

function publicKey(jwk: Readonly<Record<string, unknown>>, parts: readonly string[]): KeyObject {
  const key = Object.fromEntries(parts.map((part) => [part, jwk[part]])) as JsonWebKeyInput['key']
  return createPublicKey({ key, format: 'jwk' })
}

/** '' when absent, null when it is no text. */
function text(jwk: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = jwk[name]
  return value === undefined ? '' : typeof value === 'string' ? value : null
}
