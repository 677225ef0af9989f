import { test } from 'node:test'
import assert from 'node:assert/strict'
import { foreseen, gathered } from '../../src/ext-authz/body-limit.ts'

const rule = (allowPartialMessage: boolean) => ({
  maxRequestBytes: 4,
  allowPartialMessage,
  packAsBytes: false,
})

test('a body is waited for until it is whole', () => {
  assert.equal(gathered(rule(false), 0, false), 'more')
  assert.equal(gathered(rule(false), 4, false), 'more')
  assert.equal(gathered(rule(false), 4, true), 'enough')
})

test('a longer body is too large, by its length or by its bytes', () => {
  assert.equal(foreseen(rule(false), 5), 'too-large')
  assert.equal(foreseen(rule(false), 4), 'more')
  assert.equal(foreseen(rule(false), -1), 'more')
  assert.equal(gathered(rule(false), 5, false), 'too-large')
  assert.equal(gathered(rule(false), 5, true), 'too-large')
})

test('with partial messages the first bytes are enough', () => {
  assert.equal(foreseen(rule(true), 1_000_000), 'more')
  assert.equal(gathered(rule(true), 3, false), 'more')
  assert.equal(gathered(rule(true), 5, false), 'enough')
})
