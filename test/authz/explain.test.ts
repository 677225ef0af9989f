/** What an explanation tells, and that it agrees with the verdict. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { explain, type Explanation, type RuleAccount } from '../../src/authz/explain.ts'
import { nearestMiss, type NearestMiss } from '../../src/authz/nearest-miss.ts'
import { ConnectionContext, type RequestContext } from '../../src/authz/request-context.ts'
import { parseIp, type Ip } from '../../src/address/ip.ts'
import type { AuthorizationPolicy } from '../../src/policy/authorization-policy.ts'
import { randomCase, seededRandom } from '../support/random-policies.ts'
import type { PlainRequest } from '../support/reference-evaluator.ts'
import { any, connection, not, policy, request, rule, when, type Asked, type From } from './judge.ts'

const mesh = { trustDomain: 'cluster.local', trustDomainAliases: [], protocol: 'http' } as const

function told(
  policies: readonly AuthorizationPolicy[],
  from: From = {},
  asked: Asked = {},
  reveal = false,
): Explanation {
  return explain(compile(policies, mesh), connection(from), request(asked), { reveal })
}

const reader = policy(
  'ALLOW',
  [
    rule({
      from: [{ principals: any('cluster.local/ns/a/sa/reader') }],
      to: [{ methods: any('GET'), paths: any('/books*') }],
    }),
  ],
  { name: 'readers' },
)

test('a refusal by DENY names policy, rule and condition with what was wanted and seen', () => {
  const deny = policy('DENY', [rule({ to: [{ paths: any('/admin*') }] })], { name: 'no-admin' })
  const { decided } = told([deny, reader], {}, { path: '/admin/x' })
  assert.equal(decided?.id, 'ns[foo]-policy[no-admin]-rule[0]')
  assert.deepEqual(decided.conditions, [
    { at: 'to[0]', field: 'paths', met: true, wanted: ['/admin*'], unwanted: [], observed: ['/admin/x'] },
  ])
})

test('when no ALLOW matched the nearest miss is the rule with most conditions met', () => {
  const far = policy('ALLOW', [rule({ from: [{ namespaces: any('z') }] })], { name: 'a-far' })
  const { miss, decided, decision } = told(
    [far, reader],
    { uri: 'spiffe://cluster.local/ns/a/sa/reader' },
    { method: 'POST', path: '/books/1' },
  )
  assert.equal(decision.reason, 'no_allow_matched')
  assert.equal(decided, null)
  assert.deepEqual(miss, {
    policy: 'foo/readers',
    rule: 0,
    at: 'to[0]',
    field: 'methods',
    wanted: ['GET'],
    unwanted: [],
    observed: ['POST'],
  })
})

test('of alternatives the miss is told about the one that came furthest', () => {
  const either = policy('ALLOW', [
    rule({
      to: [
        { methods: any('PUT'), paths: any('/x') },
        { methods: any('GET'), paths: any('/y') },
      ],
    }),
  ])
  assert.deepEqual(told([either], {}, { method: 'GET', path: '/z' }).miss?.at, 'to[1]')
})

test('a caller without identity is seen as absent', () => {
  const { miss } = told([reader], {}, { path: '/books' })
  assert.equal(miss?.field, 'source.principal')
  assert.equal(miss.observed, null)
})

test('an ALLOW policy without rules has no nearest miss', () => {
  assert.equal(told([policy('ALLOW', [])]).miss, null)
})

test('values of headers and claims are shown only when asked for', () => {
  const secret = policy('ALLOW', [
    rule({
      when: [
        when('request.headers[x-key]', any('s3cret')),
        when('request.auth.claims[group]', any('red')),
        when('request.headers[:path]', not('*q=nothing')),
      ],
    }),
  ])
  const asked: Asked = {
    headers: ['x-key', 'my-guess', 'x-key', ''],
    query: '?token=t0ken',
    token: { iss: 'i', sub: 'me', group: ['blue', 7] },
  }
  const hidden = JSON.stringify(told([secret], {}, asked))
  for (const value of ['s3cret', 'my-guess', 't0ken', 'blue']) assert.ok(!hidden.includes(value), value)
  const shown = JSON.stringify(told([secret], {}, asked, true))
  for (const value of ['s3cret', 'my-guess', 't0ken', 'blue', '(number)'])
    assert.ok(shown.includes(value), value)
})

test('rules of every action are told, and those that are lost', () => {
  const policies = [
    policy('AUDIT', [rule({})], { name: 'audit' }),
    policy('DENY', [rule({ to: [{ ports: any('1') }] })], { name: 'dry', dryRun: true }),
    policy('ALLOW', [rule({ to: [{ methods: any('GET') }] })], { name: 'http' }),
  ]
  const compiled = compile(policies, { ...mesh, protocol: 'tcp' })
  const { rules, lost } = explain(compiled, connection(), null)
  assert.deepEqual(
    rules.map(({ set, matched }) => [set, matched]),
    [
      ['audit', true],
      ['shadowDeny', false],
    ],
  )
  assert.deepEqual(lost, [{ policy: 'foo/http', rule: 0, keys: ['methods'] }])
})

test('the nearest miss looks at a thousand rules at most', () => {
  const rules = Array.from({ length: 1500 }, (_, i) =>
    rule({ to: [{ paths: any(`/p${i}`), methods: any('GET') }] }),
  )
  const compiled = compile([policy('ALLOW', rules)], mesh)
  assert.equal(nearestMiss(compiled, connection(), request({ path: '/none' }))?.field, 'paths')
})

test('explanations and verdicts agree on random cases', () => {
  const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const random = seededRandom(seed)
  for (let i = 0; i < 1500; i++) {
    const given = randomCase(random)
    const { principalUri, sourceIp, destinationIp, destinationPort, sni } = given.connection
    const protocol = given.request === null ? 'tcp' : 'http'
    const compiled = compile(given.policies, { ...given.mesh, protocol })
    const context = new ConnectionContext(
      principalUri,
      parseIp(sourceIp) as Ip,
      parseIp(destinationIp) as Ip,
      destinationPort,
      sni,
    )
    const asked = given.request && askedOf(given.request)
    const decision = authorize(bind(compiled, context), asked)
    const { decided, miss } = explain(compiled, context, asked)
    assert.equal(decided?.policy ?? null, decision.policy, `seed ${seed}, case ${i}`)
    assert.equal(decided?.rule ?? null, decision.rule, `seed ${seed}, case ${i}`)
    if (miss !== null) assert.equal(decision.reason, 'no_allow_matched')
    if (decision.reason === 'no_allow_matched') {
      const expected = plainMiss(explain(compiled, context, asked).rules)
      assert.deepEqual(miss, expected, `seed ${seed}, case ${i}`)
      // Asked again what the connection settles is known already.
      assert.deepEqual(nearestMiss(compiled, context, asked), expected, `seed ${seed}, case ${i}`)
    }
  }
})

function askedOf({ method, path, pathWithQuery, host, headers, token }: PlainRequest): RequestContext {
  const query = pathWithQuery.slice(path.length)
  return request({ method, path, query, host, headers: headers.flat(), ...(token === null ? {} : { token }) })
}

/** The nearest miss found by reading every account: of each clause what came furthest, of the rules the nearest. */
function plainMiss(rules: readonly RuleAccount[]): NearestMiss | null {
  const misses = rules
    .filter(({ set }) => set === 'allow')
    .map(({ policy, rule, conditions }) => {
      const clauses = Map.groupBy(conditions, ({ at }) => at.replace(/\[.*/, ''))
      const best = [...clauses.values()].map((clause) => {
        const alternatives = [...Map.groupBy(clause, ({ at }) => at).values()]
        const lacks = (one: typeof clause): number => one.filter(({ met }) => !met).length
        const whole = alternatives.find((one) => lacks(one) === 0)
        const score = (one: typeof clause): number => (one.length - lacks(one)) * 1000 - lacks(one)
        return whole ?? alternatives.reduce((most, one) => (score(one) > score(most) ? one : most))
      })
      const all = best.flat()
      const failed = all.filter(({ met }) => !met)
      return { policy, rule, met: all.length - failed.length, failed }
    })
    .filter(({ failed }) => failed.length > 0)
  const [nearest] = misses.toSorted((x, y) => y.met - x.met || x.failed.length - y.failed.length)
  const lacking = nearest?.failed[0]
  if (nearest === undefined || lacking === undefined) return null
  const { met: _, ...told } = lacking
  return { policy: nearest.policy, rule: nearest.rule, ...told }
}
