/** What policy sees of a verified token: the tables of policy-semantics §1.5 and traps 8, 17–20. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Rule, Values } from '../../src/policy/authorization-policy.ts'
import { any, hits, http, not, policy, rule, when } from './judge.ts'

const principals = (values: Values): Rule => rule({ from: [{ requestPrincipals: values }] })
const condition = (key: string, values: Values): Rule => rule({ when: [when(key, values)] })
type Payload = Record<string, unknown>

// [pattern, iss, sub, whether it fits]
const patterns: [string, string, string, boolean][] = [
  ['*', 'a', 'b', true],
  ['a/b', 'a', 'b', true],
  ['a/b', 'a', 'bb', false],
  ['a/b', 'A', 'b', false],
  ['*/b', 'a', 'b', true],
  ['*/b', 'a', 'xb', false],
  ['*a/b', 'xa', 'b', true],
  ['*a/b', 'xa', 'xb', false],
  ['*b', 'a', 'xb', true],
  ['*b', 'a', 'bx', false],
  ['a/*', 'a', 'anything', true],
  ['a/*', 'aa', 'anything', false],
  ['a/b*', 'a', 'bc', true],
  ['a/b*', 'a', 'cb', false],
  ['a*', 'ab', 'x', true],
  ['a*', 'ba', 'x', false],
  ['a', 'a', 'b', false],
  ['a', 'a/b', 'c', false],
  ['*/*', 'a', 'b', false],
  ['*/*', 'a', '*', true],
  ['*a/b*', 'xa', 'b*', true],
  ['*a/b*', 'xa', 'bc', false],
  ['https://idp.example*', 'https://idp.example', 's', false],
  ['https://idp.example/*', 'https://idp.example', 's', true],
  // A subject with a slash cannot be written: the pattern is split at its last one.
  ['a/b/c', 'a', 'b/c', false],
  ['a/b/c', 'a/b', 'c', true],
  ['a/*', 'a', 'b/c', true],
]

for (const [pattern, iss, sub, fits] of patterns)
  test(`requestPrincipals ${pattern} ${fits ? 'fits' : 'does not fit'} issuer ${iss}, subject ${sub}`, () => {
    const token = { iss, sub }
    assert.equal(hits(principals(any(pattern)), {}, { token }), fits)
    assert.equal(hits(principals(not(pattern)), {}, { token }), !fits)
    assert.equal(hits(condition('request.auth.principal', any(pattern)), {}, { token }), fits)
  })

// [pattern, peer, whether it fits]: of a peer's name there are no halves.
const peers: [string, string, boolean][] = [
  ['*', 'cluster.local/ns/a/sa/b', true],
  ['*', '', false],
  ['cluster.local/ns/a/sa/b', 'cluster.local/ns/a/sa/b', true],
  ['cluster.local/ns/a/*', 'cluster.local/ns/a/sa/b', true],
  ['cluster.local/*', 'cluster.local/ns/a/sa/b', true],
  ['*/sa/b', 'cluster.local/ns/a/sa/b', true],
  ['*b', 'cluster.local/ns/a/sa/b', true],
  ['cluster.local/ns/a/sa/bb', 'cluster.local/ns/a/sa/b', false],
  ['https://idp/alice', 'cluster.local/ns/a/sa/b', false],
]
for (const [pattern, peer, fits] of peers)
  test(`requestPrincipals ${pattern} ${fits ? 'fits' : 'does not fit'} the peer "${peer}" that a legacy policy binds it to`, () => {
    for (const token of [{}, { iss: 'https://idp', sub: 'alice' }]) {
      assert.equal(hits(principals(any(pattern)), {}, { token, peer }), fits)
      assert.equal(hits(principals(not(pattern)), {}, { token, peer }), !fits)
      assert.equal(hits(condition('request.auth.principal', any(pattern)), {}, { token, peer }), fits)
    }
    assert.equal(
      hits(condition('request.auth.claims[sub]', any('alice')), {}, { token: { sub: 'alice' }, peer }),
      true,
    )
  })

test('without a token every token attribute is absent: values fail, notValues hold', () => {
  const keys = ['principal', 'audiences', 'presenter', 'claims[a]', 'claims[a][b]']
  for (const key of keys) {
    assert.equal(hits(condition(`request.auth.${key}`, any('*')), {}, {}), false, key)
    assert.equal(hits(condition(`request.auth.${key}`, not('*')), {}, {}), true, key)
  }
})

test('a token without issuer or subject has no request principal', () => {
  for (const token of [{ iss: 'a' }, { sub: 'b' }, { iss: 'a', sub: '' }, {}]) {
    assert.equal(hits(principals(any('*')), {}, { token }), false)
    assert.equal(hits(principals(any('a')), {}, { token }), false)
    assert.equal(hits(principals(not('*')), {}, { token }), true)
  }
})

// [condition key, value, payload, whether it fits]
const claims: [string, string, Payload, boolean][] = [
  ['audiences', 'x', { aud: 'x' }, true],
  ['audiences', 'x', { aud: ['y', 'x'] }, true],
  ['audiences', 'x*', { aud: ['y', 'xy'] }, true],
  ['audiences', '*', { aud: [] }, false],
  ['audiences', 'x', { aud: [7, 'x'] }, true],
  ['audiences', '*', { aud: '' }, false],
  ['presenter', '*', { azp: 7 }, false],
  ['presenter', 'p', { azp: 'p' }, true],
  ['presenter', 'p', { azp: ['q', 'p'] }, true],
  ['claims[group]', 'red', { group: 'red' }, true],
  ['claims[group]', 'r*', { group: ['blue', 'red'] }, true],
  ['claims[group]', 'red', { group: ['blue'] }, false],
  ['claims[group]', '*', { group: '' }, false],
  ['claims[group]', '*', { group: [''] }, false],
  ['claims[group]', 'Red', { group: 'red' }, false],
  ['claims[exp]', '1', { exp: 1 }, false],
  ['claims[email_verified]', 'true', { email_verified: true }, false],
  ['claims[x]', '*', { x: null }, false],
  ['claims[x]', '*', { x: { y: 'z' } }, false],
  ['claims[x]', '*', { x: [['z']] }, false],
  ['claims[x]', '1', { x: [1] }, false],
  ['claims[realm_access][roles]', 'admin', { realm_access: { roles: ['user', 'admin'] } }, true],
  ['claims[realm_access][roles]', 'admin', { realm_access: {} }, false],
  ['claims[realm_access][roles]', 'admin', { realm_access: 'roles' }, false],
  ['claims[a][0]', 'x', { a: ['x'] }, false],
  ['claims[a.b/c]', 'x', { 'a.b/c': 'x' }, true],
  ['claims[a.b]', 'x', { a: { b: 'x' } }, false],
  ['claims[constructor][name]', '*', {}, false],
  ['claims[__proto__]', '*', {}, false],
  ['claims[toString]', '*', {}, false],
  // Space-delimited claims arrive as lists.
  ['claims[scope]', 'read', { scope: ['read', 'write'] }, true],
  ['claims[scope]', 'read write', { scope: ['read', 'write'] }, false],
]

for (const [key, value, token, fits] of claims)
  test(`${key} ${value} ${fits ? 'fits' : 'does not fit'} ${JSON.stringify(token)}`, () => {
    assert.equal(hits(condition(`request.auth.${key}`, any(value)), {}, { token }), fits)
    assert.equal(hits(condition(`request.auth.${key}`, not(value)), {}, { token }), !fits)
  })

test('many token rules are found by what the token says', () => {
  const rules = Array.from({ length: 300 }, (_, i) =>
    i % 3 === 0
      ? principals(any(`https://idp/user-${i}`))
      : i % 3 === 1
        ? condition('request.auth.claims[group]', any(`group-${i}`))
        : condition('request.auth.audiences', any(`audience-${i}`)),
  )
  const judged = (token: Payload): number | null => http([policy('ALLOW', rules)], {}, { token }).rule
  assert.equal(judged({ iss: 'https://idp', sub: 'user-150' }), 150)
  assert.equal(judged({ group: ['x', 'group-151'] }), 151)
  assert.equal(judged({ aud: ['audience-152'] }), 152)
  assert.equal(judged({ iss: 'https://idp', sub: 'user-151', aud: 'audience-151' }), null)
})
