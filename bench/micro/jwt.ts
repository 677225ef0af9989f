/**
 * Nanoseconds to authenticate a request: without a token, with one verified before, and cold beside the raw signature
 * check of the platform. It reports and asserts nothing; `--smoke` runs it once, short.
 */
import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import { systemClock } from '../../src/lifecycle/clock.ts'
import { KeyRing } from '../../src/jwt/key-ring.ts'
import { RequestAuthenticationVerifier } from '../../src/jwt/request-authentication-verifier.ts'
import type { JwtRule } from '../../src/policy/request-authentication.ts'

const smoke = process.argv.includes('--smoke')
const hits = smoke ? 500 : 50_000
const colds = smoke ? 20 : 2_000
const issuer = 'https://idp.test'
const nowMs = Date.now()

function pairOf(algorithm: string): { privateKey: KeyObject; publicKey: KeyObject } {
  return algorithm === 'ES256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function mint(algorithm: string, key: KeyObject, count: number): string[] {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return Array.from({ length: count }, (_, i) => {
    const claims = {
      iss: issuer,
      sub: `user-${i}`,
      exp: nowMs / 1000 + 3600,
      scope: 'read write',
      pad: 'x'.repeat(250),
    }
    const input = `${part({ alg: algorithm, kid: 'k' })}.${part(claims)}`
    const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
    return `${input}.${signature.toString('base64url')}`
  })
}

function verifierOf(publicKey: KeyObject): RequestAuthenticationVerifier {
  const rule: JwtRule = {
    issuer,
    audiences: [],
    jwksUri: null,
    jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] }),
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
  }
  const meta = { name: 'b', namespace: 'b', labels: {}, annotations: {}, createdAt: 0, origin: 'bench' }
  const ring = new KeyRing({ clock: systemClock, refetch: () => undefined })
  const authentication = { meta, selector: null, targetsGateway: false, jwtRules: [rule], legacy: null }
  return new RequestAuthenticationVerifier([authentication], [], ring)
}

const others = ['accept', '*/*', 'user-agent', 'bench', 'x-request-id', '1']
const request = (headers: readonly string[]) => ({
  connection: { scheme: 'https' as const, port: 8080, peer: '' },
  method: 'GET',
  headers,
  target: '/api/v1/things?page=2',
  path: '/api/v1/things',
  host: 'app',
})
const report = (what: string, startedAt: number, rounds: number): void => {
  const ns = ((performance.now() - startedAt) * 1e6) / rounds
  console.log(`${what.padEnd(40)} ${ns.toFixed(0).padStart(8)} ns`)
}

for (const algorithm of ['ES256', 'RS256']) {
  const { privateKey, publicKey } = pairOf(algorithm)
  const tokens = mint(algorithm, privateKey, colds)
  const verifier = verifierOf(publicKey)

  const signed = tokens.map((text) => {
    const dot = text.lastIndexOf('.')
    return [Buffer.from(text.slice(0, dot)), Buffer.from(text.slice(dot + 1), 'base64url')] as const
  })
  let startedAt = performance.now()
  for (const [input, signature] of signed) {
    verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)
  }
  report(`${algorithm} crypto.verify`, startedAt, colds)

  startedAt = performance.now()
  for (const text of tokens)
    await verifier.verify(request([...others, 'authorization', `Bearer ${text}`]), nowMs)
  report(`${algorithm} cold`, startedAt, colds)

  // Fresh text each time, as it comes off the wire: engines remember the hash of a string they have seen.
  const fresh = (text: string): string => Buffer.from(`Bearer ${text}`, 'latin1').toString('latin1')
  for (const [label, clients] of [
    ['64 clients', Math.min(64, colds)],
    ['1,000 clients', Math.min(1000, colds)],
  ] as const) {
    const warm = Array.from({ length: hits }, (_, i) =>
      request([...others, 'authorization', fresh(tokens[i % clients] as string)]),
    )
    for (let i = 0; i < clients; i++) await verifier.verify(warm[i] as (typeof warm)[number], nowMs)
    reportBest(
      `${algorithm} cached, ${label}, ${(tokens[0] as string).length} bytes`,
      warm.length,
      (i) => void verifier.verify(warm[i] as (typeof warm)[number], nowMs),
    )
  }

  const bare = request(others)
  reportBest(`${algorithm} no token`, hits, () => void verifier.verify(bare, nowMs))
}

/** The best of ten parts of the run: what the code costs when nobody else wants the core. */
function reportBest(what: string, rounds: number, once: (round: number) => void): void {
  const part = Math.floor(rounds / 10)
  let best = Infinity
  for (let from = 0; from + part <= rounds; from += part) {
    const startedAt = performance.now()
    for (let i = from; i < from + part; i++) once(i)
    best = Math.min(best, performance.now() - startedAt)
  }
  console.log(`${what.padEnd(40)} ${((best * 1e6) / part).toFixed(0).padStart(8)} ns`)
}
