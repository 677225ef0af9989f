import { test } from 'node:test'
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { readQuestion } from '../../../src/cli/policy/question.ts'
import { asking, now, policy } from './asking.ts'

const timeout = 10_000

const get = { to: [{ operation: { methods: ['GET'] } }] }

test('the boolean shapes of policy-semantics §1.1 answer as their table says', { timeout }, async (t) => {
  for (const [spec, allowed, reason] of [
    [{}, false, 'no_allow_matched'],
    [{ rules: [] }, false, 'no_allow_matched'],
    [{ rules: [{}] }, true, 'allow_rule'],
    [{ action: 'DENY', rules: [{}] }, false, 'deny_rule'],
    [{ action: 'AUDIT', rules: [{}] }, true, 'no_allow_policy'],
    [{ rules: [{ when: [], ...get }] }, true, 'allow_rule'],
  ] as const) {
    const answer = await (await asking(t, policy('p', spec)))({})
    assert.deepEqual([answer.allowed, answer.reason], [allowed, reason], JSON.stringify(spec))
  }
})

test(
  'the policy and rule that matched are named; when none did, the nearest miss is',
  { timeout },
  async (t) => {
    const ask = await asking(
      t,
      policy('readers', { rules: [{ to: [{ operation: { paths: ['/never'] } }] }, get] }) +
        policy('no-admin', { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/admin*'] } }] }] }),
    )
    const allowed = await ask({ path: '/x' })
    assert.deepEqual(
      [allowed.allowed, allowed.action, allowed.policy, allowed.rule, allowed.status],
      [true, 'ALLOW', 'foo/readers', 1, 200],
    )
    const denied = await ask({ path: '/a/../admin?x=1' })
    assert.deepEqual(
      [denied.action, denied.policy, denied.rule, denied.status, denied.body, denied.path],
      ['DENY', 'foo/no-admin', 0, 403, 'RBAC: access denied', '/admin?x=1'],
    )
    const missed = await ask({ method: 'PUT', path: '/x' })
    assert.deepEqual([missed.action, missed.policy, missed.rule], [null, null, null])
    assert.equal(missed.miss?.policy, 'foo/readers')
  },
)

test('TCP loses HTTP fields as policy-semantics §3.1 says', { timeout }, async (t) => {
  const inNamespace = { from: [{ source: { namespaces: ['a'] } }], to: [{ operation: { paths: ['/x'] } }] }
  const onPort = (...operations: object[]) => ({ to: operations.map((operation) => ({ operation })) })
  const a = { principal: 'cluster.local/ns/a/sa/x' }
  const b = { principal: 'cluster.local/ns/b/sa/x' }
  for (const [action, rule, source, port, allowed] of [
    ['DENY', get, a, 80, false],
    ['ALLOW', get, a, 80, false],
    ['DENY', onPort({ ports: ['80'], methods: ['GET'] }), a, 80, false],
    ['DENY', onPort({ ports: ['80'], methods: ['GET'] }), a, 81, true],
    ['DENY', inNamespace, a, 80, false],
    ['DENY', inNamespace, b, 80, true],
    ['DENY', onPort({ ports: ['80'] }, { paths: ['/x'] }), a, 81, false],
    ['ALLOW', onPort({ ports: ['80'] }, { paths: ['/x'] }), a, 80, false],
    ['ALLOW', onPort({ ports: ['80'] }), a, 80, true],
    ['ALLOW', onPort({ ports: ['80'] }), a, 81, false],
  ] as const) {
    const ask = await asking(t, policy('p', { action, rules: [rule] }))
    const answer = await ask({ protocol: 'tcp', source, destination: { ip: '10.0.0.2', port } })
    assert.equal(answer.allowed, allowed, JSON.stringify([action, rule, port]))
    assert.deepEqual([answer.status, answer.body, answer.path], [null, null, null])
  }
})

test(
  'a refused call of gRPC is 200 with grpc-status 7; HEAD is told without a body',
  { timeout },
  async (t) => {
    const ask = await asking(t, policy('p', {}))
    const grpc = await ask({ protocol: 'grpc', path: '/pkg.Service/Method' })
    assert.deepEqual([grpc.allowed, grpc.status, grpc.grpcStatus], [false, 200, 7])
    const head = await ask({ method: 'HEAD' })
    assert.deepEqual([head.status, head.body], [403, ''])
  },
)

test('AUDIT rules and dry-run policies are told and decide nothing', { timeout }, async (t) => {
  const dryRun = { 'istio.io/dry-run': 'true' }
  const ask = await asking(
    t,
    policy('seen', { action: 'AUDIT', rules: [get] }) +
      policy('maybe', { action: 'DENY', rules: [get] }, dryRun) +
      policy('perhaps', { rules: [{ to: [{ operation: { methods: ['PUT'] } }] }] }, dryRun),
  )
  const { allowed, reason, audit, shadow } = await ask({})
  assert.deepEqual([allowed, reason, audit], [true, 'no_allow_policy', ['ns[foo]-policy[seen]-rule[0]']])
  assert.deepEqual(shadow, [
    { action: 'DENY', result: 'denied', policyId: 'ns[foo]-policy[maybe]-rule[0]' },
    { action: 'ALLOW', result: 'denied', policyId: null },
  ])
})

const peers = (mode: string): string =>
  `---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: foo}\n` +
  `spec: {selector: {matchLabels: {app: web}}, mtls: {mode: ${mode}}, portLevelMtls: {8080: {mode: PERMISSIVE}}}\n`

test(
  'plaintext on a STRICT port is refused before any policy; other ports of it are asked',
  { timeout },
  async (t) => {
    const ask = await asking(t, peers('STRICT'))
    const refused = await ask({ source: { principal: null }, destination: { port: 80 } })
    assert.deepEqual([refused.allowed, refused.reason, refused.status], [false, 'plaintext_refused', null])
    assert.ok((await ask({ destination: { port: 8080 } })).allowed)
    assert.ok((await ask({ source: { principal: 'cluster.local/ns/a/sa/x' } })).allowed)
    assert.ok((await ask({ workload: { namespace: 'foo', labels: { app: 'other' } } })).allowed)
  },
)

test('where mTLS is DISABLEd nobody has an identity', { timeout }, async (t) => {
  const rules = [{ from: [{ source: { namespaces: ['a'] } }] }]
  const ask = await asking(t, peers('DISABLE') + policy('p', { rules }))
  const source = { principal: 'cluster.local/ns/a/sa/x' }
  assert.equal((await ask({ source, destination: { port: 80 } })).allowed, false)
  assert.equal((await ask({ source, destination: { port: 8080 } })).allowed, true)
})

test(
  'headers, host and the address behind proxies reach the rules as the wire brings them',
  { timeout },
  async (t) => {
    const ask = await asking(
      t,
      policy('p', {
        rules: [
          { when: [{ key: 'request.headers[X-Tier]', values: ['gold'] }] },
          { to: [{ operation: { hosts: ['api.example'] } }] },
          { from: [{ source: { remoteIpBlocks: ['203.0.113.0/24'] } }] },
        ],
      }),
    )
    assert.equal((await ask({ headers: { 'X-TIER': ['tin', 'gold'] } })).rule, 0)
    assert.equal((await ask({ headers: { 'x-tier': 'gold', connection: 'x-tier' } })).allowed, false)
    assert.equal((await ask({ host: 'API.example' })).rule, 1)
    assert.equal((await ask({ source: { ip: '10.0.0.1', remoteIp: '203.0.113.9' } })).rule, 2)
    assert.equal((await ask({ source: { ip: '10.0.0.1' } })).allowed, false)
  },
)

test('a path that no server may see is answered 400', { timeout }, async (t) => {
  const ask = await asking(t, policy('p', { rules: [{}] }))
  const answer = await ask({ path: '/a%00b' })
  assert.deepEqual([answer.allowed, answer.status, answer.reason], [false, 400, 'request_target_refused'])
})

test('an object that cannot be read denies what it selects, by name', { timeout }, async (t) => {
  const ask = await asking(t, policy('broken', { rules: [{ form: [] }] }))
  const { allowed, reason, policy: by } = await ask({})
  assert.deepEqual([allowed, reason, by], [false, 'quarantined_policy', 'foo/broken'])
})

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256' }] })
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
function tokenOf(claims: object): string {
  const signed = `${part({ alg: 'ES256', kid: 'k' })}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}
const authentication = `---\n${JSON.stringify({
  apiVersion: 'security.istio.io/v1',
  kind: 'RequestAuthentication',
  metadata: { name: 'jwt', namespace: 'foo' },
  spec: { jwtRules: [{ issuer: 'https://idp', jwks, audiences: ['web'] }] },
})}\n`

test(
  'tokens are verified with the inline keys at the given time, and refused with their exact text',
  { timeout },
  async (t) => {
    const ask = await asking(
      t,
      authentication +
        policy('p', { rules: [{ from: [{ source: { requestPrincipals: ['https://idp/*'] } }] }] }),
    )
    const exp = now / 1000 + 60
    const bearing = (claims: object) => ({ headers: { authorization: `Bearer ${tokenOf(claims)}` } })
    const good = { iss: 'https://idp', sub: 'ann', aud: 'web', exp }
    assert.equal((await ask(bearing(good))).policy, 'foo/p')
    assert.equal((await ask({})).reason, 'no_allow_matched')
    const late = await ask(bearing({ ...good, exp: now / 1000 - 61 }))
    assert.deepEqual([late.allowed, late.status, late.body], [false, 401, 'Jwt is expired'])
    assert.match(late.authenticate ?? '', /^Bearer realm=/)
    const elsewhere = await ask(bearing({ ...good, aud: 'other' }))
    assert.deepEqual([elsewhere.status, elsewhere.body], [403, 'Audiences in Jwt are not allowed'])
    const grpc = await ask({ protocol: 'grpc', headers: { authorization: `Bearer ${tokenOf(good)}x.` } })
    assert.deepEqual([grpc.status, grpc.grpcStatus], [200, 16])
  },
)

test('a CORS preflight needs no token, and an ALLOW that asks for one refuses it', { timeout }, async (t) => {
  const preflight = {
    method: 'OPTIONS',
    headers: {
      origin: 'https://o.example',
      'access-control-request-method': 'PUT',
      authorization: 'Bearer x',
    },
  }
  const asksForToken = { rules: [{ from: [{ source: { requestPrincipals: ['*'] } }] }] }
  assert.equal((await (await asking(t, authentication))(preflight)).allowed, true)
  const { status, reason } = await (await asking(t, authentication + policy('p', asksForToken)))(preflight)
  assert.deepEqual([status, reason], [403, 'no_allow_matched'])
  const put = await (await asking(t, authentication))({ ...preflight, method: 'PUT' })
  assert.equal(put.status, 401)
})

test('claims count as verified and stand for the token', { timeout }, async (t) => {
  const when = [
    { key: 'request.auth.claims[realm][roles]', values: ['admin'] },
    { key: 'request.auth.claims[scope]', values: ['write'] },
  ]
  const ask = await asking(t, authentication + policy('p', { rules: [{ when }] }))
  const claims = { iss: 'https://idp', sub: 'ann', scope: 'read write', realm: { roles: ['admin'] } }
  assert.ok((await ask({ claims })).allowed)
  assert.equal((await ask({ claims: { ...claims, scope: 'read' } })).allowed, false)
})

const legacy = (kind: string, name: string, spec: object): string =>
  `---\n${JSON.stringify({
    apiVersion: 'authentication.istio.io/v1alpha1',
    kind,
    metadata: kind === 'MeshPolicy' ? { name } : { name, namespace: 'foo' },
    spec,
  })}\n`
const web = `---\n${JSON.stringify({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'foo' },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
})}\n`

test(
  'legacy policies answer by the port of the workload, and with their own words',
  { timeout },
  async (t) => {
    const origins = [
      { jwt: { issuer: 'https://idp', jwks, triggerRules: [{ excludedPaths: [{ exact: '/health' }] }] } },
    ]
    const ask = await asking(
      t,
      web +
        legacy('MeshPolicy', 'default', { peers: [{ mtls: null }] }) +
        legacy('Policy', 'web', { targets: [{ name: 'web' }], origins, principalBinding: 'USE_ORIGIN' }) +
        policy('p', {
          action: 'DENY',
          rules: [{ from: [{ source: { requestPrincipals: ['https://idp/eve'] } }] }],
        }),
    )
    const at = (port: number, more: object = {}) => ask({ destination: { ip: '10.0.0.1', port }, ...more })
    assert.equal((await at(9000)).reason, 'plaintext_refused')
    const missing = await at(8080, { path: '/mine?/health' })
    assert.deepEqual([missing.status, missing.body], [401, 'Origin authentication failed.'])
    assert.equal(missing.reason, 'origin_authentication_failed{Jwt_is_missing}')
    assert.equal(missing.authenticate, undefined)
    assert.equal((await at(8080, { path: '/health?x' })).allowed, true)
    const exp = now / 1000 + 60
    const bearing = (sub: string) => ({
      headers: { authorization: `Bearer ${tokenOf({ iss: 'https://idp', sub, exp })}` },
    })
    assert.equal((await at(8080, bearing('ann'))).allowed, true)
    assert.equal((await at(8080, bearing('eve'))).policy, 'foo/p')
    // A payload that counts as verified stands for the token, where its issuer is one that is asked for.
    assert.equal((await at(8080, { claims: { iss: 'https://idp', sub: 'ann' } })).allowed, true)
    assert.equal((await at(8080, { claims: { iss: 'https://other', sub: 'ann' } })).status, 401)
  },
)

test('what cannot be meant is refused with the path of the field', { timeout }, () => {
  for (const [value, reason] of [
    [[], /expected a map/],
    [{ protocol: 'udp' }, /^protocol: expected one of http, grpc, tcp/],
    [{ source: { ip: '10.0.0.300' } }, /^source\.ip: expected an IP address/],
    [{ source: { principal: 'no spaces allowed/ns' } }, /^source\.principal: /],
    [{ destination: { port: 70000 } }, /^destination\.port: /],
    [{ method: 'GET /' }, /^method: /],
    [{ headers: { 'x y': 'a' } }, /^headers/],
    [{ headers: { x: 'a\r\nb: c' } }, /^headers\.x: /],
    [{ headers: { x: 5 } }, /^headers\.x: /],
    [{ claims: 'text' }, /^claims: /],
  ] as const) {
    const read = readQuestion(value)
    assert.ok(!read.ok, JSON.stringify(value))
    assert.match(read.reason, reason)
  }
})
