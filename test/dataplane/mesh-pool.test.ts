/** Connections that many requests share: who dials, who waits, who is served by what, and what is left when all is over. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import type { Duplex } from 'node:stream'
import { MeshPool } from '../../src/dataplane/outbound/mesh-pool.ts'
import { UpstreamPool } from '../../src/dataplane/outbound/upstream-pool.ts'
import { TimerWheel } from '../../src/dataplane/timer-wheel.ts'
import type { Dial, DialResult, Upstream, Waiter } from '../../src/dataplane/http/sides.ts'
import type { UpstreamFailure } from '../../src/dataplane/response-flag.ts'
import { defaultLimits, Framing } from '../../src/http1/message.ts'
import { frame } from '../http2/frames.ts'
import { goAway, setting } from '../support/frame-peer.ts'
import { ManualClock } from '../support/manual-clock.ts'

const info = { remoteAddress: '', localAddress: '', peer: null }
const turns = async (count = 20): Promise<void> => {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve))
}

class Asker implements Waiter {
  waiting = true
  upstream: Upstream | null = null
  failure: UpstreamFailure | null = null
  /** Called from inside `onUpstream`. */
  then: (upstream: Upstream) => void = () => undefined

  onUpstream(upstream: Upstream): void {
    assert.equal(this.waiting, true)
    this.waiting = false
    this.upstream = upstream
    upstream.start(silent, 'GET', '/', ['host', 'a'], Framing.None)
    upstream.end(null)
    upstream.flush()
    this.then(upstream)
  }

  onUnavailable(failure: UpstreamFailure): void {
    assert.equal(this.waiting, true)
    this.waiting = false
    this.failure = failure
  }
}

const silent = {
  onResponseHead: () => undefined,
  onResponseBody: () => undefined,
  onUpstreamTurn: () => undefined,
  onResponseEnd: () => undefined,
  onUpstreamFailure: () => undefined,
  onUpstreamDrain: () => undefined,
}

class Stage {
  readonly clock = new ManualClock()
  readonly wheel = new TimerWheel(this.clock)
  readonly pool: MeshPool
  readonly dials: ((result: DialResult) => void)[] = []
  readonly offers: string[] = []
  readonly dial: Dial = (done, offer) => {
    this.dials.push(done)
    this.offers.push(offer)
  }

  constructor() {
    const options = { limits: defaultLimits, wheel: this.wheel, idleMs: 60_000, probeAfterMs: 1e9 }
    const oneByOne = new UpstreamPool({ ...options, maxConnections: 1000, maxPending: 1000 })
    this.pool = new MeshPool(options, oneByOne)
  }

  ask(fresh = false): Asker {
    const asker = new Asker()
    this.pool.acquire('k', this.dial, asker, fresh, true)
    return asker
  }

  /** The oldest dial ends well; gives the server's end, which has said `first`. */
  connect(multiplexed = true, first: Buffer = setting([3, 250])): Duplex {
    const [near, far] = duplexPair()
    far.on('error', () => undefined).resume()
    if (multiplexed) far.write(first)
    const done = this.dials.shift()
    assert.ok(done !== undefined, 'nobody dials')
    done({ ok: true, stream: near, info, multiplexed })
    return far
  }

  close(): void {
    this.pool.destroyAll()
    this.wheel.close()
    assert.deepEqual(this.pool.counts(), { open: 0, idle: 0, pending: 0 })
  }
}

test('many who come at once share one dial and one connection', async () => {
  const stage = new Stage()
  const askers = Array.from({ length: 50 }, () => stage.ask())
  assert.equal(stage.dials.length, 1)
  assert.equal(stage.pool.counts().pending, 50)
  stage.connect()
  assert.ok(askers.every(({ upstream }) => upstream !== null))
  await turns()
  assert.ok(stage.ask().upstream !== null)
  assert.deepEqual([stage.dials.length, stage.pool.counts().open], [0, 1])
  stage.close()
})

test('a dial that fails is everybody’s who waits, and the next one dials again', () => {
  const stage = new Stage()
  const askers = [stage.ask(), stage.ask(), stage.ask()]
  ;(askers[1] as Asker).waiting = false
  stage.dials.shift()?.({ ok: false, failure: { kind: 'connect', reason: 'ECONNREFUSED' } })
  assert.deepEqual(
    askers.map(({ failure }) => failure?.reason),
    ['ECONNREFUSED', undefined, 'ECONNREFUSED'],
  )
  const later = stage.ask()
  stage.connect()
  assert.ok(later.upstream !== null)
  stage.close()
})

test('whoever is too many for a connection waits for room on it or for another, whichever comes first', async () => {
  const stage = new Stage()
  const first = stage.ask()
  stage.connect(true, setting([3, 2]))
  await turns()
  const [second, third, fourth] = [stage.ask(), stage.ask(), stage.ask()]
  assert.ok(second.upstream !== null)
  assert.deepEqual([third.upstream, fourth.upstream, stage.dials.length], [null, null, 1])
  first.upstream?.destroy()
  assert.ok(third.upstream !== null)
  assert.equal(fourth.upstream, null)
  stage.connect()
  assert.ok(fourth.upstream !== null)
  assert.equal(stage.pool.counts().open, 2)
  stage.close()
})

test('nobody is passed over when one who is served lets go at once', async () => {
  const stage = new Stage()
  const held = [stage.ask(), stage.ask()]
  stage.connect(true, setting([3, 2]))
  await turns()
  const askers = Array.from({ length: 6 }, () => stage.ask())
  for (const asker of askers) asker.then = (upstream): void => upstream.destroy()
  held[0]?.upstream?.destroy()
  await turns()
  assert.deepEqual(
    askers.map(({ upstream }) => upstream !== null),
    askers.map(() => true),
  )
  stage.close()
})

test('a connection that says it goes takes no more, and ends with its last request', async () => {
  const stage = new Stage()
  const first = stage.ask()
  const server = stage.connect()
  await turns()
  server.write(goAway(1))
  await turns()
  const second = stage.ask()
  assert.deepEqual([second.upstream, stage.dials.length], [null, 1])
  stage.connect()
  assert.ok(second.upstream !== null)
  first.upstream?.release()
  await turns()
  stage.clock.advance(5000)
  await turns()
  assert.equal(stage.pool.counts().open, 1)
  stage.close()
})

test('after a drain new requests get a new connection, those under way keep theirs', async () => {
  const stage = new Stage()
  const first = stage.ask()
  stage.connect()
  await turns()
  stage.pool.drainAll()
  const second = stage.ask()
  assert.equal(second.upstream, null)
  stage.connect()
  assert.ok(second.upstream !== null)
  assert.equal(stage.pool.counts().open, 2)
  first.upstream?.release()
  stage.clock.advance(5000)
  await turns()
  assert.equal(stage.pool.counts().open, 1)
  stage.close()
})

test('a dial begun before a drain serves those who waited for it and nobody else', async () => {
  const stage = new Stage()
  const waited = stage.ask()
  stage.pool.drain('k')
  stage.connect()
  assert.ok(waited.upstream !== null)
  const later = stage.ask()
  assert.equal(later.upstream, null)
  assert.equal(stage.dials.length, 1)
  stage.close()
  assert.equal(later.failure?.reason, 'proxy_is_stopping')
})

test('a peer of HTTP/1.1 gets a connection for each, is remembered, and what was dialled is used', () => {
  const stage = new Stage()
  const askers = [stage.ask(), stage.ask()]
  stage.connect(false)
  assert.ok(askers[0]?.upstream !== null)
  assert.deepEqual(stage.offers, ['multiplexed', 'one-by-one'])
  stage.connect(false)
  assert.ok(askers[1]?.upstream !== null)
  stage.ask()
  assert.deepEqual(stage.offers, ['multiplexed', 'one-by-one', 'one-by-one'])
  stage.close()
})

test('stopping refuses who waits and who comes, and a dial that ends afterwards is cut', async () => {
  const stage = new Stage()
  const waited = stage.ask()
  stage.pool.destroyAll()
  assert.equal(waited.failure?.reason, 'proxy_is_stopping')
  assert.equal(stage.ask().failure?.reason, 'proxy_is_stopping')
  const server = stage.connect()
  await turns()
  assert.ok(server.destroyed || server.readableEnded || server.readableAborted)
  stage.close()
})

test('keys that are used no more are forgotten, even thousands', async () => {
  const stage = new Stage()
  for (let i = 0; i < 3000; i += 1) {
    const asker = new Asker()
    stage.pool.acquire(`key ${i}`, stage.dial, asker, false, true)
    stage.connect().destroy()
  }
  await turns()
  assert.equal(stage.pool.counts().open, 0)
  stage.close()
})

test('a server that breaks the framing fails its requests once, and its connection is gone after the linger', async () => {
  const stage = new Stage()
  const failures: string[] = []
  stage.ask()
  const server = stage.connect()
  const other = new Asker()
  other.onUpstream = (upstream): void => {
    upstream.start(
      { ...silent, onUpstreamFailure: ({ reason }) => failures.push(reason) },
      ...(['GET', '/', ['host', 'a'], Framing.None] as const),
    )
    upstream.end(null)
    upstream.flush()
  }
  stage.pool.acquire('k', stage.dial, other, false, true)
  await turns()
  server.write(frame(5, 4, 1, Buffer.alloc(4)))
  await turns()
  assert.deepEqual(failures, ['push_not_enabled'])
  assert.equal(stage.ask().upstream, null)
  stage.clock.advance(5000)
  await turns()
  assert.equal(stage.pool.counts().open, 0)
  stage.close()
})
