import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Debounce } from '../../src/discovery/debounce.ts'
import { ManualClock } from '../support/manual-clock.ts'

test('a burst is one run, once things are quiet', () => {
  const clock = new ManualClock()
  let runs = 0
  const debounce = new Debounce(clock, { quietMs: 100, longestMs: 10_000 }, () => (runs += 1))
  debounce.touch()
  clock.advance(99)
  debounce.touch()
  clock.advance(99)
  assert.equal(runs, 0)
  clock.advance(1)
  assert.equal(runs, 1)
  clock.advance(10_000)
  assert.equal(runs, 1)
})

test('changes without end do not put the run off for longer than the bound', () => {
  const clock = new ManualClock()
  let runs = 0
  const debounce = new Debounce(clock, { quietMs: 100, longestMs: 1_000 }, () => (runs += 1))
  for (let at = 0; at < 1_900; at += 50) {
    debounce.touch()
    clock.advance(50)
  }
  assert.equal(runs, 1)
  debounce.cancel()
  clock.advance(1_000)
  assert.equal(runs, 1)
  assert.equal(clock.pending, 0)
})
