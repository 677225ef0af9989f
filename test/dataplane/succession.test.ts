/** How one world follows another while traffic goes on: aside, latest first, each once, and whole or not at all. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { packSnapshot } from '../../src/dataplane/packed-snapshot.ts'
import type { FromWorker } from '../../src/dataplane/worker-protocol.ts'
import { buildWorld, judgesAlike } from '../../src/dataplane/world.ts'
import type { World } from '../../src/dataplane/world.ts'
import { ExtAuthzProviders } from '../../src/ext-authz/providers.ts'
import { KeyRing } from '../../src/jwt/key-ring.ts'
import { runAtOnce } from '../../src/lifecycle/steps.ts'
import { silent } from '../ext-authz/authorizers.ts'
import { echoApplication, httpApplication } from '../support/applications.ts'
import { authorizerProvider, authorizerService, customPolicy } from '../support/custom-mesh.ts'
import { Harness, inboundPort, policy, snapshotOf } from '../support/data-plane-harness.ts'
import type { SnapshotParts } from '../support/data-plane-harness.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { dialWire } from '../support/wire-client.ts'
import { service } from '../cluster/mesh.ts'

const timeout = 5000
const denyAll = policy('DENY', '[{}]')
const allowAll = policy('ALLOW', '[{}]')

/** A thread that takes one step a turn: everything can be put between two steps. */
async function stepwise(port: number): Promise<Harness> {
  return Harness.start({ applications: [port], settings: { sliceMs: 0 } })
}

const applied = (harness: Harness): number[] =>
  harness.told.flatMap((message: FromWorker) => (message.type === 'applied' ? [message.generation] : []))

async function quietly(harness: Harness): Promise<void> {
  await harness.quiet()
  await harness.stop()
}

test(
  'the old policy answers between the steps of the new one, the new one after them',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const harness = await stepwise(application.port)
    const ports: SnapshotParts = { inboundPorts: [inboundPort(harness.port, 'http', 'PERMISSIVE')] }
    harness.apply({ ...ports, authorizationPolicies: allowAll })
    const peer = await dialWire(t, harness.port)
    const statuses: number[] = []
    harness.offer({ ...ports, authorizationPolicies: denyAll })
    for (let turns = 0; applied(harness).length < 2; turns++) {
      assert.ok(turns < 100)
      peer.send('GET / HTTP/1.1\r\nhost: web\r\n\r\n')
      statuses.push((await peer.response()).status)
      harness.clock.turn()
    }
    peer.send('GET / HTTP/1.1\r\nhost: web\r\n\r\n')
    assert.equal((await peer.response()).status, 403)
    assert.ok(statuses.length > 5, `${statuses.length} turns`)
    // The swap is one step: what follows it is told of within the turns that re-judge live connections.
    assert.deepEqual(
      statuses,
      statuses.toSorted((x, y) => x - y),
    )
    assert.equal(statuses[0], 200)
    assert.deepEqual(applied(harness), [1, 2])
    peer.stream.destroy()
    await quietly(harness)
  },
)

test(
  'a connection that comes while policy is compiled is judged by it when it is in force',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    const harness = await stepwise(application.port)
    const ports: SnapshotParts = { inboundPorts: [inboundPort(harness.port, 'tcp', 'PERMISSIVE')] }
    harness.apply(ports)
    harness.offer({ ...ports, authorizationPolicies: denyAll })
    harness.clock.turn()
    harness.clock.turn()
    const peer = await dialWire(t, harness.port)
    await peer.send('\x00one').untilText('one')
    harness.clock.advance(0)
    await peer.over()
    assert.deepEqual(applied(harness), [1, 2])
    await harness.record()
    await quietly(harness)
  },
)

test('a newer snapshot overtakes the one that is being compiled; an older one is not looked at', async () => {
  const harness = await stepwise(1)
  harness.offer({ authorizationPolicies: denyAll })
  harness.clock.turn()
  harness.offer()
  harness.clock.turn()
  harness.offer()
  harness.clock.advance(0)
  assert.deepEqual(applied(harness), [3])
  for (const generation of [3, 2])
    harness.thread.hear({ type: 'snapshot', snapshot: packSnapshot(snapshotOf(generation)) })
  harness.clock.advance(0)
  assert.deepEqual(applied(harness), [3])
  assert.equal(harness.metrics().generation, 3)
  await harness.stop()
})

test('changes that come faster than they can be compiled come into force nevertheless', async () => {
  const harness = await stepwise(1)
  let generation = 0
  const gaps: number[] = []
  for (let ms = 0; ms < 10_000; ms += 5) {
    harness.offer({ authorizationPolicies: denyAll })
    harness.clock.turn()
    const now = applied(harness).at(-1) ?? 0
    if (now > generation) gaps.push(ms)
    generation = now
    // Not advance(0): that would finish the work.
    harness.clock.skip(5)
  }
  assert.ok(gaps.length >= 8, `in force at ${gaps.join(', ')} ms`)
  const order = applied(harness)
  assert.deepEqual(
    order,
    order.toSorted((x, y) => x - y),
  )
  assert.equal(new Set(order).size, order.length)
  harness.clock.advance(0)
  assert.equal(applied(harness).at(-1), 2000)
  await harness.stop()
})

test(
  'a snapshot that cannot be read or compiled is told of and leaves the one before in force',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    const harness = await stepwise(application.port)
    harness.apply({ authorizationPolicies: denyAll })
    const packed = packSnapshot(snapshotOf(2, { authorizationPolicies: allowAll }))
    const broken = {
      ...packed,
      pieces: { ...packed.pieces, authorizationPolicies: [Uint8Array.of(1, 2, 3)] },
    }
    harness.thread.hear({ type: 'snapshot', snapshot: broken })
    harness.clock.advance(0)
    const nonsense = snapshotOf(3, { authorizationPolicies: [null] as never })
    harness.thread.hear({ type: 'snapshot', snapshot: packSnapshot(nonsense) })
    harness.clock.advance(0)
    assert.deepEqual(applied(harness), [1])
    assert.deepEqual(
      harness.notices.map((notice) => notice.replace(/:.*/, '')),
      ['generation 2 not applied', 'generation 3 not applied'],
    )
    const peer = await dialWire(t, harness.port)
    await peer.send('\x00').over()
    assert.equal((await harness.record())['generation'], 1)
    harness.thread.hear({ type: 'snapshot', snapshot: packSnapshot(snapshotOf(4)) })
    harness.clock.advance(0)
    assert.deepEqual(applied(harness), [1, 4])
    await quietly(harness)
  },
)

test('closing while a snapshot is compiled leaves nothing behind, draining does not stop it', async () => {
  const harness = await stepwise(1)
  harness.offer()
  harness.clock.turn()
  harness.thread.hear({ type: 'drain', direction: 'inbound' })
  harness.clock.advance(0)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    harness.told.map(({ type }) => type).filter((type) => type !== 'listening'),
    ['applied', 'drained'],
  )
  harness.offer()
  harness.clock.turn()
  await harness.stop()
  harness.offer()
  harness.clock.advance(0)
  assert.deepEqual(applied(harness), [1])
})

function worldParts() {
  const clock = new ManualClock()
  return {
    keyRing: new KeyRing({ clock, refetch: () => undefined }),
    authorizers: new ExtAuthzProviders({ clock, log: silent }),
    routed: { random: () => 0, protection: () => null },
  }
}

test('what did not change is not compiled again', () => {
  const parts = worldParts()
  const base: SnapshotParts = { authorizationPolicies: denyAll, services: [service('one')] }
  const first = runAtOnce(buildWorld(snapshotOf(1, base), null, parts))
  const moved = runAtOnce(buildWorld(snapshotOf(2, { ...base, services: [service('two')] }), first, parts))
  assert.equal(moved.httpPolicy, first.httpPolicy)
  assert.equal(moved.tcpPolicy, first.tcpPolicy)
  assert.equal(moved.tokens, first.tokens)
  assert.notEqual(moved.routes, first.routes)
  const judged = runAtOnce(
    buildWorld(snapshotOf(3, { ...base, authorizationPolicies: allowAll }), first, parts),
  )
  assert.notEqual(judged.httpPolicy, first.httpPolicy)
  assert.equal(judged.routes, first.routes)
  const renamed = runAtOnce(
    buildWorld(snapshotOf(4, { ...base, mesh: { trustDomainAliases: ['old.td'] } }), first, parts),
  )
  assert.notEqual(renamed.httpPolicy, first.httpPolicy)
})

test('a service that comes or goes is news for the CUSTOM policies that ask it', () => {
  const parts = worldParts()
  const base: SnapshotParts = {
    mesh: { extensionProviders: [authorizerProvider('http')] },
    authorizationPolicies: customPolicy(),
  }
  const refusal = ({ httpPolicy }: World): boolean => httpPolicy.custom.rules[0]?.custom?.refusal !== null
  const lost = runAtOnce(buildWorld(snapshotOf(1, base), null, parts))
  parts.authorizers.use(lost.authorizers)
  assert.equal(refusal(lost), true)
  const services = [authorizerService(9)]
  const found = runAtOnce(buildWorld(snapshotOf(2, { ...base, services }), lost, parts))
  parts.authorizers.use(found.authorizers)
  assert.equal(refusal(found), false)
  assert.equal(judgesAlike(found, lost), false)
  const moved = runAtOnce(
    buildWorld(snapshotOf(3, { ...base, services: [authorizerService(10)] }), found, parts),
  )
  assert.equal(moved.httpPolicy, found.httpPolicy)
  assert.equal(judgesAlike(moved, found), true)
})
