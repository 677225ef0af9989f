/** SPIFFE IDs: every byte value at every kind of position, and the Istio form. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { istioSpiffeUri, longestSpiffeUri, parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import { isTrustDomain } from '../../src/spiffe/trust-domain.ts'

const domainBytes = new Set('abcdefghijklmnopqrstuvwxyz0123456789.-_')
const segmentBytes = new Set('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_')

function everyByte(check: (byte: string) => void): void {
  for (let c = 0; c < 256; c++) check(String.fromCharCode(c))
  // Look-alikes and halves of pairs that a fold or a mask could mistake for a letter.
  for (const c of ['\u0130', '\u017f', '\u212a', '\uff41', '\u0161', '\ud800', '\u0141']) check(c)
}

test('a trust domain takes exactly its bytes at the start, inside and at the end', () => {
  everyByte((byte) => {
    const allowed = domainBytes.has(byte)
    for (const text of [byte, `${byte}x`, `x${byte}y`, `x${byte}`])
      assert.equal(isTrustDomain(text), allowed, JSON.stringify(text))
  })
})

test('a trust domain has 1 to 255 bytes', () => {
  assert.ok(isTrustDomain('a'.repeat(255)))
  assert.ok(!isTrustDomain('a'.repeat(256)) && !isTrustDomain(''))
  assert.equal(parseSpiffeId(`spiffe://${'a'.repeat(256)}/x`), null)
})

test('inside the trust domain of an ID only its bytes and the slash that ends it pass', () => {
  everyByte((byte) => {
    const allowed = domainBytes.has(byte) || byte === '/'
    assert.equal(parseSpiffeId(`spiffe://td${byte}x/ns`) !== null, allowed, JSON.stringify(byte))
  })
})

test('a path segment takes exactly its bytes at the start, inside and at the end', () => {
  everyByte((byte) => {
    const allowed = segmentBytes.has(byte)
    for (const [at, path] of [
      ['start', `/${byte}a`],
      ['inside', `/a${byte}b`],
      ['end', `/a${byte}`],
      ['alone', `/${byte}`],
    ] as const) {
      const wanted = byte === '/' ? at === 'inside' : byte === '.' ? at !== 'alone' : allowed
      assert.equal(parseSpiffeId(`spiffe://td${path}`) !== null, wanted, JSON.stringify(path))
    }
  })
})

test('every byte of the scheme is needed as it is', () => {
  const uri = 'spiffe://td/a'
  for (let i = 0; i < 9; i++) {
    everyByte((byte) => {
      const changed = uri.slice(0, i) + byte + uri.slice(i + 1)
      assert.equal(parseSpiffeId(changed) !== null, changed === uri, JSON.stringify(changed))
    })
  }
})

test('dot segments, empty segments and trailing slashes are refused', () => {
  for (const path of [
    '/',
    '//',
    '/a/',
    '/a//b',
    '//a',
    '/.',
    '/..',
    '/a/./b',
    '/a/../b',
    '/a/..',
    '/a/.',
    '/./a',
    '/../a',
  ]) {
    assert.equal(parseSpiffeId(`spiffe://td${path}`), null, path)
  }
  for (const path of ['', '/...', '/..a', '/a..', '/.a', '/a.b/c', '/a/...']) {
    assert.equal(parseSpiffeId(`spiffe://td${path}`)?.path, path)
  }
})

test('query, fragment, port, userinfo and escapes are refused', () => {
  for (const rest of [
    'td?',
    'td#',
    'td/a?b',
    'td/a#',
    'td:1/a',
    'u@td/a',
    'td/%61',
    '%74d/a',
    '',
    '/a',
    'td/a\0',
    'TD/a',
  ]) {
    assert.equal(parseSpiffeId(`spiffe://${rest}`), null, rest)
  }
})

test('an ID has at most 2048 bytes', () => {
  const start = 'spiffe://td/'
  assert.ok(parseSpiffeId(start + 'a'.repeat(longestSpiffeUri - start.length)))
  assert.equal(parseSpiffeId(start + 'a'.repeat(longestSpiffeUri - start.length + 1)), null)
})

test('namespace and service account are read from the exact Istio form only', () => {
  const id = parseSpiffeId('spiffe://cluster.local/ns/foo/sa/sleep')
  assert.deepEqual(id, {
    uri: 'spiffe://cluster.local/ns/foo/sa/sleep',
    trustDomain: 'cluster.local',
    path: '/ns/foo/sa/sleep',
    namespace: 'foo',
    serviceAccount: 'sleep',
    principal: 'cluster.local/ns/foo/sa/sleep',
  })
  for (const path of [
    '/ns/foo/sa',
    '/ns/foo/sa/a/b',
    '/NS/foo/sa/a',
    '/ns/foo/SA/a',
    '/x/ns/foo/sa/a',
    '/sa/a/ns/foo',
    '',
  ]) {
    const other = parseSpiffeId(`spiffe://td${path}`)
    assert.ok(other)
    assert.deepEqual([other.namespace, other.serviceAccount], [null, null], path)
  }
})

test('a written Istio URI reads back as the same parts, or as no Istio identity at all', () => {
  const parts = [
    'a',
    'foo-bar',
    '',
    '.',
    '..',
    'a/b',
    'x/sa/y',
    'ns',
    'sa',
    '%2e',
    'a?b',
    'a#b',
    'ü',
    'a\0',
    'a@b',
  ]
  for (const td of ['td', 'cluster.local', '', 'td/ns/a/sa/b', 'td/x'])
    for (const namespace of parts)
      for (const account of parts) {
        const id = parseSpiffeId(istioSpiffeUri(td, namespace, account))
        if (id === null || id.namespace === null) continue
        assert.deepEqual([id.trustDomain, id.namespace, id.serviceAccount], [td, namespace, account])
      }
  assert.equal(istioSpiffeUri('me@corp@x', 'a', 'b'), 'spiffe://me.corp.x/ns/a/sa/b')
})
