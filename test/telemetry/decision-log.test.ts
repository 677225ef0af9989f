import { test } from 'node:test'
import assert from 'node:assert/strict'
import { DecisionLog } from '../../src/telemetry/decision-log.ts'
import { ManualClock } from '../support/manual-clock.ts'

function logging(mostWaiting: number, batchBytes = 1024) {
  const clock = new ManualClock()
  const batches: { text: string; count: number }[] = []
  const log = new DecisionLog({
    clock,
    flushMs: 50,
    batchBytes,
    mostWaiting,
    sink: (lines, count) => batches.push({ text: Buffer.from(lines).toString(), count }),
  })
  return { clock, batches, log }
}

test('lines wait for company up to the flush time or the batch size, and none is lost, doubled or miscounted', () => {
  const { clock, batches, log } = logging(1e9)
  const lines = Array.from({ length: 300 }, (_, i) => `{"n":${i},"t":"${'ü'.repeat(i * 7)}"}\n`)
  log.write(lines[0] as string)
  assert.equal(batches.length, 0)
  clock.advance(50)
  assert.equal(batches.length, 1)
  for (const line of lines.slice(1)) log.write(line)
  log.flush()
  log.flush()
  assert.equal(batches.map(({ text }) => text).join(''), lines.join(''))
  assert.equal(
    batches.reduce((sum, { count }) => sum + count, 0),
    lines.length,
  )
  for (const { text, count } of batches) assert.equal(text.split('\n').length - 1, count)
  assert.equal(clock.pending, 0)
})

test('beyond what may be under way lines are dropped and counted, and what is taken makes room again', () => {
  const { log, batches } = logging(2048)
  const line = `${'x'.repeat(1023)}\n`
  let written = 0
  for (let i = 0; i < 10; i++) {
    if (!log.takes) continue
    log.write(line)
    written += 1
  }
  log.flush()
  assert.equal(written + log.dropped, 10)
  // What is gathered and not handed over yet does not count as under way: one batch at most.
  assert.ok(written >= 2 && written <= 4, String(written))
  const dropped = log.dropped
  assert.ok(!log.takes)
  log.taken(batches.reduce((sum, { text }) => sum + text.length, 0))
  assert.ok(log.takes)
  assert.equal(log.dropped, dropped + 1)
})
