/** An issuer in memory: keys of every kind, tokens signed by them, and rules that trust it. What tests of tokens start from. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SignJWT, exportJWK } from 'jose'
import { ManualClock } from '../support/manual-clock.ts'
import { KeyRing } from '../../src/jwt/key-ring.ts'
import type { BearerRequest, Outcome } from '../../src/jwt/bearer-request.ts'
import { RequestAuthenticationVerifier } from '../../src/jwt/request-authentication-verifier.ts'
import type { JwtRule, RequestAuthentication } from '../../src/policy/request-authentication.ts'

export const issuer = 'https://idp.test'
export const nowMs = Date.parse('2026-01-02T03:04:05Z')
export const nowSeconds = nowMs / 1000

export interface Signer {
  readonly algorithm: string
  readonly keyId: string
  readonly key: KeyObject
  readonly jwk: Record<string, unknown>
}

export async function signer(algorithm: string, keyId: string, withAlgorithm = true): Promise<Signer> {
  const pair = algorithm.startsWith('ES')
    ? generateKeyPairSync('ec', {
        namedCurve: { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[algorithm]!,
      })
    : algorithm === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk: Record<string, unknown> = { ...(await exportJWK(pair.publicKey)) }
  if (keyId !== '') jwk['kid'] = keyId
  if (withAlgorithm) jwk['alg'] = algorithm
  return { algorithm, keyId, key: pair.privateKey, jwk }
}

export function token(
  by: Signer,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const kid = by.keyId === '' ? {} : { kid: by.keyId }
  const payload = { iss: issuer, sub: 'alice', exp: nowSeconds + 3600, ...claims }
  return new SignJWT(payload).setProtectedHeader({ alg: by.algorithm, ...kid, ...header }).sign(by.key)
}

export const keySet = (...signers: readonly Signer[]): string =>
  JSON.stringify({ keys: signers.map(({ jwk }) => jwk) })

export function jwtRule(fields: Partial<JwtRule>): JwtRule {
  return {
    issuer,
    audiences: [],
    jwksUri: null,
    jwks: null,
    fromHeaders: [],
    fromParams: [],
    fromCookies: [],
    outputPayloadToHeader: null,
    outputClaimToHeaders: [],
    forwardOriginalToken: false,
    spaceDelimitedClaims: [],
    timeoutMs: 5000,
    presence: 'OPTIONAL',
    triggers: [],
    ...fields,
  }
}

export function authentication(...jwtRules: readonly JwtRule[]): RequestAuthentication {
  const meta = { name: 'jwt', namespace: 'ns', labels: {}, annotations: {}, createdAt: 0, origin: 'test' }
  return { meta, selector: null, targetsGateway: false, jwtRules, legacy: null }
}

export const noRing = (): KeyRing => new KeyRing({ clock: new ManualClock(nowMs), refetch: () => undefined })

export const verifier = (...rules: readonly JwtRule[]): RequestAuthenticationVerifier =>
  new RequestAuthenticationVerifier([authentication(...rules)], [], noRing())

export function request(headers: readonly string[], target = '/path', method = 'GET'): BearerRequest {
  const connection = { scheme: 'https', port: 8080, peer: '' } as const
  return { connection, method, headers, target, path: target.split(/[?#]/, 1)[0] as string, host: 'app.test' }
}

export const bearer = (text: string, target?: string): BearerRequest =>
  request(['authorization', `Bearer ${text}`], target)

/** The fault a client is told, or `ok`. */
export const told = (outcome: Outcome): string => (outcome.ok ? 'ok' : outcome.body)

/** A compact form of any header and payload, with a signature of `signature`. */
export const forged = (header: unknown, payload: unknown, signature = 'c2ln'): string =>
  `${part(header)}.${part(payload)}.${signature}`

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
