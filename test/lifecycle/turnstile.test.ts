import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Turnstile } from '../../src/lifecycle/turnstile.ts'

test('so many are under way at once, the others follow in order, and a failure holds nobody up', async () => {
  const turnstile = new Turnstile(2)
  const order: number[] = []
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<number>())
  const passed = gates.map(({ promise }, i) =>
    turnstile.pass(() => {
      order.push(i)
      return promise
    }),
  )
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(order, [0, 1])
  gates[1]?.reject(new Error('no'))
  await assert.rejects(passed[1] ?? assert.fail())
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(order, [0, 1, 2])
  gates.forEach(({ resolve }, i) => resolve(i))
  assert.deepEqual(await Promise.all(passed.toSpliced(1, 1)), [0, 2, 3, 4])
  assert.deepEqual(order, [0, 1, 2, 3, 4])
  assert.equal(await turnstile.pass(() => Promise.resolve('again')), 'again')
})
