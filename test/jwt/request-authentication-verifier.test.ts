import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import type { Outcome } from '../../src/jwt/bearer-request.ts'
import { RequestAuthenticationVerifier } from '../../src/jwt/request-authentication-verifier.ts'
import type { TokenRefusal } from '../../src/policy/token-refusal.ts'
import { createTestCa } from '../support/test-ca.ts'
import {
  authentication,
  bearer,
  forged,
  issuer,
  jwtRule,
  keySet,
  noRing,
  nowMs,
  nowSeconds,
  request,
  signer,
  token,
  told,
  verifier,
  type Signer,
} from './issuer.ts'

const es = await signer('ES256', 'es')
const other = await signer('ES256', 'other')
const jwks = keySet(es)
const plain = verifier(jwtRule({ jwks }))
type Good = Extract<Outcome, { ok: true }>
type Bad = Extract<Outcome, { ok: false }>

async function good(outcome: Outcome | Promise<Outcome>): Promise<Good> {
  const settled = await outcome
  if (!settled.ok) assert.fail(settled.body)
  return settled
}
async function bad(outcome: Outcome | Promise<Outcome>): Promise<Bad> {
  const settled = await outcome
  assert.equal(settled.ok, false)
  return settled as Bad
}

test('a valid token becomes an identity and leaves the request', async () => {
  const claims = { aud: ['a', 'b'], azp: 'client', scope: 'read  write', n: { roles: ['x'] } }
  const { token: found, edits } = await good(plain.verify(bearer(await token(es, claims), '/p?q=1'), nowMs))
  assert.deepEqual(found, {
    issuer,
    subject: 'alice',
    principal: `${issuer}/alice`,
    claims: { iss: issuer, sub: 'alice', exp: nowSeconds + 3600, ...claims, scope: ['read', 'write'] },
  })
  assert.deepEqual(edits, { removeHeaders: ['authorization'], addHeaders: [], target: '/p?q=1' })
})

test('a request without token passes at once and without identity, whatever the keys are', () => {
  const keyless = verifier(jwtRule({ jwksUri: 'https://idp.test/keys' }))
  for (const headers of [[], ['authorization', 'Basic eDp5'], ['authorization', 'bearer x']]) {
    const outcome = keyless.verify(request(headers), nowMs)
    assert.ok(!(outcome instanceof Promise) && outcome.ok && outcome.token === null)
  }
})

test('a token that was verified before is answered at once, until it expires', async () => {
  const text = await token(es, { exp: nowSeconds + 10 })
  const fresh = verifier(jwtRule({ jwks }))
  assert.ok(fresh.verify(bearer(text), nowMs) instanceof Promise)
  await good(fresh.verify(bearer(text), nowMs))
  const again = fresh.verify(bearer(text), nowMs + 70_000)
  assert.ok(!(again instanceof Promise) && again.ok)
  const late = fresh.verify(bearer(text), nowMs + 71_000)
  assert.ok(!(late instanceof Promise))
  assert.equal(told(late), 'Jwt is expired')
})

test('the refusal has the status, the challenge and the details of the fault', async () => {
  const expired = await bad(
    plain.verify(bearer(await token(es, { exp: 5 }), `/p"?${'x'.repeat(300)}`), nowMs),
  )
  assert.deepEqual(expired, {
    ok: false,
    status: 401,
    body: 'Jwt is expired',
    authenticate: `Bearer realm="https://app.test/p%22?${'x'.repeat(252)}", error="invalid_token"`,
    details: 'jwt_authn_access_denied{Jwt_is_expired}',
  })
  const audience = verifier(jwtRule({ jwks, audiences: ['wanted'] }))
  const { status, body } = await bad(audience.verify(bearer(await token(es, { aud: 'else' })), nowMs))
  assert.deepEqual([status, body], [403, 'Audiences in Jwt are not allowed'])
})

test('clocks may be 60 s apart, both ways', async () => {
  for (const [claims, expected] of [
    [{ exp: nowSeconds - 60 }, 'ok'],
    [{ exp: nowSeconds - 61 }, 'Jwt is expired'],
    [{ nbf: nowSeconds + 60 }, 'ok'],
    [{ nbf: nowSeconds + 61 }, 'Jwt not yet valid'],
    [{ exp: undefined }, 'ok'],
    [{ exp: 0 }, 'Jwt is expired'],
  ] as const) {
    assert.equal(told(await plain.verify(bearer(await token(es, claims)), nowMs)), expected)
  }
})

test('audiences are compared without scheme and one trailing slash', async () => {
  const rule = verifier(jwtRule({ jwks, audiences: ['https://a.test/', 'b'] }))
  for (const [aud, expected] of [
    ['a.test', 'ok'],
    ['http://a.test', 'ok'],
    [['x', 'b/'], 'ok'],
    ['a.test//', 'Audiences in Jwt are not allowed'],
    [undefined, 'Audiences in Jwt are not allowed'],
  ] as const) {
    assert.equal(told(await rule.verify(bearer(await token(es, { aud })), nowMs)), expected)
  }
})

for (const algorithm of 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' ')) {
  test(`${algorithm} is verified, and by its own key only`, async () => {
    const [own, stranger] = [await signer(algorithm, ''), await signer(algorithm, '')]
    const one = verifier(jwtRule({ jwks: keySet(own) }))
    assert.equal(told(await one.verify(bearer(await token(own)), nowMs)), 'ok')
    assert.equal(told(await one.verify(bearer(await token(stranger)), nowMs)), 'Jwt verification fails')
  })
}

test('HMAC works with a shared secret and never with a public key', async () => {
  const secret = Buffer.alloc(32, 7)
  const sign = (key: Buffer | string): string => {
    const signed = forged({ alg: 'HS256' }, { iss: issuer, sub: 's' }).split('.').slice(0, 2).join('.')
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
  }
  const shared = JSON.stringify({ keys: [{ kty: 'oct', k: secret.toString('base64url') }] })
  assert.equal(told(await verifier(jwtRule({ jwks: shared })).verify(bearer(sign(secret)), nowMs)), 'ok')
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const rsa = JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] })
  for (const material of [
    publicKey.export({ type: 'spki', format: 'pem' }),
    publicKey.export({ type: 'spki', format: 'der' }),
    Buffer.from(String(publicKey.export({ format: 'jwk' }).n), 'base64url'),
    rsa,
  ]) {
    const outcome = await verifier(jwtRule({ jwks: rsa })).verify(bearer(sign(material)), nowMs)
    assert.equal(told(outcome), 'Jwt verification fails')
  }
})

test('keys are chosen by kid and alg, and unusable ones are skipped', async () => {
  const unusable = [
    5,
    { kty: 'RSA', n: '!', e: 'AQAB' },
    { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
    { kty: 'new' },
  ]
  const set = (...keys: readonly unknown[]): string => JSON.stringify({ keys: [...unusable, ...keys] })
  const noKid: Signer = { ...es, keyId: '' }
  const cases: readonly (readonly [string, string, string])[] = [
    [await token(es), set(other.jwk, es.jwk), 'ok'],
    [await token(noKid), set(other.jwk, es.jwk), 'ok'],
    [await token(es), set({ ...es.jwk, kid: undefined, alg: undefined }), 'ok'],
    [await token(es), set(other.jwk), "Jwks doesn't have key to match kid or alg from Jwt"],
    [await token(es), set({ ...es.jwk, alg: 'RS256' }), "Jwks doesn't have key to match kid or alg from Jwt"],
    [await token(es), set({ ...other.jwk, kid: 'es' }), 'Jwt verification fails'],
    [await token(es), set({ ...es.jwk, use: 'enc' }), "Jwks doesn't have any valid public key"],
    [await token(es), '{"keys":[]}', "Jwks doesn't have any valid public key"],
    [await token(es), '{}', 'Jwks does not have [keys] field'],
    [await token(es), '{"keys":{}}', '[keys] in Jwks is not an array'],
    [await token(es), 'x', 'Jwks is an invalid JSON'],
    [
      await token(es, {}, { crit: ['exp'] }).catch(() =>
        forged({ alg: 'ES256', crit: ['x'] }, { iss: issuer }),
      ),
      jwks,
      'Jwt verification fails',
    ],
  ]
  for (const [text, keys, expected] of cases) {
    assert.equal(told(await verifier(jwtRule({ jwks: keys })).verify(bearer(text), nowMs)), expected)
  }
})

test('a rule whose keys are not there yet refuses tokens', async () => {
  const remote = verifier(jwtRule({ jwksUri: 'https://idp.test/keys' }))
  assert.equal(told(await remote.verify(bearer(await token(es)), nowMs)), 'Jwks remote fetch is failed')
})

test('of two rules for one header the issuer decides; an unknown issuer is told as such', async () => {
  const two = verifier(jwtRule({ jwks }), jwtRule({ issuer: 'second', jwks: keySet(other) }))
  assert.equal(told(await two.verify(bearer(await token(other, { iss: 'second' })), nowMs)), 'ok')
  assert.equal(told(await two.verify(bearer(await token(es)), nowMs)), 'ok')
  assert.equal(
    told(await two.verify(bearer(await token(es, { iss: 'x' })), nowMs)),
    'Jwt issuer is not configured',
  )
  const forgedSecond = await token(es, { iss: 'second' }, { kid: 'other' })
  assert.equal(told(await two.verify(bearer(forgedSecond), nowMs)), 'Jwt verification fails')
  const any = verifier(jwtRule({ issuer: '', jwks, jwksUri: null }))
  assert.equal(told(await any.verify(bearer(await token(es, { iss: 'whoever' })), nowMs)), 'ok')
})

test('the same issuer with other audiences means either', async () => {
  const either = verifier(jwtRule({ jwks, audiences: ['a'] }), jwtRule({ jwks, audiences: ['b'] }))
  assert.equal(told(await either.verify(bearer(await token(es, { aud: 'b' })), nowMs)), 'ok')
  assert.equal((await bad(either.verify(bearer(await token(es, { aud: 'c' })), nowMs))).status, 403)
})

test('the first success ends it: a bad token that another rule would look for is not looked at', async () => {
  const two = verifier(
    jwtRule({ jwks }),
    jwtRule({ issuer: 'z', jwks, fromHeaders: [{ name: 'x-jwt', prefix: '' }] }),
  )
  const headers = ['authorization', `Bearer ${await token(es)}`, 'x-jwt', 'rubbish']
  const { edits } = await good(two.verify(request(headers), nowMs))
  assert.deepEqual(edits.removeHeaders, ['authorization'])
  assert.equal(
    told(await two.verify(request(['x-jwt', '']), nowMs)),
    'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  )
})

test('a REQUIRED rule demands its token, beside valid ones too', async () => {
  const scope = { issuer: 'z', jwks: keySet(other), fromHeaders: [{ name: 'x-scope', prefix: '' }] }
  const both = verifier(jwtRule({ jwks, presence: 'REQUIRED' }), jwtRule({ ...scope, presence: 'REQUIRED' }))
  const identity = ['authorization', `Bearer ${await token(es)}`]
  const second = ['x-scope', await token(other, { iss: 'z', sub: 'second' })]
  const missing = await bad(both.verify(request(identity), nowMs))
  assert.deepEqual([missing.status, missing.body], [401, 'Jwt is missing'])
  assert.equal(missing.authenticate, 'Bearer realm="https://app.test/path"')
  const { token: found, edits } = await good(both.verify(request([...identity, ...second]), nowMs))
  assert.equal(found?.subject, 'second')
  assert.deepEqual(edits.removeHeaders, ['authorization', 'x-scope'])
  const mixed = verifier(jwtRule({ jwks, presence: 'REQUIRED' }), jwtRule(scope))
  assert.equal((await good(mixed.verify(request(identity), nowMs))).token?.subject, 'alice')
  assert.equal(told(await mixed.verify(request(second), nowMs)), 'Jwt is missing')
  assert.notEqual(told(await mixed.verify(request([...identity, 'x-scope', 'bad']), nowMs)), 'ok')
})

test('a CORS preflight passes with any token, its output headers scrubbed', () => {
  const rule = verifier(jwtRule({ jwks, outputPayloadToHeader: 'x-payload', presence: 'REQUIRED' }))
  const headers = [
    'origin',
    'https://o.test',
    'access-control-request-method',
    'PUT',
    'authorization',
    'Bearer x',
  ]
  const outcome = rule.verify(request(headers, '/', 'OPTIONS'), nowMs) as Outcome
  assert.ok(outcome.ok && outcome.token === null)
  assert.deepEqual(outcome.edits.removeHeaders, ['x-payload'])
  for (const [method, list] of [
    ['GET', headers],
    ['OPTIONS', ['origin', '', ...headers.slice(2)]],
  ] as const) {
    assert.notEqual(told(rule.verify(request(list, '/', method), nowMs) as Outcome), 'ok')
  }
})

test('outputs are added, and the copies of every rule scrubbed always', async () => {
  const claims = {
    n: 7,
    f: 1.5,
    neg: -1,
    yes: true,
    o: { in: { s: 'é' } },
    l: [1],
    e: '',
    crlf: 'a\r\nb',
    nil: null,
  }
  const names = ['n', 'f', 'neg', 'yes', 'o.in.s', 'o', 'l', 'e', 'crlf', 'nil', 'gone', 'o.in.s.t']
  const rules = verifier(
    jwtRule({
      jwks,
      forwardOriginalToken: true,
      outputPayloadToHeader: 'x-payload',
      outputClaimToHeaders: names.map((claim, i) => ({ header: `x-${i}`, claim })),
    }),
    jwtRule({ issuer: 'z', jwks, outputPayloadToHeader: 'x-other' }),
  )
  const text = await token(es, claims)
  const { edits } = await good(rules.verify(bearer(text), nowMs))
  const scrubbed = ['x-payload', ...names.map((_, i) => `x-${i}`), 'x-other']
  assert.deepEqual(edits.removeHeaders, scrubbed)
  const utf8 = Buffer.from('é').toString('latin1')
  const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64')
  assert.deepEqual(edits.addHeaders, [
    ...['x-payload', text.split('.')[1]],
    ...['x-0', '7', 'x-1', '1.500000', 'x-2', '-1.000000', 'x-3', 'true', 'x-4', utf8],
    ...['x-5', json(claims.o), 'x-6', json(claims.l)],
  ])
  const none = await good(rules.verify(request([]), nowMs))
  assert.deepEqual(none.edits.removeHeaders, scrubbed)
})

test('several tokens of one rule must all be valid; the first place is the identity', async () => {
  const rule = verifier(
    jwtRule({
      jwks,
      fromHeaders: [
        { name: 'b', prefix: '' },
        { name: 'a', prefix: '' },
      ],
      fromParams: ['p'],
      fromCookies: ['c'],
    }),
  )
  const [first, second] = [await token(es, { sub: 'first' }), await token(es, { sub: 'second' })]
  const headers = ['b', second, 'a', first, 'cookie', `x=1; c="${second}"`]
  const { token: found, edits } = await good(
    rule.verify(request(headers, `/x?a=1&p=${second}&%70=z&b`), nowMs),
  )
  assert.equal(found?.subject, 'first')
  assert.deepEqual(edits, { removeHeaders: ['a', 'b'], addHeaders: [], target: '/x?a=1&b' })
  assert.notEqual(told(await rule.verify(request([...headers, 'a', 'bad']), nowMs)), 'ok')
  // Custom places switch the default ones off.
  assert.equal((await good(rule.verify(bearer('bad', '/?access_token=bad'), nowMs))).token, null)
})

test('a refused RequestAuthentication refuses bearers in default and salvaged places and still scrubs', () => {
  const locations = { fromHeaders: [{ name: 'x-jwt', prefix: '' }], fromParams: [], fromCookies: [] }
  const refusal: TokenRefusal = {
    namespace: 'n',
    name: 'r',
    selector: null,
    reason: 'x',
    locations,
    outputs: ['x-out'],
  }
  const closed = new RequestAuthenticationVerifier([authentication()], [refusal], noRing())
  for (const asked of [bearer('x'), request(['x-jwt', 'x']), request([], '/?access_token=x')]) {
    const outcome = closed.verify(asked, nowMs) as Bad
    assert.deepEqual([outcome.status, outcome.body], [401, 'Jwt verification fails'])
    assert.equal(outcome.details, 'jwt_authn_access_denied{quarantined_request_authentication}')
  }
  assert.deepEqual((closed.verify(request([]), nowMs) as Good).edits.removeHeaders, ['x-out'])
})

test('when all rules fail a real fault is told before an unknown issuer, and that before a missing token', async () => {
  const first = { issuer: 'a', jwks, fromHeaders: [{ name: 'x-a', prefix: '' }] }
  const second = { issuer: 'b', jwks, fromHeaders: [{ name: 'x-b', prefix: '' }] }
  const both = verifier(jwtRule(first), jwtRule(second))
  const late = await token(es, { iss: 'a', exp: 5 })
  const early = await token(es, { iss: 'b', nbf: nowSeconds + 1000 })
  const unknown = await token(es, { iss: 'z' })
  for (const [headers, expected] of [
    [['x-b', unknown], 'Jwt issuer is not configured'],
    [['x-a', unknown, 'x-b', early], 'Jwt not yet valid'],
    [['x-a', late, 'x-b', unknown], 'Jwt is expired'],
    // The last alternative, "all or missing", fails with the first rule that refuses its token.
    [['x-a', late, 'x-b', early], 'Jwt is expired'],
  ] as const) {
    assert.equal(told(await both.verify(request(headers), nowMs)), expected)
  }
})

test('keys may be a map of certificates by their ids, and RSA has the exponents 3 and 65537', async () => {
  const ca = await createTestCa({ trustDomain: 'idp' })
  const key = createPrivateKey(ca.privateKey)
  const certified: Signer = { ...es, key, keyId: 'cert' }
  const map = JSON.stringify({ cert: ca.rootPem })
  const text = await token(certified)
  assert.equal(told(await verifier(jwtRule({ jwks: map })).verify(bearer(text), nowMs)), 'ok')
  const unnamed = JSON.stringify({ other: ca.rootPem })
  assert.equal(
    told(await verifier(jwtRule({ jwks: unnamed })).verify(bearer(text), nowMs)),
    "Jwks doesn't have key to match kid or alg from Jwt",
  )
  for (const [publicExponent, expected] of [
    [3, 'ok'],
    [65537, 'ok'],
    [17, "Jwks doesn't have any valid public key"],
  ] as const) {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent })
    const set = JSON.stringify({ keys: [pair.publicKey.export({ format: 'jwk' })] })
    const signed = forged({ alg: 'RS256' }, { iss: issuer, sub: 's' }).split('.').slice(0, 2).join('.')
    const rsa = `${signed}.${sign('sha256', Buffer.from(signed), pair.privateKey).toString('base64url')}`
    assert.equal(told(await verifier(jwtRule({ jwks: set })).verify(bearer(rsa), nowMs)), expected)
  }
})
