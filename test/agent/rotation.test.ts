/** When a certificate is renewed, and what happens while it cannot be. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Rotation } from '../../src/agent/rotation.ts'
import type { WorkloadSecret } from '../../src/agent/workload-secret.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { listeningLog } from '../support/mesh-control.ts'

const hour = 3600_000

function setUp(options: { random?: number; lifetime?: number } = {}) {
  const clock = new ManualClock()
  const log = listeningLog()
  const lifetime = options.lifetime ?? 24 * hour
  const state = { asked: 0, failing: false }
  const rotation = new Rotation({
    clock,
    random: () => options.random ?? 0.5,
    log,
    issue: () => {
      state.asked += 1
      if (state.failing) return Promise.reject(new Error('the CA is away'))
      const now = clock.now()
      return Promise.resolve(secret(`${state.asked}`, now, now + lifetime))
    },
  })
  return { clock, log, state, rotation }
}

const secret = (mark: string, receivedAt: number, notAfter: number): WorkloadSecret => ({
  certificateChain: mark,
  privateKey: mark,
  rootPem: 'root',
  notAfter,
  receivedAt,
})

/** Lets promises that are due run. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Time passes in steps, as it does: what a timer starts may end before the next one. */
async function pass(clock: ManualClock, ms: number, step = 60_000): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    clock.advance(Math.min(step, left))
    await turn()
  }
}

for (const [random, share] of [
  [0.5, 0.5],
  [0, 0.51],
  [1, 0.49],
] as const) {
  test(`with jitter ${random} it renews when ${share} of the lifetime has passed, counted from receipt`, async () => {
    const { clock, state, rotation } = setUp({ random })
    rotation.start(null)
    await turn()
    assert.equal(state.asked, 1)
    await pass(clock, 24 * hour * share - 60_000)
    assert.equal(state.asked, 1)
    await pass(clock, 120_000)
    assert.equal(state.asked, 2)
    assert.equal(rotation.secret.value?.certificateChain, '2')
    rotation.close()
    assert.equal(clock.pending, 0)
  })
}

test('a secret of an earlier run serves at once and is renewed when it is due', async () => {
  const { clock, state, rotation } = setUp()
  const now = clock.now()
  rotation.start(secret('stored', now - 10 * hour, now + 14 * hour))
  await turn()
  assert.equal(rotation.secret.value?.certificateChain, 'stored')
  assert.equal(state.asked, 0)
  await pass(clock, 2 * hour + 60_000)
  assert.equal(state.asked, 1)
  rotation.close()
})

test('while renewal fails the old secret stays, attempts go on with growing pauses, and success ends them', async () => {
  const { clock, state, rotation } = setUp()
  const failures: number[] = []
  rotation.onFailure(() => failures.push(clock.now()))
  rotation.start(null)
  await turn()
  state.failing = true
  await pass(clock, 12 * hour)
  assert.ok(failures.length > 0)
  assert.equal(rotation.secret.value?.certificateChain, '1')
  failures.splice(0)
  await pass(clock, 10 * 60_000, 1000)
  const gaps = failures.slice(1).map((at, i) => at - (failures[i] ?? 0))
  assert.ok(Math.max(...gaps) <= 61_000, 'never slower than a minute')
  assert.ok(failures.length < 40, 'never a storm')
  state.failing = false
  await pass(clock, 120_000, 1000)
  assert.notEqual(rotation.secret.value?.certificateChain, '1')
  rotation.close()
})

test('the alarm sounds once at half, three quarters, nine tenths and at the end', async () => {
  const { clock, log, state, rotation } = setUp({ random: 1, lifetime: 10 * hour })
  rotation.start(null)
  await turn()
  state.failing = true
  await pass(clock, 11 * hour)
  const alarms = log.lines.filter((line) => line.includes('renewed'))
  const percents = alarms.map((line) => Number(/"usedPercent":(\d+)/.exec(line)?.[1]))
  assert.deepEqual(percents, [49, 50, 75, 90, 100])
  assert.deepEqual(
    alarms.map((line) => line.split(' ')[0]),
    ['warn', 'warn', 'warn', 'error', 'error'],
  )
  assert.ok(rotation.secret.value, 'never dropped to nothing')
  rotation.close()
})

test('lifetimes longer than a timer can wait are waited for in full', async () => {
  const { clock, state, rotation } = setUp({ lifetime: 90 * 24 * hour })
  rotation.start(null)
  await turn()
  await pass(clock, 44 * 24 * hour, hour)
  assert.equal(state.asked, 1)
  await pass(clock, 2 * 24 * hour, hour)
  assert.equal(state.asked, 2)
  rotation.close()
})

test('certificates of moments do not make a loop', async () => {
  const { clock, state, rotation } = setUp({ lifetime: 1 })
  rotation.start(null)
  await turn()
  await pass(clock, 10_000, 100)
  assert.ok(state.asked <= 11, `${state.asked}`)
  rotation.close()
})

test('nothing happens after close, not even the end of an issuance under way', async () => {
  const clock = new ManualClock()
  const { promise, resolve } = Promise.withResolvers<WorkloadSecret>()
  const rotation = new Rotation({ clock, random: () => 0.5, log: listeningLog(), issue: () => promise })
  rotation.start(null)
  rotation.close()
  resolve(secret('late', clock.now(), clock.now() + hour))
  await turn()
  assert.equal(rotation.secret.value, undefined)
  assert.equal(clock.pending, 0)
})
