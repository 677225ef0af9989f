import { test } from 'node:test'
import assert from 'node:assert/strict'
import { VerdictCounts } from '../../src/telemetry/verdict-counts.ts'

test('a verdict is counted under its policy, and equal ones share a cell', () => {
  const counts = new VerdictCounts()
  const given = { allowed: false, reason: 'deny_rule', policy: 'shop/a' }
  counts.cell(given).count += 1
  counts.cell({ ...given }).count += 1
  counts.cell({ ...given, policy: null }).count += 1
  assert.deepEqual(counts.collect().verdicts, [
    { verdict: 'denied', reason: 'deny_rule', policy: 'shop/a', count: 2 },
    { verdict: 'denied', reason: 'deny_rule', policy: '', count: 1 },
  ])
})

test('policies beyond the bound are counted together, those that decide nothing never are lost', () => {
  const counts = new VerdictCounts(10)
  for (let i = 0; i < 1000; i++) {
    counts.cell({ allowed: true, reason: 'allow_rule', policy: `ns/p${i}` }).count += 1
    counts.shadow([{ action: 'DENY', result: 'denied', policyId: `ns[ns]-policy[p${i}]-rule[0]` }])
  }
  counts.cell({ allowed: false, reason: 'no_allow_matched', policy: null }).count += 1
  const { verdicts, shadows } = counts.collect()
  assert.equal(verdicts.length, 12)
  assert.equal(shadows.length, 11)
  assert.equal(verdicts.find(({ policy }) => policy === 'overflow')?.count, 990)
  assert.equal(shadows.find(({ policy }) => policy === 'overflow')?.count, 990)
  assert.equal(
    verdicts.reduce((sum, { count }) => sum + count, 0),
    1001,
  )
})
