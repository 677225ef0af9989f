import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'node:test'
import { Worker } from 'node:worker_threads'
import {
  cpuSeconds,
  memory,
  parseSmapsRollup,
  parseStatParent,
  parseStatTicks,
  processTree,
} from '../../bench/process-usage.ts'

test('a process name with spaces and parentheses does not shift the fields', () => {
  const stat = '4711 (a) b (c)) S 42 4711 4711 0 -1 4194560 100 0 0 0 123 45 7 8 20 0 11 0 99 0 0'
  assert.equal(parseStatTicks(stat), 168)
  assert.equal(parseStatParent(stat), 42)
})

test('private memory is clean and dirty together, in MB of 2^20 bytes', () => {
  const text = 'Rss:  20480 kB\nPss:  9 kB\nPrivate_Clean:  1024 kB\nPrivate_Dirty:  2048 kB\n'
  assert.deepEqual(parseSmapsRollup(text), { residentMb: 20, privateMb: 3 })
})

test('the CPU of other threads is counted', async () => {
  const before = cpuSeconds([process.pid])
  const worker = new Worker('const end = Date.now() + 300; while (Date.now() < end);', { eval: true })
  await once(worker, 'exit')
  assert.ok(cpuSeconds([process.pid]) - before >= 0.05)
})

test('a child belongs to the tree of its parent', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  await once(child, 'spawn')
  assert.ok(processTree(process.pid).includes(child.pid as number))
  assert.ok(memory([process.pid]).residentMb > 10)
  child.stdin.end()
  await once(child, 'exit')
})

test('a process that is gone is an error, not zero', async () => {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  await once(child, 'exit')
  assert.throws(() => cpuSeconds([child.pid as number]), /is gone/)
})
