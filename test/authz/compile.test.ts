/** Shape, actions, order and results of policies: policy-semantics §1.1, §2, §3.1 and traps 1–7, 25–26, 32–33, 36. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { any, connection, hits, http, not, policy, rule, tcp, when } from './judge.ts'

const everything = rule({})
const nothing = rule({ to: [{ ports: any('1') }] })

test('without policies everything is allowed, and the permit names no rule', () => {
  const decision = http([])
  assert.deepEqual(
    { ...decision, permit: decision.permit?.policy },
    { allowed: true, permit: '', reason: 'no_allow_policy', policy: null, rule: null, detail: '' },
  )
})

test('an ALLOW policy without rules denies all, on tcp too', () => {
  assert.equal(http([policy('ALLOW', [])]).reason, 'no_allow_matched')
  assert.equal(tcp([policy('ALLOW', [])]).allowed, false)
  assert.equal(http([policy('ALLOW', [])]).detail, 'rbac_access_denied_matched_policy[none]')
})

test('an empty rule matches everything: ALLOW allows all, DENY denies all', () => {
  const allowed = http([policy('ALLOW', [everything])])
  assert.equal(allowed.reason, 'allow_rule')
  assert.equal(allowed.permit?.policy, 'ns[foo]-policy[bar]-rule[0]')
  assert.equal(allowed.detail, '')
  const denied = http([policy('DENY', [everything])])
  assert.deepEqual(denied, {
    allowed: false,
    permit: null,
    reason: 'deny_rule',
    policy: 'foo/bar',
    rule: 0,
    detail: 'rbac_access_denied_matched_policy[ns[foo]-policy[bar]-rule[0]]',
  })
})

test('a DENY policy without rules denies nothing and does not demand an ALLOW', () => {
  assert.equal(http([policy('DENY', [])]).reason, 'no_allow_policy')
})

test('values: [] with notValues counts only the negative half', () => {
  const written = rule({ to: [{ methods: not('DELETE') }] })
  assert.equal(hits(written, {}, { method: 'GET' }), true)
  assert.equal(hits(written, {}, { method: 'DELETE' }), false)
})

test('a field is any(values) and not any(notValues)', () => {
  const written = rule({ to: [{ paths: { values: ['/a*'], notValues: ['/ab', '/ac'] } }] })
  for (const [path, expected] of [
    ['/a', true],
    ['/ab', false],
    ['/ac', false],
    ['/abc', true],
    ['/b', false],
  ] as const)
    assert.equal(hits(written, {}, { path }), expected, path)
})

test('sources are alternatives, their fields are all wanted, when holds for every combination', () => {
  // The worked example of policy-semantics §1.3 with the JWT half left out.
  const written = rule({
    from: [{ namespaces: any('red') }, { namespaces: any('blue'), ipBlocks: any('10.0.0.0/8') }],
    to: [{ methods: any('GET', 'HEAD'), paths: any('/a', '/b*') }],
    when: [when('request.headers[x-tier]', { values: ['gold'], notValues: ['trial'] })],
  })
  const red = { uri: 'spiffe://cluster.local/ns/red/sa/x' }
  const blue = { uri: 'spiffe://cluster.local/ns/blue/sa/x' }
  const gold = { path: '/bee', headers: ['x-tier', 'gold'] }
  assert.equal(hits(written, red, gold), true)
  assert.equal(hits(written, blue, gold), true)
  assert.equal(hits(written, { ...blue, ip: '192.168.0.1' }, gold), false)
  assert.equal(hits(written, red, { ...gold, method: 'POST' }), false)
  assert.equal(hits(written, red, { ...gold, path: '/ab' }), false)
  assert.equal(hits(written, red, { ...gold, headers: [] }), false)
  assert.equal(hits(written, red, { ...gold, headers: ['x-tier', 'gold', 'x-tier', 'trial'] }), false)
})

test('two conditions on one key must both hold', () => {
  const written = rule({
    when: [when('request.headers[x]', any('a*')), when('request.headers[x]', any('*z'))],
  })
  assert.equal(hits(written, {}, { headers: ['x', 'a-z'] }), true)
  assert.equal(hits(written, {}, { headers: ['x', 'a'] }), false)
})

test('deny wins when both match, whatever the order and scope', () => {
  const deny = policy('DENY', [everything], { namespace: 'istio-system' })
  const allow = policy('ALLOW', [everything])
  assert.equal(http([allow, deny]).reason, 'deny_rule')
  assert.equal(http([deny, allow]).reason, 'deny_rule')
})

test('allow policies of all scopes are one list: one more widens', () => {
  const root = policy('ALLOW', [rule({ to: [{ paths: any('/a') }] })], { namespace: 'istio-system' })
  const own = policy('ALLOW', [rule({ to: [{ paths: any('/b') }] })])
  assert.equal(http([root, own], {}, { path: '/a' }).policy, 'istio-system/bar')
  assert.equal(http([root, own], {}, { path: '/b' }).policy, 'foo/bar')
  assert.equal(http([root, own], {}, { path: '/c' }).allowed, false)
})

test('the first hit in lexicographic order is reported: rule[10] before rule[2]', () => {
  const rules = Array.from({ length: 11 }, (_, i) => (i === 2 || i === 10 ? everything : nothing))
  assert.equal(http([policy('DENY', rules)]).rule, 10)
  assert.equal(http([policy('ALLOW', rules)]).rule, 10)
  const late = policy('DENY', [everything], { name: 'b' })
  const early = policy('DENY', [everything], { name: 'a' })
  assert.equal(http([late, early]).policy, 'foo/a')
})

test('a rule that needs the request is reported before a later one that always matches', () => {
  const rules = [rule({ to: [{ methods: any('GET') }] }), everything]
  for (const action of ['ALLOW', 'DENY'] as const) {
    assert.equal(http([policy(action, rules)], {}, { method: 'GET' }).rule, 0)
    assert.equal(http([policy(action, rules)], {}, { method: 'PUT' }).rule, 1)
  }
})

test('AUDIT and dry-run policies neither judge nor switch the default to deny', () => {
  assert.equal(http([policy('AUDIT', [everything])]).reason, 'no_allow_policy')
  assert.equal(http([policy('DENY', [everything], { dryRun: true })]).allowed, true)
  assert.equal(http([policy('ALLOW', [], { dryRun: true })]).reason, 'no_allow_policy')
})

test('a quarantined policy denies all it selects and is named', () => {
  for (const judge of [http, tcp]) {
    const decision = judge([
      policy('ALLOW', [everything], { name: 'fine' }),
      policy('ALLOW', [], { quarantined: 'spec.rules[0]: expected a list' }),
    ])
    assert.equal(decision.allowed, false)
    assert.equal(decision.reason, 'quarantined_policy')
    assert.equal(decision.policy, 'foo/bar')
    assert.equal(decision.rule, null)
  }
})

test('a CUSTOM policy denies all where nobody asks its provider', () => {
  assert.equal(http([policy('CUSTOM', [nothing], { provider: 'x' })]).reason, 'quarantined_policy')
})

test('decisions are frozen and the same object each time', () => {
  const bound = bind(
    compile([policy('ALLOW', [everything])], {
      trustDomain: 'td',
      trustDomainAliases: [],
      protocol: 'http',
    }),
    connection(),
  )
  assert.ok(Object.isFrozen(bound.constant))
  assert.equal(authorize(bound, null), bound.constant)
})

test('http rules asked without a request refuse', () => {
  const options = { trustDomain: 'td', trustDomainAliases: [], protocol: 'http' } as const
  const bound = bind(
    compile([policy('ALLOW', [rule({ to: [{ methods: not('PUT') }] })])], options),
    connection(),
  )
  assert.equal(bound.constant, null)
  assert.equal(authorize(bound, null).allowed, false)
})

test('what is fixed for a connection is judged once and leaves a constant', () => {
  const options = { trustDomain: 'td', trustDomainAliases: [], protocol: 'http' } as const
  const policies = [
    policy('ALLOW', [
      rule({ from: [{ ipBlocks: any('10.0.0.0/8') }], to: [{ methods: any('GET') }] }),
      rule({ to: [{ ports: any('9090') }] }),
    ]),
  ]
  const compiled = compile(policies, options)
  assert.equal(bind(compiled, connection()).constant, null)
  assert.equal(bind(compiled, connection({ ip: '11.0.0.1' })).constant?.reason, 'no_allow_matched')
  assert.equal(bind(compiled, connection({ ip: '11.0.0.1', port: 9090 })).constant?.rule, 1)
})

// policy-semantics §3.1, the table: [rule, connection, denied as DENY, allowed as ALLOW]
const httpOnly = [
  ['methods alone', rule({ to: [{ methods: any('GET') }] }), {}, true, false],
  [
    'port and method, that port',
    rule({ to: [{ ports: any('80'), methods: any('GET') }] }),
    { port: 80 },
    true,
    false,
  ],
  [
    'port and method, another port',
    rule({ to: [{ ports: any('80'), methods: any('GET') }] }),
    { port: 81 },
    false,
    false,
  ],
  [
    'namespace and path, from it',
    rule({ from: [{ namespaces: any('a') }], to: [{ paths: any('/x') }] }),
    { uri: 'spiffe://td/ns/a/sa/b' },
    true,
    false,
  ],
  [
    'namespace and path, from elsewhere',
    rule({ from: [{ namespaces: any('a') }], to: [{ paths: any('/x') }] }),
    { uri: 'spiffe://td/ns/b/sa/b' },
    false,
    false,
  ],
  [
    'one alternative of paths',
    rule({ to: [{ ports: any('80') }, { paths: any('/x') }] }),
    { port: 81 },
    true,
    false,
  ],
  [
    'the other alternative',
    rule({ to: [{ ports: any('80') }, { paths: any('/x') }] }),
    { port: 80 },
    true,
    false,
  ],
  ['notRequestPrincipals', rule({ from: [{ requestPrincipals: not('*') }] }), {}, true, false],
  ['hosts', rule({ to: [{ hosts: any('x') }] }), {}, true, false],
  ['a header', rule({ when: [when('request.headers[x]', any('y'))] }), {}, true, false],
  ['a claim', rule({ when: [when('request.auth.claims[x]', not('y'))] }), {}, true, false],
  ['port', rule({ to: [{ ports: any('80') }] }), { port: 80 }, true, true],
  ['port, another', rule({ to: [{ ports: any('80') }] }), { port: 81 }, false, false],
] as const

for (const [name, written, from, denied, allowed] of httpOnly)
  test(`http-only fields on tcp: ${name}`, () => {
    assert.equal(!tcp([policy('DENY', [written])], from).allowed, denied, 'as DENY')
    assert.equal(tcp([policy('ALLOW', [written])], from).allowed, allowed, 'as ALLOW')
  })

test('an ALLOW policy that lost all its rules still denies', () => {
  assert.equal(tcp([policy('ALLOW', [rule({ to: [{ methods: any('GET') }] })])]).reason, 'no_allow_matched')
})

test('what cannot be judged loses an ALLOW rule and widens a DENY rule', () => {
  const unjudged = [
    rule({ when: [when('no.such.key', any('x'))] }),
    rule({ when: [when('no.such.key', not('x'))] }),
    rule({ when: [when('destination.labels[app]', any('x'))] }),
    rule({ when: [when('request.headers[]', any('x'))] }),
    rule({ when: [when('request.headers[a][b]', any('x'))] }),
    rule({ when: [when('request.headers[:scheme]', any('x'))] }),
    rule({ when: [when('request.auth.claims[]', any('x'))] }),
    rule({ when: [when('request.auth.claims', any('x'))] }),
    rule({ when: [when('request.auth.nothing', any('x'))] }),
    rule({ when: [when('remote.ip', any('10.0.0.256'))] }),
    rule({ when: [when('experimental.envoy.filters.a.b[c]', any('x'))] }),
    rule({ when: [when('constructor', any('x'))] }),
    rule({ when: [when('hosts', any('x'))] }),
    rule({ when: [when('source.ip', any('10.0.0.256'))] }),
    rule({ when: [when('destination.port', any('080'))] }),
    rule({ to: [{ paths: any('/a{*}') }] }),
    rule({ to: [{ paths: any('/a', '/{**}/{*}') }] }),
    rule({ to: [{ paths: not('/{a}') }] }),
    rule({ to: [{ ports: any('65536') }] }),
    rule({ from: [{ ipBlocks: any('10.0.0.0/33', '11.0.0.0/8') }] }),
    rule({ from: [{ serviceAccounts: any('a/b/c') }] }),
    rule({ from: [{ trustDomains: any('a/b') }] }),
  ]
  for (const written of unjudged) {
    assert.equal(http([policy('ALLOW', [written])]).allowed, false, JSON.stringify(written))
    assert.equal(http([policy('DENY', [written])]).allowed, false, JSON.stringify(written))
  }
})
