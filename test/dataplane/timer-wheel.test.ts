import { test } from 'node:test'
import assert from 'node:assert/strict'
import { TimerWheel, WheelTimer } from '../../src/dataplane/timer-wheel.ts'
import { ManualClock } from '../support/manual-clock.ts'

function setUp(slots = 8): {
  clock: ManualClock
  wheel: TimerWheel
  timer: (name: string) => WheelTimer
  fired: string[]
} {
  const clock = new ManualClock()
  const wheel = new TimerWheel(clock, 500, slots)
  const fired: string[] = []
  return { clock, wheel, fired, timer: (name) => new WheelTimer(wheel, { onExpire: () => fired.push(name) }) }
}

test('a timeout never fires early and at most two ticks late', () => {
  for (const ms of [1, 499, 500, 501, 1999, 4000]) {
    const { clock, timer, fired } = setUp()
    clock.advance(250)
    timer('x').set(ms)
    clock.advance(ms - 1)
    assert.deepEqual(fired, [], `${ms} ms fired early`)
    clock.advance(1001)
    assert.deepEqual(fired, ['x'], `${ms} ms fired late`)
  }
})

test('a timeout beyond the horizon of the wheel is carried round', () => {
  const { clock, timer, fired } = setUp(4)
  timer('far').set(60_000)
  clock.advance(60_000)
  assert.deepEqual(fired, [])
  clock.advance(1000)
  assert.deepEqual(fired, ['far'])
})

test('setting again moves the timeout either way, clearing and disposing end it', () => {
  const { clock, timer, fired } = setUp()
  const later = timer('later')
  later.set(1000)
  later.set(5000)
  const sooner = timer('sooner')
  sooner.set(5000)
  sooner.set(1000)
  const cleared = timer('cleared')
  cleared.set(1000)
  cleared.clear()
  const disposed = timer('disposed')
  disposed.set(1000)
  disposed.dispose()
  const zero = timer('zero')
  zero.set(1000)
  zero.set(0)
  clock.advance(3000)
  assert.deepEqual(fired, ['sooner'])
  clock.advance(3500)
  assert.deepEqual(fired, ['sooner', 'later'])
})

test('an expiring timer may dispose of its neighbour and set itself again', () => {
  const clock = new ManualClock()
  const wheel = new TimerWheel(clock, 500, 4)
  let count = 0
  const again: WheelTimer = new WheelTimer(wheel, {
    onExpire: () => {
      count += 1
      first.dispose()
      if (count < 3) again.set(500)
    },
  })
  const first = new WheelTimer(wheel, { onExpire: () => assert.fail('disposed') })
  first.set(500)
  again.set(500)
  clock.advance(10_000)
  assert.equal(count, 3)
})

test('many random timeouts each fire once, in their window', () => {
  const { clock, wheel } = setUp(16)
  let seed = 7
  const random = (): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff
  const left = new Set<number>()
  for (let i = 0; i < 2000; i++) {
    const ms = Math.floor(random() * 30_000) + 1
    const due = clock.now() + ms
    left.add(i)
    const timer = new WheelTimer(wheel, {
      onExpire: () => {
        assert.ok(left.delete(i))
        assert.ok(clock.now() >= due && clock.now() <= due + 1000)
      },
    })
    timer.set(random() * 40_000)
    timer.set(ms)
    if (i % 10 === 0) clock.advance(Math.floor(random() * 700))
  }
  clock.advance(40_000)
  assert.equal(left.size, 0)
  wheel.close()
  assert.equal(clock.pending, 0)
})
