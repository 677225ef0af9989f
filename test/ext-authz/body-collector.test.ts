import { test } from 'node:test'
import assert from 'node:assert/strict'
import { BodyCollector } from '../../src/ext-authz/body-collector.ts'

const rule = (allowPartialMessage: boolean) => ({
  maxRequestBytes: 4,
  allowPartialMessage,
  packAsBytes: false,
})

test('a body of just the allowed length is complete', () => {
  const body = new BodyCollector(rule(false))
  assert.equal(body.body, null)
  assert.equal(body.push(Buffer.from('ab')), 'more')
  assert.equal(body.push(Buffer.from('cd')), 'more')
  assert.deepEqual(body.body, { bytes: Buffer.from('abcd'), complete: true })
})

test('a longer body is too large, by its length or by its bytes', () => {
  const body = new BodyCollector(rule(false))
  assert.equal(body.expect(5), 'too-large')
  assert.equal(body.expect(4), 'more')
  assert.equal(body.expect(-1), 'more')
  assert.equal(body.push(Buffer.from('abcde')), 'too-large')
})

test('with partial messages the first bytes are enough, and no more are kept', () => {
  const body = new BodyCollector(rule(true))
  assert.equal(body.expect(1_000_000), 'more')
  assert.equal(body.push(Buffer.from('abc')), 'more')
  assert.equal(body.push(Buffer.from('def')), 'enough')
  assert.equal(body.push(Buffer.from('ghi')), 'enough')
  assert.deepEqual(body.body, { bytes: Buffer.from('abcd'), complete: false })
})
