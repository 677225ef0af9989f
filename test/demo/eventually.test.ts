import { test } from 'node:test'
import assert from 'node:assert/strict'
import { eventually } from '../../src/demo/eventually.ts'

test('it asks until the answer is the wanted one', async () => {
  let count = 0
  const { value, wanted } = await eventually(
    () => (count += 1),
    (seen) => seen === 3,
    5000,
  )
  assert.deepEqual([value, wanted], [3, true])
})

test('when the time is up the last answer stands, unwanted', async () => {
  const answer = await eventually(
    () => 'no',
    () => false,
    1,
  )
  assert.equal(answer.wanted, false)
  assert.equal(answer.value, 'no')
})

test('an attempt that fails is one more question; a failure at the end is thrown', async () => {
  let count = 0
  const failing = () => {
    count += 1
    if (count < 3) throw new Error('not yet')
    return count
  }
  assert.equal((await eventually(failing, () => true, 5000)).value, 3)
  await assert.rejects(
    eventually(
      () => Promise.reject(new Error('never')),
      () => true,
      1,
    ),
    /never/,
  )
})
