/**
 * A compact JWS taken apart and checked for form, in the order and with the texts of policy-semantics §6.4. Nothing in it
 * is to be believed: signature, issuer and time are looked at in `verify-token.ts`.
 */
import { parseJsonObject } from './json-object.ts'
import type { TokenFault } from './token-fault.ts'

export interface Token {
  /** As found: header, payload and signature. */
  readonly raw: string
  readonly algorithm: string
  /** '' when the header has none. */
  readonly keyId: string
  /** The header demands an extension (RFC 7515 §4.1.11); none is understood here. */
  readonly critical: boolean
  /** The payload as it stands in the token: base64url without padding. */
  readonly payloadSegment: string
  readonly claims: Readonly<Record<string, unknown>>
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly string[]
  /** Seconds since the epoch; null when the claim is absent. */
  readonly notBefore: number | null
  readonly expires: number | null
}

export type TokenRead =
  { readonly ok: true; readonly token: Token } | { readonly ok: false; readonly fault: TokenFault }

/** policy-semantics §6.5; `none` is not among them. */
const algorithms = new Set(
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 HS256 HS384 HS512 EdDSA'.split(' '),
)

/** Characters; no request head holds more. */
const longest = 64 * 1024
const ed25519SignatureBytes = 64

export function readToken(raw: string): TokenRead {
  const first = raw.indexOf('.')
  const second = raw.indexOf('.', first + 1)
  if (first <= 0 || second <= first + 1 || second === raw.length - 1) return malformed
  if (raw.length > longest || raw.includes('.', second + 1)) return malformed

  const header = readPart(raw.slice(0, first), 'header')
  if (typeof header === 'string') return fail(header)
  const algorithm = own(header, 'alg')
  if (typeof algorithm !== 'string') return fail('Jwt header [alg] field is required and must be a string')
  if (!algorithms.has(algorithm)) return fail('Jwt header [alg] is not supported')
  const keyId = own(header, 'kid') ?? ''
  if (typeof keyId !== 'string' || own(header, 'kid') === null)
    return fail('Jwt header [kid] field is not a string')

  const payloadSegment = raw.slice(first + 1, second)
  const claims = readPart(payloadSegment, 'payload')
  if (typeof claims === 'string') return fail(claims)
  const fault = claimFault(claims)
  if (fault !== null) return fail(fault)

  const signature = decodeBase64Url(raw.slice(second + 1))
  if (signature === null) return fail('Jwt signature is an invalid Base64url encoded')
  if (algorithm === 'EdDSA' && signature.length !== ed25519SignatureBytes)
    return fail('Jwt ED25519 signature is wrong length')

  const audience = own(claims, 'aud')
  return {
    ok: true,
    token: {
      raw,
      algorithm,
      keyId,
      critical: Object.hasOwn(header, 'crit'),
      payloadSegment,
      claims,
      issuer: textClaim(claims, 'iss'),
      subject: textClaim(claims, 'sub'),
      audiences:
        typeof audience === 'string' ? [audience] : Array.isArray(audience) ? (audience as string[]) : [],
      notBefore: timeClaim(claims, 'nbf'),
      expires: timeClaim(claims, 'exp'),
    },
  }
}

const fail = (fault: TokenFault): TokenRead => ({ ok: false, fault })
const malformed = fail('Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections')

function readPart(
  text: string,
  part: 'header' | 'payload',
): Readonly<Record<string, unknown>> | Extract<TokenFault, `Jwt ${'header' | 'payload'} is ${string}`> {
  const bytes = decodeBase64Url(text)
  if (bytes === null) return `Jwt ${part} is an invalid Base64url encoded`
  return parseJsonObject(bytes) ?? `Jwt ${part} is an invalid JSON`
}

/** Strictly: no padding, no other alphabet, no stray bits, so that one value has one spelling. */
function decodeBase64Url(text: string): Buffer | null {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return null
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}

/** An inherited `constructor` is no claim. */
const own = (object: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : undefined

function claimFault(claims: Readonly<Record<string, unknown>>): TokenFault | null {
  for (const name of ['iss', 'sub'] as const) {
    if (!isTextOrAbsent(claims, name)) return `Jwt payload [${name}] field is not a string`
  }
  for (const name of ['iat', 'nbf', 'exp'] as const) {
    const value = own(claims, name)
    if (value === undefined) continue
    if (typeof value !== 'number') return `Jwt payload [${name}] field is not an integer`
    if (value < 0 || value >= 2 ** 64) return `Jwt payload [${name}] field is not a positive 64 bit integer`
  }
  if (!isTextOrAbsent(claims, 'jti')) return 'Jwt payload [jti] field is not a string'
  const audience = own(claims, 'aud')
  if (audience === undefined || typeof audience === 'string') return null
  return Array.isArray(audience) && audience.every((entry) => typeof entry === 'string')
    ? null
    : 'Jwt payload [aud] field is not a string or string list'
}

function isTextOrAbsent(claims: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = own(claims, name)
  return value === undefined || typeof value === 'string'
}

const textClaim = (claims: Readonly<Record<string, unknown>>, name: string): string =>
  (own(claims, name) as string | undefined) ?? ''

// RFC 7519 allows fractions of a second; whole ones are compared.
const timeClaim = (claims: Readonly<Record<string, unknown>>, name: string): number | null => {
  const value = own(claims, name) as number | undefined
  return value === undefined ? null : Math.trunc(value)
}
