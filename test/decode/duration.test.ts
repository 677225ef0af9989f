/** Go-style durations: what is read and what is not. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { attempt } from '../../src/decode/decode-problem.ts'
import { duration, parseDuration } from '../../src/decode/duration.ts'

test('durations are read to milliseconds', () => {
  const cases: [string, number][] = [
    ['0', 0],
    ['0s', 0],
    ['5s', 5000],
    ['100ms', 100],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['2m0.5s', 120_500],
    ['250us', 0.25],
    ['250µs', 0.25],
    ['1000000ns', 1],
  ]
  for (const [text, ms] of cases) assert.ok(Math.abs((parseDuration(text) ?? NaN) - ms) < 1e-9, text)
})

test('what is no duration is refused', () => {
  const wrong = [
    '',
    '5',
    '-5s',
    '+5s',
    's',
    '5 s',
    '5S',
    '1d',
    's5',
    '5s ',
    '1e3s',
    '9'.repeat(30) + 'h',
    '٥s',
  ]
  for (const text of wrong) assert.equal(parseDuration(text), null, text)
  const read = attempt(() => duration(5, 'spec.x'))
  assert.equal(read.ok, false)
  assert.equal(
    !read.ok && read.reason,
    'spec.x: expected a duration such as "5s", "1h30m" or "100ms", found 5',
  )
})
