/** Origin authentication as legacy policies had it (policy-semantics §7), by the verifier that the data plane asks. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { BearerRequest, Outcome } from '../../src/jwt/bearer-request.ts'
import { RequestAuthenticationVerifier } from '../../src/jwt/request-authentication-verifier.ts'
import type {
  JwtRule,
  LegacyOrigins,
  RequestAuthentication,
} from '../../src/policy/request-authentication.ts'
import type { TriggerRule } from '../../src/policy/trigger-rule.ts'
import {
  authentication,
  bearer,
  issuer,
  jwtRule,
  keySet,
  noRing,
  nowMs,
  request,
  signer,
  token,
} from './issuer.ts'

const es = await signer('ES256', 'es')
const other = await signer('ES256', 'other')
const jwks = keySet(es)
const failed = 'Origin authentication failed.'

const origin = (fields: Partial<JwtRule> = {}): JwtRule =>
  jwtRule({ jwks, forwardOriginalToken: true, ...fields })
function policy(
  rules: readonly JwtRule[],
  more: Partial<LegacyOrigins> = {},
  name = 'default',
): RequestAuthentication {
  const legacy: LegacyOrigins = {
    rank: 'namespace',
    ports: null,
    quarantined: null,
    required: rules.length > 0,
    binding: 'USE_ORIGIN',
    ...more,
  }
  const { meta } = authentication()
  return { meta: { ...meta, name }, selector: null, targetsGateway: false, jwtRules: rules, legacy }
}
const verifier = (...all: readonly RequestAuthentication[]): RequestAuthenticationVerifier =>
  new RequestAuthenticationVerifier(all, [], noRing())
const only = (rules: readonly JwtRule[], more: Partial<LegacyOrigins> = {}): RequestAuthenticationVerifier =>
  verifier(policy(rules, more))

const from = (asked: BearerRequest, peer: string, port = 8080): BearerRequest => ({
  ...asked,
  connection: { scheme: 'https', port, peer },
})
/** `ok` with the principal, or the body. */
async function told(outcome: Outcome | Promise<Outcome>): Promise<string> {
  const settled = await outcome
  return settled.ok ? `ok ${settled.token?.principal ?? '-'}` : settled.body
}

test('a missing token is refused, a valid one stays in the request', async () => {
  const one = only([origin()])
  const missing = await one.verify(request([]), nowMs)
  assert.deepEqual(missing, {
    ok: false,
    status: 401,
    body: failed,
    authenticate: null,
    details: 'origin_authentication_failed{Jwt_is_missing}',
  })
  const good = await one.verify(bearer(await token(es), '/p?q=1'), nowMs)
  assert.ok(good.ok)
  assert.equal(good.token?.principal, `${issuer}/alice`)
  assert.deepEqual(good.edits, { removeHeaders: [], addHeaders: [], target: '/p?q=1' })
})

test('whatever is wrong with a token, the answer is one and the record tells which', async () => {
  const one = only([origin({ audiences: ['a'] })])
  for (const [text, detail] of [
    ['x', 'Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections'],
    [await token(es, { aud: 'b' }), 'Audiences_in_Jwt_are_not_allowed'],
    [await token(es, { aud: 'a', exp: 5 }), 'Jwt_is_expired'],
    [await token(es, { iss: 'z' }), 'Jwt_issuer_is_not_configured'],
    [await token({ ...other, keyId: 'es' }, { aud: 'a' }), 'Jwt_verification_fails'],
  ] as const) {
    const outcome = await one.verify(bearer(text), nowMs)
    assert.ok(!outcome.ok)
    assert.deepEqual([outcome.status, outcome.body], [401, failed])
    assert.equal(outcome.details, `origin_authentication_failed{${detail}}`)
  }
  const remote = only([origin({ jwks: null, jwksUri: 'https://idp.test/keys' })])
  assert.equal(await told(remote.verify(bearer(await token(es)), nowMs)), failed)
})

test('optional origins let through what is missing or bad, without an identity', async () => {
  const lax = only([origin()], { required: false })
  assert.equal(await told(lax.verify(request([]), nowMs)), 'ok -')
  assert.equal(await told(lax.verify(bearer('x'), nowMs)), 'ok -')
  assert.equal(await told(lax.verify(bearer(await token(es)), nowMs)), `ok ${issuer}/alice`)
})

test('methods are tried in order, and the first success is the identity', async () => {
  const second = { issuer: 'second', jwks: keySet(other), fromHeaders: [{ name: 'x-second', prefix: '' }] }
  const both = only([origin(second), origin()])
  const first = ['authorization', `Bearer ${await token(es)}`]
  const last = ['x-second', await token(other, { iss: 'second', sub: 'bob' })]
  assert.equal(await told(both.verify(request(first), nowMs)), `ok ${issuer}/alice`)
  assert.equal(await told(both.verify(request(last), nowMs)), 'ok second/bob')
  assert.equal(await told(both.verify(request([...first, ...last]), nowMs)), 'ok second/bob')
  assert.equal(await told(both.verify(request([...first, 'x-second', 'x']), nowMs)), `ok ${issuer}/alice`)
  assert.equal(
    await told(both.verify(request(['x-second', 'x', 'authorization', 'Bearer y']), nowMs)),
    failed,
  )
  // The second time nothing needs to be waited for.
  assert.ok(!(both.verify(request(first), nowMs) instanceof Promise))
})

const exact = (text: string) => ({ kind: 'exact', text }) as const
const prefix = (text: string) => ({ kind: 'prefix', text }) as const
const suffix = (text: string) => ({ kind: 'suffix', text }) as const
const regex = (text: string) => ({ kind: 'regex', text }) as const
const rule = (excluded: TriggerRule['excluded'], included: TriggerRule['included'] = []): TriggerRule => ({
  excluded,
  included,
})
const triggers: readonly (readonly [name: string, TriggerRule[], asked: string[], skipped: string[]])[] = [
  ['no rule', [], ['/', '/a'], []],
  ['an empty rule', [rule([])], ['/', '/a'], []],
  [
    'an excluded exact path',
    [rule([exact('/health')])],
    ['/health/', '/healthz', '/Health', '/'],
    ['/health'],
  ],
  ['an excluded prefix', [rule([prefix('/status/')])], ['/status', '/x/status/'], ['/status/', '/status/1']],
  ['an excluded suffix', [rule([suffix('.css')])], ['/a.css/', '/a.CSS'], ['/a.css', '/b/c.css']],
  ['an excluded expression', [rule([regex('/v[0-9]+/open')])], ['/v1/open/', '/x/v1/open'], ['/v1/open']],
  ['an included path', [rule([], [prefix('/admin')])], ['/admin', '/admins'], ['/', '/x/admin']],
  ['an included expression', [rule([], [regex('/pets/(.*?)?')])], ['/pets/', '/pets/1'], ['/pets', '/']],
  [
    'both lists',
    [rule([exact('/status/version')], [prefix('/status/')])],
    ['/status/', '/status/a'],
    ['/status/version', '/'],
  ],
  ['any of several rules', [rule([exact('/a')]), rule([], [exact('/a')])], ['/a', '/b'], []],
  ['several rules that exclude the same', [rule([exact('/a')]), rule([exact('/a')])], ['/b'], ['/a']],
]
for (const [name, rules, asked, skipped] of triggers) {
  test(`trigger rules: ${name}`, async () => {
    const one = only([origin({ triggers: rules })])
    for (const path of asked) {
      assert.equal(await told(one.verify(request([], path), nowMs)), failed, path)
      assert.equal(await told(one.verify(request([], `${path}?a=/health#x`), nowMs)), failed, `${path}?`)
    }
    for (const path of skipped) {
      assert.equal(await told(one.verify(request([], path), nowMs)), 'ok -', path)
      // A query or fragment changes nothing (CVE-2020-8595), and a token is not even looked at.
      assert.equal(await told(one.verify(bearer('x', `${path}?a=b`), nowMs)), 'ok -', `${path}?`)
    }
  })
}

test('a path that is too long for an expression is asked for its token', async () => {
  const path = `/${'a'.repeat(5000)}`
  for (const rules of [[rule([regex('/a*')])], [rule([], [regex('/b')])]]) {
    assert.equal(await told(only([origin({ triggers: rules })]).verify(request([], path), nowMs)), failed)
  }
})

test('a method that the path does not trigger cannot be satisfied there', async () => {
  const ofAdmin = origin({ triggers: [rule([], [prefix('/admin')])] })
  const second = origin({ issuer: 'second', jwks: keySet(other), triggers: [rule([prefix('/admin')])] })
  const both = only([ofAdmin, second])
  const [alice, bob] = [await token(es), await token(other, { iss: 'second', sub: 'bob' })]
  assert.equal(await told(both.verify(bearer(alice, '/admin'), nowMs)), `ok ${issuer}/alice`)
  assert.equal(await told(both.verify(bearer(bob, '/admin'), nowMs)), failed)
  assert.equal(await told(both.verify(bearer(alice, '/'), nowMs)), failed)
  assert.equal(await told(both.verify(bearer(bob, '/'), nowMs)), 'ok second/bob')
})

test('a CORS preflight is not asked for origins', async () => {
  const preflight = ['origin', 'https://a.test', 'access-control-request-method', 'PUT']
  const one = only([origin()])
  assert.equal(await told(one.verify(request(preflight, '/', 'OPTIONS'), nowMs)), 'ok -')
  assert.equal(await told(one.verify(request(preflight, '/', 'GET'), nowMs)), failed)
  assert.equal(await told(one.verify(request(preflight.slice(0, 2), '/', 'OPTIONS'), nowMs)), failed)
})

test('the binding says whose name is the principal; claims are the token’s either way', async () => {
  const peer = 'cluster.local/ns/a/sa/b'
  const asked = bearer(await token(es, { groups: ['x'] }))
  const byPeer = only([origin()], { binding: 'USE_PEER', required: false })
  const outcome = await byPeer.verify(from(asked, peer), nowMs)
  assert.ok(outcome.ok && outcome.token !== null)
  assert.equal(outcome.token.principal, peer)
  assert.deepEqual([outcome.token.issuer, outcome.token.subject], ['', ''])
  assert.deepEqual([outcome.token.claims['iss'], outcome.token.claims['groups']], [issuer, ['x']])
  // The one that was chosen is missing: no principal.
  assert.equal(await told(byPeer.verify(from(asked, ''), nowMs)), 'ok ')
  assert.equal(await told(byPeer.verify(from(request([]), peer), nowMs)), `ok ${peer}`)
  assert.equal(await told(byPeer.verify(from(request([]), ''), nowMs)), 'ok -')
  const byOrigin = only([origin()], { required: false })
  assert.equal(await told(byOrigin.verify(from(asked, peer), nowMs)), `ok ${issuer}/alice`)
  assert.equal(await told(byOrigin.verify(from(request([]), peer), nowMs)), 'ok -')
  const noOrigins = only([], { binding: 'USE_PEER' })
  assert.equal(await told(noOrigins.verify(from(request([]), peer), nowMs)), `ok ${peer}`)
})

test('the narrowest policy of the port decides alone', async () => {
  const all = verifier(
    policy([origin()], { rank: 'mesh' }),
    policy([], { rank: 'service', ports: [81] }),
    policy([origin({ issuer: 'second', jwks: keySet(other) })], { rank: 'port', ports: [80, 81] }),
    policy([origin()], { rank: 'service', ports: [80] }),
  )
  const asked = async (port: number, headers: readonly string[] = []): Promise<string> =>
    told(all.verify(from(request(headers), '', port), nowMs))
  const alice = ['authorization', `Bearer ${await token(es)}`]
  const bob = ['authorization', `Bearer ${await token(other, { iss: 'second', sub: 'bob' })}`]
  assert.deepEqual(await Promise.all([asked(79), asked(79, alice), asked(79, bob)]), [
    failed,
    `ok ${issuer}/alice`,
    failed,
  ])
  assert.deepEqual(await Promise.all([asked(80), asked(80, alice), asked(80, bob)]), [
    failed,
    failed,
    'ok second/bob',
  ])
  const narrow = verifier(policy([origin()]), policy([], { rank: 'service', ports: [81] }))
  assert.equal(await told(narrow.verify(from(request([]), '', 81), nowMs)), 'ok -')
  assert.equal(await told(narrow.verify(from(request([]), '', 80), nowMs)), failed)
  assert.deepEqual([narrow.demandsRequests(80), narrow.demandsRequests(81)], [true, false])
})

test('a stub that may have had origins lets no request in but a preflight', async () => {
  const closed = only([], { required: true, quarantined: 'refused' })
  const outcome = await closed.verify(bearer(await token(es)), nowMs)
  assert.ok(!outcome.ok)
  assert.deepEqual([outcome.status, outcome.body], [401, failed])
  assert.equal(outcome.details, 'origin_authentication_failed{quarantined_policy}')
  assert.equal(await told(closed.verify(request([]), nowMs)), failed)
  const harmless = only([], { required: false, quarantined: 'refused' })
  assert.equal(await told(harmless.verify(request([]), nowMs)), 'ok -')
})

test('a modern rule puts legacy origins out of force, a refused modern object does not', async () => {
  const modern = verifier(authentication(jwtRule({ jwks })), policy([origin()]))
  assert.equal(await told(modern.verify(request([]), nowMs)), 'ok -')
  assert.equal(modern.demandsRequests(8080), false)
  const refusal = {
    namespace: 'n',
    name: 'r',
    selector: null,
    reason: 'x',
    locations: { fromHeaders: [], fromParams: [], fromCookies: [] },
    outputs: ['x-out'],
  }
  const both = new RequestAuthenticationVerifier([policy([origin()])], [refusal], noRing())
  assert.equal(await told(both.verify(request([]), nowMs)), failed)
  assert.equal(await told(both.verify(bearer(await token(es)), nowMs)), 'Jwt verification fails')
})
