import assert from 'node:assert/strict'
import test from 'node:test'
import { LatencyHistogram } from '../../bench/load/latency-histogram.ts'

test('percentiles are within one percent', () => {
  const histogram = new LatencyHistogram()
  for (let i = 1; i <= 10_000; i += 1) histogram.record(i)
  assert.equal(histogram.count, 10_000)
  for (const share of [0.5, 0.9, 0.99]) {
    const error = histogram.percentile(share) / (share * 10_000) - 1
    assert.ok(Math.abs(error) <= 0.01, `${share}: ${error}`)
  }
})

test('one slow answer of a hundred is the worst but not the median', () => {
  const histogram = new LatencyHistogram()
  for (let i = 0; i < 99; i += 1) histogram.record(100)
  histogram.record(50_000)
  assert.ok(Math.abs(histogram.percentile(0.5) / 100 - 1) < 0.01)
  assert.ok(Math.abs(histogram.percentile(1) / 50_000 - 1) < 0.01)
})

test('nothing recorded, nothing claimed; a reset forgets', () => {
  const histogram = new LatencyHistogram()
  assert.equal(histogram.percentile(0.5), 0)
  histogram.record(3)
  histogram.record(-1)
  histogram.record(1e12)
  histogram.reset()
  assert.equal(histogram.count, 0)
  assert.equal(histogram.percentile(0.99), 0)
})
