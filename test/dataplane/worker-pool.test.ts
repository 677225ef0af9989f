import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MeshError } from '../../src/error.ts'
import { WorkerPool } from '../../src/dataplane/worker-pool.ts'
import type { WorkerPoolEvents } from '../../src/dataplane/worker-pool.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'
import type { ThreadMetrics } from '../../src/dataplane/worker-protocol.ts'
import type { Snapshot } from '../../src/discovery/snapshot.ts'
import { Listener } from '../../src/dataplane/listener.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { harnessSettings, inboundPort, snapshotOf } from '../support/data-plane-harness.ts'
import { dialWire } from '../support/wire-client.ts'
import { httpAuthority } from '../ext-authz/authorizers.ts'
import { echoApplication, httpApplication } from '../support/applications.ts'
import { asking } from '../support/custom-mesh.ts'

const timeout = 20_000

const snapshot = (generation: number, mode: Snapshot['defaultMtls'] = 'PERMISSIVE'): Snapshot =>
  snapshotOf(generation, { defaultMtls: mode })

class Events implements WorkerPoolEvents {
  readonly ports: { direction: string; port: number }[] = []
  readonly notices: string[] = []
  log = ''
  decisions = ''
  generation = 0
  #changed: (() => void)[] = []

  onListening(direction: 'inbound' | 'outbound', { port }: { port: number }): void {
    this.ports.push({ direction, port })
    this.#wake()
  }
  onApplied(generation: number): void {
    this.generation = generation
    this.#wake()
  }
  onRefetchKeys(): void {
    this.#wake()
  }
  onAccessLog(lines: Uint8Array): void {
    this.log += Buffer.from(lines).toString()
    this.#wake()
  }
  onDecisions(lines: Uint8Array, _count: number, taken: () => void): void {
    this.decisions += Buffer.from(lines).toString()
    taken()
    this.#wake()
  }
  onNotice(_level: string, message: string): void {
    this.notices.push(message)
    this.#wake()
  }
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (condition()) resolve()
        else this.#changed.push(look)
      }
      look()
    })
  }
  #wake(): void {
    for (const look of this.#changed.splice(0)) look()
  }
}

test(
  'threads start, apply what comes, answer, drain one direction and flush their log when they close',
  { timeout },
  async (t) => {
    const echo = await echoApplication(t)
    const clock = new ManualClock()
    const events = new Events()
    const settings = harnessSettings({
      applications: [echo.port],
      outbound: true,
      settings: { reusePort: true },
    })
    const pool = await WorkerPool.start(2, settings, clock, events)
    t.after(() => pool.close())
    assert.deepEqual(events.ports.map(({ direction }) => direction).sort(), [
      'inbound',
      'inbound',
      'outbound',
      'outbound',
    ])
    assert.equal(pool.generation, 0)
    pool.setSnapshot(snapshot(1))
    await events.until(() => events.generation === 1)
    const answers = (await pool.ask('metrics')) as ThreadMetrics[]
    assert.deepEqual(
      answers.map(({ generation }) => generation),
      [1, 1],
    )
    const inbound = events.ports.find(({ direction }) => direction === 'inbound')?.port ?? 0
    const outbound = events.ports.find(({ direction }) => direction === 'outbound')?.port ?? 0
    const tunnel = await dialWire(t, outbound)
    tunnel.send(`CONNECT 127.0.0.1:${echo.port} HTTP/1.1\r\nhost: x\r\n\r\n`)
    await tunnel.untilText('\r\n\r\n')
    const peer = await dialWire(t, inbound)
    await peer.send('\x00one').untilText('one')
    peer.end()
    await peer.over()
    await pool.drain('inbound')
    await tunnel.send('still here').untilText('still here')
    await pool.close()
    await tunnel.over()
    const lines = events.log
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(lines.map(({ direction }) => direction).sort(), ['inbound', 'outbound'])
    assert.equal(clock.pending, 0)
  },
)

test(
  'a thread that dies is replaced after a second and gets what is in force; who waited for it waits no longer',
  { timeout },
  async (t) => {
    const clock = new ManualClock()
    const events = new Events()
    const pool = await WorkerPool.start(1, harnessSettings({ outbound: true }), clock, events)
    t.after(() => pool.close())
    pool.setSnapshot(snapshot(7))
    await events.until(() => events.generation === 7)
    // No thread survives this: it is not what its protocol says.
    pool.setSecrets(null as never)
    const drained = pool.drain('inbound')
    await events.until(() => events.notices.some((notice) => notice.includes('takes its place')))
    await drained
    assert.equal(pool.replaced, 1)
    assert.equal(pool.generation, 0)
    events.generation = 0
    clock.advance(1000)
    await events.until(() => events.generation === 7)
    assert.equal(events.ports.length, 2)
    await pool.close()
    assert.equal(clock.pending, 0)
  },
)

test('a port in use refuses the start with the thread’s own words', { timeout }, async (t) => {
  const taken = await Listener.bind(
    { address: { address: '127.0.0.1', port: 0 }, reusePort: false, maxConnections: 1 },
    () => undefined,
  )
  t.after(() => taken.close())
  const settings = harnessSettings({ settings: { outbound: [taken.address] } })
  await assert.rejects(WorkerPool.start(1, settings, new ManualClock(), new Events()), (error: unknown) => {
    assert.ok(error instanceof MeshError)
    assert.equal(error.code, 'ERR_LISTENER_BIND')
    assert.match(error.message, /^cannot listen on .*: the port is in use$/)
    return true
  })
})

test(
  'a data thread asks the authorizer of a CUSTOM policy, and tells what it was told',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const authority = await httpAuthority(
      t,
      ({ url }, response) => void response.writeHead(url === '/' ? 200 : 401).end(),
    )
    const events = new Events()
    const pool = await WorkerPool.start(
      1,
      harnessSettings({ applications: [application.port] }),
      systemClock,
      events,
    )
    t.after(() => pool.close())
    const port = events.ports[0]?.port ?? 0
    const parts = asking({
      kind: 'http',
      port: authority.port,
      settings: { headersToUpstreamOnAllow: ['x-*'] },
    })
    pool.setSnapshot(snapshotOf(1, { inboundPorts: [inboundPort(port, 'http', 'PERMISSIVE')], ...parts }))
    await events.until(() => events.generation === 1)
    const peer = await dialWire(t, port)
    peer.send('GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /no HTTP/1.1\r\nhost: x\r\n\r\n')
    assert.deepEqual([(await peer.response()).status, (await peer.response()).status], [200, 401])
    const [answer] = (await pool.ask('metrics')) as ThreadMetrics[]
    const { checks, allowed, denied, errors } = answer?.authorizers['it'] ?? assert.fail()
    assert.deepEqual([checks, allowed, denied, errors], [2, 1, 1, 0])
    await pool.close()
  },
)
