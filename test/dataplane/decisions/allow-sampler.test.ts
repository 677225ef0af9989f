import { test } from 'node:test'
import assert from 'node:assert/strict'
import { AllowSampler } from '../../../src/dataplane/decisions/allow-sampler.ts'
import { seededRandom } from '../../support/random-policies.ts'

const taken = (sampler: AllowSampler, of: number): number =>
  Array.from({ length: of }).filter(() => sampler.take()).length

test('a rate of one takes all, of nothing none', () => {
  assert.equal(taken(new AllowSampler(1, Math.random), 1000), 1000)
  assert.equal(taken(new AllowSampler(0, Math.random), 1000), 0)
})

test('in between it takes about its share, at distances that no rhythm escapes', () => {
  const random = seededRandom(7)
  for (const rate of [0.5, 0.1, 0.01]) {
    const count = taken(new AllowSampler(rate, random), 100_000)
    assert.ok(Math.abs(count - rate * 100_000) < 6 * Math.sqrt(100_000 * rate), `${count} at ${rate}`)
  }
  const sampler = new AllowSampler(0.1, random)
  const every20th = Array.from({ length: 20_000 }, (_, i) => [i, sampler.take()] as const).filter(
    ([i, took]) => took && i % 20 === 0,
  )
  assert.ok(every20th.length > 50 && every20th.length < 150, String(every20th.length))
})

test('the ends of a random number are no trap', () => {
  for (const value of [0, 1 - Number.EPSILON]) {
    const sampler = new AllowSampler(0.01, () => value)
    assert.ok(taken(sampler, 10_000) >= 1)
  }
})
