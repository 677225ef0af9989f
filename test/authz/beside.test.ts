/** What runs beside the verdict: AUDIT, dry run and CUSTOM (policy-semantics §2.1–2.3, §9.1; traps 2, 7, 34, 57). */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { audit, authorize, bind, custom, shadow, type BoundPolicy } from '../../src/authz/authorize.ts'
import { compile, type CompileOptions } from '../../src/authz/compile.ts'
import type { AuthorizationPolicy } from '../../src/policy/authorization-policy.ts'
import { any, connection, policy, request, rule } from './judge.ts'

const everything = rule({})
const admin = rule({ to: [{ paths: any('/admin*') }] })
const mesh = { trustDomain: 'cluster.local', trustDomainAliases: [] }

function bound(policies: readonly AuthorizationPolicy[], more: Partial<CompileOptions> = {}): BoundPolicy {
  return bind(compile(policies, { ...mesh, protocol: 'http', ...more }), connection())
}

const dry = (action: 'ALLOW' | 'DENY', rules: Parameters<typeof policy>[1]): AuthorizationPolicy =>
  policy(action, rules, { dryRun: true })

test('every AUDIT rule that matches is named, in order', () => {
  const judged = bound([
    policy('AUDIT', [everything, admin, rule({ to: [{ ports: any('1') }] }), everything]),
  ])
  const ids = (path: string): readonly string[] => audit(judged, request({ path }))
  assert.deepEqual(
    ids('/admin'),
    [0, 1, 3].map((i) => `ns[foo]-policy[bar]-rule[${i}]`),
  )
  assert.deepEqual(
    ids('/x'),
    [0, 3].map((i) => `ns[foo]-policy[bar]-rule[${i}]`),
  )
  assert.equal(authorize(judged, request()).reason, 'no_allow_policy')
})

test('without AUDIT policies nothing is named', () => {
  assert.deepEqual(audit(bound([policy('ALLOW', [everything])]), request()), [])
})

test('an AUDIT policy without rules never matches, a refused one denies', () => {
  assert.deepEqual(audit(bound([policy('AUDIT', [])]), request()), [])
  const refused = bound([policy('AUDIT', [everything], { quarantined: 'spec: bad' })])
  assert.equal(authorize(refused, request()).reason, 'quarantined_policy')
})

test('HTTP-only fields of an AUDIT rule fall away on tcp', () => {
  assert.equal(audit(bound([policy('AUDIT', [admin])], { protocol: 'tcp' }), null).length, 1)
})

test('dry-run policies are reported apart and decide nothing', () => {
  const judged = bound([dry('ALLOW', [admin]), dry('DENY', [rule({}), admin])])
  assert.equal(authorize(judged, request()).reason, 'no_allow_policy')
  assert.deepEqual(shadow(judged, request({ path: '/x' })), [
    { action: 'DENY', result: 'denied', policyId: 'ns[foo]-policy[bar]-rule[0]' },
    { action: 'ALLOW', result: 'denied', policyId: null },
  ])
  assert.deepEqual(shadow(judged, request({ path: '/admin' }))[1], {
    action: 'ALLOW',
    result: 'allowed',
    policyId: 'ns[foo]-policy[bar]-rule[0]',
  })
})

test('a dry-run ALLOW does not switch to allow-listing, an enforced one beside it does', () => {
  assert.equal(authorize(bound([dry('ALLOW', [])]), request()).allowed, true)
  assert.equal(authorize(bound([dry('ALLOW', [everything]), policy('ALLOW', [])]), request()).allowed, false)
})

test('an action without dry-run policies is not reported', () => {
  assert.deepEqual(shadow(bound([policy('DENY', [everything])]), request()), [])
  assert.deepEqual(
    shadow(bound([dry('DENY', [admin])]), request({ path: '/x' })).map(({ action, result }) => [
      action,
      result,
    ]),
    [['DENY', 'allowed']],
  )
})

const asks = (provider: string, name = 'c'): AuthorizationPolicy =>
  policy('CUSTOM', [admin], { provider, name })
const providers = new Map([
  ['web', 'http' as const],
  ['rpc', 'grpc' as const],
])

test('a CUSTOM rule that matches names its provider; others are untouched', () => {
  const judged = bound([asks('web')], { providers })
  assert.deepEqual(custom(judged, request({ path: '/admin/x' })), {
    provider: 'web',
    kind: 'http',
    policy: 'foo/c',
    rule: 0,
    ruleId: 'ns[foo]-policy[c]-rule[0]',
    refusal: null,
  })
  assert.equal(custom(judged, request({ path: '/x' })), null)
  assert.equal(authorize(judged, request({ path: '/admin/x' })).allowed, true)
})

test('an unknown provider, or two of them, refuses what matches and nothing else', () => {
  for (const policies of [[asks('nobody')], [asks('web'), asks('rpc', 'd')]]) {
    const judged = bound(policies, { providers })
    const found = custom(judged, request({ path: '/admin' }))
    assert.equal(found?.ruleId, 'ns[foo]-policy[c]-rule[0]-deny-due-to-bad-CUSTOM-action')
    assert.equal(found?.refusal?.reason, 'bad_custom_provider')
    assert.equal(
      found?.refusal?.detail,
      'rbac_access_denied_matched_policy[ns[foo]-policy[c]-rule[0]-deny-due-to-bad-CUSTOM-action]',
    )
    assert.equal(custom(judged, request({ path: '/x' })), null)
  }
})

test('on tcp the rule is widened, and says of what kind its provider is', () => {
  const tcp = { providers, protocol: 'tcp' } as const
  assert.equal(custom(bound([asks('rpc')], tcp), null)?.kind, 'grpc')
  assert.equal(custom(bound([asks('web')], tcp), null)?.kind, 'http')
  assert.equal(custom(bound([asks('nobody')], tcp), null)?.refusal?.allowed, false)
})

test('without anybody to ask providers a CUSTOM policy denies all it selects', () => {
  assert.equal(authorize(bound([asks('web')]), request({ path: '/x' })).reason, 'quarantined_policy')
})
