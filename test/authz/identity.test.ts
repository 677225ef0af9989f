/** Identity in policy: policy-semantics §5, §5.1 and traps 25–29, 31. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Source, Values } from '../../src/policy/authorization-policy.ts'
import { any, hits, http, not, policy, rule, tcp, when, type Mesh } from './judge.ts'

const from = (fields: Partial<Source>): ReturnType<typeof rule> => rule({ from: [fields] })

type Field = 'principals' | 'namespaces' | 'serviceAccounts' | 'trustDomains'
const uri = 'spiffe://td/ns/a/sa/b'

const table: [Field, string, string, boolean][] = [
  ['principals', 'td/ns/a/sa/b', uri, true],
  ['principals', 'td/ns/a/sa/b', 'spiffe://td/ns/a/sa/bb', false],
  ['principals', 'td/ns/a/sa/b', 'spiffe://TD/ns/a/sa/b', false],
  ['principals', 'spiffe://td/ns/a/sa/b', uri, false],
  ['principals', 'td/ns/a/*', uri, true],
  ['principals', 'td/ns/a/*', 'spiffe://td/ns/ab/sa/b', false],
  ['principals', '*/sa/b', uri, true],
  ['principals', '*/sa/b', 'https://td/ns/a/sa/b', false],
  ['principals', '*', uri, true],
  ['principals', '*', 'https://elsewhere', true],
  ['principals', 'td/*/b', uri, false],
  ['namespaces', 'a', uri, true],
  ['namespaces', 'a', 'spiffe://td/ns/ab/sa/b', false],
  ['namespaces', 'a', 'spiffe://td/k/v/ns/a/sa/b', true],
  ['namespaces', 'a', 'spiffe://td/ns/a', false],
  ['namespaces', 'a*', 'spiffe://td/ns/abc/sa/b', true],
  // Loose on purpose: a star crosses slashes.
  ['namespaces', 'a*z', 'spiffe://td/ns/ab/sa/z/x', true],
  ['namespaces', '*c', 'spiffe://td/ns/abc/sa/b', true],
  ['namespaces', 'a*c', 'spiffe://td/ns/abc/sa/b', true],
  ['namespaces', '*', uri, true],
  ['namespaces', 'a.c', 'spiffe://td/ns/abc/sa/b', false],
  ['namespaces', '(a|b)', uri, false],
  ['namespaces', 'A', uri, false],
  ['serviceAccounts', 'a/b', uri, true],
  ['serviceAccounts', 'a/b', 'spiffe://td/ns/a/k/v/sa/b', true],
  ['serviceAccounts', 'a/b', 'spiffe://td/ns/a/sa/b/k/v', true],
  ['serviceAccounts', 'a/b', 'spiffe://td/ns/a/sa/b/', false],
  ['serviceAccounts', 'a/b', 'spiffe://td/ns/a//sa/b', false],
  ['serviceAccounts', 'a/b', 'spiffe://td/ns/a/sa/bb', false],
  ['serviceAccounts', 'a/b', 'spiffe://td/ns/a/xsa/b', false],
  ['serviceAccounts', 'a/b', 'spiffe://td/ns/aa/sa/b', false],
  ['serviceAccounts', 'a/b', 'spiffe:///ns/a/sa/b', false],
  ['serviceAccounts', 'a/b', 'https://td/ns/a/sa/b', false],
  ['serviceAccounts', 'a/b', 'spiffe://td/ns/a/sa/bb/sa/b', true],
  ['serviceAccounts', 'a/*', uri, false],
  ['serviceAccounts', 'a/.', uri, false],
  // The short form means the policy's own namespace, foo here.
  ['serviceAccounts', 'b', 'spiffe://td/ns/foo/sa/b', true],
  ['serviceAccounts', 'b', uri, false],
  ['trustDomains', 'td', uri, true],
  ['trustDomains', 'td', 'spiffe://td.evil/ns/a/sa/b', false],
  ['trustDomains', 'td', 'spiffe://td', false],
  ['trustDomains', '*.corp', 'spiffe://a.corp/ns/a/sa/b', true],
  ['trustDomains', '*.corp', 'spiffe://a.corp.evil/ns/x.corp/sa/b', false],
  ['trustDomains', 't*', uri, true],
  ['trustDomains', '*', uri, true],
  ['trustDomains', '*', 'https://td/ns', false],
]

const keys: Record<Field, string> = {
  principals: 'source.principal',
  namespaces: 'source.namespace',
  serviceAccounts: 'source.serviceAccount',
  trustDomains: 'source.trustDomain',
}

for (const [field, value, name, fits] of table)
  test(`${field} ${value} ${fits ? 'fits' : 'does not fit'} ${name}`, () => {
    assert.equal(hits(from({ [field]: any(value) }), { uri: name }), fits)
    assert.equal(hits(from({ [field]: not(value) }), { uri: name }), !fits)
    assert.equal(hits(rule({ when: [when(keys[field], any(value))] }), { uri: name }), fits)
  })

for (const field of Object.keys(keys) as Field[])
  test(`without identity ${field} never holds and its not-twin always does`, () => {
    for (const value of ['*', 'a', 'td/ns/a/sa/b'].filter(
      (text) => field !== 'trustDomains' || !text.includes('/'),
    )) {
      if (field === 'serviceAccounts' && value.split('/').length > 2) continue
      assert.equal(hits(from({ [field]: any(value) })), false)
      assert.equal(hits(from({ [field]: not(value) })), true)
    }
  })

test('DENY notPrincipals * refuses plaintext and nobody else', () => {
  const idiom = [policy('DENY', [from({ principals: not('*') })])]
  assert.equal(http(idiom).allowed, false)
  assert.equal(tcp(idiom).allowed, false)
  assert.equal(http(idiom, { uri }).allowed, true)
})

test('ALLOW notNamespaces admits plaintext, DENY namespaces does not stop it', () => {
  assert.equal(http([policy('ALLOW', [from({ namespaces: not('bad') })])]).allowed, true)
  assert.equal(http([policy('DENY', [from({ namespaces: any('bad') })])]).allowed, true)
})

const moved: Mesh = { trustDomain: 'new.td', trustDomainAliases: ['old.td'] }

// [value, identity, whether it fits] under the bundle [new.td, old.td]
const aliases: [string, string, boolean][] = [
  ['cluster.local/ns/a/sa/b', 'new.td/ns/a/sa/b', true],
  ['cluster.local/ns/a/sa/b', 'old.td/ns/a/sa/b', true],
  ['cluster.local/ns/a/sa/b', 'cluster.local/ns/a/sa/b', false],
  ['old.td/ns/a/sa/b', 'new.td/ns/a/sa/b', true],
  ['new.td/ns/a/sa/*', 'old.td/ns/a/sa/x', true],
  ['new*/ns/a/sa/b', 'old.td/ns/a/sa/b', true],
  ['*.td/ns/a/sa/b', 'far.td/ns/a/sa/b', true],
  ['*d.td/ns/a/sa/b', 'new.td/ns/a/sa/b', true],
  ['*d.td/ns/a/sa/b', 'old.td/ns/a/sa/b', true],
  ['*/ns/a/sa/b', 'far.td/ns/a/sa/b', true],
  ['cluster.local/*', 'new.td/ns/a/sa/b', false],
  ['cluster.local/ns/a/*', 'new.td/ns/a/sa/b', false],
  ['far.td/ns/a/sa/b', 'far.td/ns/a/sa/b', true],
  ['far.td/ns/a/sa/b', 'new.td/ns/a/sa/b', false],
]

for (const [value, principal, fits] of aliases)
  test(`with aliases, principal ${value} ${fits ? 'fits' : 'does not fit'} ${principal}`, () => {
    const name = { uri: `spiffe://${principal}` }
    assert.equal(hits(from({ principals: any(value) }), name, {}, moved), fits)
    assert.equal(hits(from({ principals: not(value) }), name, {}, moved), !fits)
    assert.equal(hits(rule({ when: [when('source.principal', any(value))] }), name, {}, moved), fits)
  })

test('a trust domain of the bundle stands for all of it, cluster.local is not special', () => {
  const trusts = (value: string, domain: string): boolean =>
    hits(from({ trustDomains: any(value) }), { uri: `spiffe://${domain}/ns/a/sa/b` }, {}, moved)
  assert.equal(trusts('old.td', 'new.td'), true)
  assert.equal(trusts('new.td', 'old.td'), true)
  assert.equal(trusts('cluster.local', 'new.td'), false)
  assert.equal(trusts('cluster.local', 'cluster.local'), true)
})

test('namespaces and serviceAccounts ignore the trust domain', () => {
  const far = { uri: 'spiffe://far.td/ns/a/sa/b' }
  const fields: Record<string, Values> = { namespaces: any('a'), serviceAccounts: any('a/b') }
  for (const [field, values] of Object.entries(fields))
    assert.equal(hits(from({ [field]: values }), far, {}, moved), true)
})
