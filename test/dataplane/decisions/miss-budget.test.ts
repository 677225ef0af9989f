import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MissBudget } from '../../../src/dataplane/decisions/miss-budget.ts'

test('a flood of refusals finds only so many nearest misses a second, however fast it comes', () => {
  const budget = new MissBudget(0)
  let found = 0
  // Two seconds, a hundred thousand refusals, a thousand rules to look at for each.
  for (let i = 0; i < 100_000; i++) if (budget.spend(1000, i / 50)) found += 1
  assert.ok(found >= 100 && found <= 150, String(found))
  assert.ok(budget.spend(1000, 4000), 'quiet times are made up for')
})

test('a clock that goes back gives nothing away', () => {
  const budget = new MissBudget(1000)
  for (let i = 0; i < 50; i++) budget.spend(1000, 1000)
  assert.ok(!budget.spend(1000, 0))
  assert.ok(!budget.spend(1000, 1))
})
