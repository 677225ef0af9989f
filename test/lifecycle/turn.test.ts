import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beginTurn, endTurn, turnNow, wallClock } from '../../src/lifecycle/turn.ts'

/** Until the clock shows another time. */
function tick(): void {
  const from = performance.now()
  while (performance.now() === from);
}

test('time stands still within a turn, and goes on between turns and after them', () => {
  const before = turnNow()
  tick()
  beginTurn()
  const first = turnNow()
  tick()
  assert.equal(turnNow(), first)
  endTurn()
  assert.ok(first > before)
  tick()
  const between = turnNow()
  tick()
  assert.ok(between > first && turnNow() > between)
  beginTurn()
  assert.ok(turnNow() > between)
  endTurn()
})

test('a moment is told as the hour', () => {
  const now = Date.now()
  assert.ok(Math.abs(wallClock(turnNow()) - now) < 5_000)
})
