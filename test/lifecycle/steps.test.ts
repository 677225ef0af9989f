/** Long work beside other work: the same result in the end, with turns given away on the way. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { sortInSteps } from '../../src/lifecycle/sort-in-steps.ts'
import { runAtOnce, runSliced, type Steps } from '../../src/lifecycle/steps.ts'
import { ManualClock } from '../support/manual-clock.ts'

function* counted(steps: number, taken: number[]): Steps<string> {
  for (let i = 0; i < steps; i++) {
    taken.push(i)
    yield
  }
  return 'done'
}

const never = (): void => assert.fail('called')

test('work in slices begins in a later turn and gives every other turn away', () => {
  const clock = new ManualClock()
  const taken: number[] = []
  let result = ''
  runSliced(counted(3, taken), { clock, sliceMs: 0 }, (value) => (result = value), never)
  assert.deepEqual(taken, [])
  for (let turn = 1; turn <= 3; turn++) {
    clock.turn()
    assert.equal(taken.length, turn)
    assert.equal(result, '')
  }
  clock.turn()
  assert.equal(result, 'done')
  assert.equal(clock.pending, 0)
})

test('work that fits into a slice takes one turn', () => {
  const clock = new ManualClock()
  let result = ''
  runSliced(counted(100, []), { clock, sliceMs: 10_000 }, (value) => (result = value), never)
  clock.turn()
  assert.equal(result, 'done')
})

test('cancelled work takes no further step, also when a step of its own cancels it', () => {
  const clock = new ManualClock()
  const taken: number[] = []
  const work = runSliced(counted(9, taken), { clock, sliceMs: 0 }, never, never)
  clock.turn()
  work.cancel()
  clock.turn()
  assert.deepEqual(taken, [0])
  const own = runSliced(cancelling(), { clock, sliceMs: 10_000 }, never, never)
  function* cancelling(): Steps<void> {
    taken.push(7)
    own.cancel()
    yield
    taken.push(8)
  }
  clock.advance(0)
  assert.deepEqual(taken, [0, 7])
  assert.equal(clock.pending, 0)
})

test('what a step throws is told once and ends the work', () => {
  const clock = new ManualClock()
  const told: unknown[] = []
  function* failing(): Steps<void> {
    yield
    throw new Error('step two')
  }
  runSliced(failing(), { clock, sliceMs: 0 }, never, (error) => told.push(String(error)))
  clock.advance(0)
  assert.deepEqual(told, ['Error: step two'])
  assert.equal(clock.pending, 0)
})

test('sorting in steps is a stable sort', () => {
  const list = Array.from({ length: 5000 }, (_, i) => ({ key: (i * 7919) % 97, i }))
  const steps = sortInSteps(list, (x, y) => x.key - y.key)
  let count = 0
  function* counting(): Steps<readonly (typeof list)[0][]> {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value
      count += 1
      yield
    }
  }
  assert.deepEqual(
    runAtOnce(counting()),
    [...list].sort((x, y) => x.key - y.key || x.i - y.i),
  )
  assert.ok(count > 10)
})
