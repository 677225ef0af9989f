import { test } from 'node:test'
import assert from 'node:assert/strict'
import { DigestReader, isDigest, ValueVeil } from '../../src/telemetry/value-veil.ts'

const key = Buffer.from('a key of thirty-two characters, or more')
const jwt = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.c2ln`

test('without a key a value is left out, with one it is a digest, and shown it is itself', () => {
  assert.equal(new ValueVeil(false, null).header('x-tier', 'gold'), '(redacted)')
  assert.ok(isDigest(new ValueVeil(false, key).header('x-tier', 'gold')))
  assert.equal(new ValueVeil(true, key).header('x-tier', 'gold'), 'gold')
})

test('tokens and cookies are told in no mode, wherever a token stands, not even as digests', () => {
  for (const veil of [new ValueVeil(false, null), new ValueVeil(false, key), new ValueVeil(true, null)]) {
    for (const name of ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])
      assert.equal(veil.header(name, 'anything'), '(redacted)', name)
    assert.equal(veil.hiding(['x-token']).header('x-token', 'anything'), '(redacted)')
    for (const value of [jwt, `Bearer ${jwt}`, `{"t":"${jwt}"}`, `a, ${jwt}, b`])
      assert.equal(veil.header('x-anything', value), '(redacted)', value)
  }
})

test('an empty value hides nothing', () => {
  assert.equal(new ValueVeil(false, null).header('x-tier', ''), '')
  assert.equal(new ValueVeil(false, key).header('authorization', ''), '')
})

test('a digest is recognized by whoever has the key, for what it is about and for nothing else', () => {
  const veil = new ValueVeil(false, key)
  const reader = new DigestReader(key)
  assert.ok(reader.reads(veil.name))
  for (const name of ['shown', 'redacted', '', new ValueVeil(false, Buffer.from('another key')).name])
    assert.ok(!reader.reads(name), name)
  const digest = veil.header('x-tier', 'gold')
  assert.ok(reader.is('request.headers[x-tier]', 'gold', digest))
  assert.ok(!reader.is('request.headers[x-tier]', 'tin', digest))
  assert.ok(!reader.is('request.headers[x-rank]', 'gold', digest))
})
