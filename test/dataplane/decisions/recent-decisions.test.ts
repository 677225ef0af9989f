import { test } from 'node:test'
import assert from 'node:assert/strict'
import { compile } from '../../../src/authz/compile.ts'
import type { CompiledPolicy } from '../../../src/authz/compiled-policy.ts'
import { requestQuestions } from '../../../src/authz/request-questions.ts'
import type { Connection } from '../../../src/dataplane/connection.ts'
import { askedClaims, askedHeaders } from '../../../src/dataplane/decisions/asked-request.ts'
import { DecisionScope } from '../../../src/dataplane/decisions/decision-scope.ts'
import { JudgedConnection, type Judged } from '../../../src/dataplane/decisions/judged.ts'
import { RecentDecisions } from '../../../src/dataplane/decisions/recent-decisions.ts'
import type { DecisionName } from '../../../src/dataplane/decisions/recent-decisions.ts'
import type { World } from '../../../src/dataplane/world.ts'
import { Framing } from '../../../src/http1/message.ts'
import { ValueVeil } from '../../../src/telemetry/value-veil.ts'
import { any, connection, policy, request, rule, when, type Asked } from '../../authz/judge.ts'
import { meshConfig, web } from '../../support/data-plane-harness.ts'

const mesh = { trustDomain: 'cluster.local', trustDomainAliases: [], protocol: 'http' } as const
const compiled = (name = 'p'): CompiledPolicy =>
  compile([policy('ALLOW', [rule({ to: [{ methods: any('GET') }] })], { name })], mesh)

const world = {
  generation: 1,
  httpPolicy: compiled(),
  ports: new Map(),
  snapshot: {
    workload: web,
    mesh: meshConfig,
    requestAuthentications: [],
    tokenRefusals: [],
    defaultMtls: 'PERMISSIVE',
  },
} as unknown as World
const scope = new DecisionScope(world, new ValueVeil(false, null))

function judged(requestId: string, asked: Asked = {}): Judged {
  const peer = new JudgedConnection({
    context: connection(),
    peer: null,
    remote: { address: '10.0.0.1', port: 1 },
    destination: { address: '10.1.0.1', port: 8080 },
    sni: '',
  } as unknown as Connection)
  const context = request(asked)
  const head = {
    method: 'GET',
    target: context.pathWithQuery,
    version: 11,
    headers: [...context.headers],
    framing: Framing.None,
    contentLength: -1,
    keepAlive: true,
    host: 'web',
    expectContinue: false,
    upgrade: '',
  } as const
  return {
    at: 0,
    event: 'request',
    connection: peer,
    request: {
      head: { ...head, headers: [...head.headers] },
      requestId,
      host: 'web',
      context,
      token: 'none',
    },
    custom: '',
    unreadHttp: false,
    allowed: false,
    reason: 'no_allow_matched',
    action: null,
    policy: null,
    rule: null,
    audits: [],
    shadows: [],
    sample: 1,
  }
}

const found = (recent: RecentDecisions, name: DecisionName): boolean => recent.explain(name) !== null

test('the newest of a name is told; part of a name is none', () => {
  const recent = new RecentDecisions()
  recent.add(judged('abc', { path: '/old' }), scope, null)
  recent.add(judged('abc', { path: '/new' }), scope, null)
  recent.add(judged('', { path: '/nameless' }), scope, null)
  assert.equal(recent.explain({ requestId: 'abc' })?.decision.path, '/new')
  for (const requestId of ['ab', 'bc', '', '10.0.0.1']) assert.ok(!found(recent, { requestId }), requestId)
  assert.equal(recent.explain({ connection: '10.0.0.1:1' })?.decision.path, '/nameless')
  for (const name of ['10.0.0.1:11', '10.0.0.1', ':1', ''])
    assert.ok(!found(recent, { connection: name }), name)
})

test('it is bounded by number and by size, and the oldest go first', () => {
  const recent = new RecentDecisions()
  for (let i = 0; i < 5000; i++) recent.add(judged(`r${i}`), scope, null)
  assert.equal(recent.list().length, 512)
  assert.ok(found(recent, { requestId: 'r4999' }) && !found(recent, { requestId: 'r4000' }))
  const long = { headers: ['x', 'y'.repeat(60_000)] }
  for (let i = 0; i < 50; i++) recent.add(judged(`long${i}`, long), scope, null)
  assert.ok(recent.list().length <= 9)
  recent.add(judged('huge', { path: `/${'x'.repeat(1_000_000)}` }), scope, null)
  assert.deepEqual(recent.list(), [])
})

test('only a few policies are kept alive; later ones take their place', () => {
  const recent = new RecentDecisions()
  for (let i = 0; i < 6; i++) recent.add(judged(`r${i}`), scope, compiled(`p${i}`))
  const explained = (i: number): boolean =>
    (recent.explain({ requestId: `r${i}` })?.explanation ?? null) !== null
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(explained), [false, false, true, true, true, true])
})

test('a policy of very many rules is told of in part, the rule that decided in any case', () => {
  const recent = new RecentDecisions()
  const rules = Array.from({ length: 3000 }, (_, i) => rule({ to: [{ paths: any(`/p${i}`) }] }))
  recent.add(judged('r', { path: '/p2999' }), scope, compile([policy('ALLOW', rules)], mesh))
  const explanation = recent.explain({ requestId: 'r' })?.explanation
  assert.equal(explanation?.decided?.rule, 2999)
  assert.deepEqual([explanation.rules.length, explanation.untold], [1001, 1999])
})

test('what is told of a request is what rules ask about: of claims text alone, of maps that they are there', () => {
  const by = compile(
    [
      policy('ALLOW', [
        rule({
          when: [
            when('request.headers[X-Tier]', any('gold')),
            when('request.auth.claims[a][b]', any('x')),
            when('request.auth.claims[a]', any('x')),
            when('request.auth.claims[n]', any('x')),
            when('request.auth.claims[__proto__]', any('x')),
            when('request.auth.principal', any('*')),
          ],
        }),
      ]),
    ],
    mesh,
  )
  const questions = requestQuestions(by)
  assert.deepEqual(
    questions.keys,
    ['a', 'a][b', 'n', '__proto__']
      .map((claim) => `request.auth.claims[${claim}]`)
      .concat('request.auth.principal', 'request.headers[x-tier]')
      .sort(),
  )
  const given = request({ headers: ['x-tier', 'gold', 'cookie', 'c', 'x-tier', ''] })
  assert.deepEqual(askedHeaders(given, questions), ['x-tier', 'gold', 'x-tier', ''])
  const payload =
    '{"iss":"i","sub":"s","n":7,"a":{"b":["x",7,{"c":1}],"c":"no"},"__proto__":"p","secret":"no"}'
  assert.equal(
    JSON.stringify(askedClaims(JSON.parse(payload) as Record<string, unknown>, questions.claims)),
    '{"a":{"b":["x",null,null]},"n":null,"__proto__":"p","sub":"s"}',
  )
})
