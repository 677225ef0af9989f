/**
 * Keeps connections to endpoints of the mesh, by key (endpoint and expected names): one that carries many requests where
 * the peer takes them, else HTTP/1.1 connections from the pool beside it. It dials through a given function.
 */
import type { Http1Limits } from '../../http1/message.ts'
import { turnNow } from '../../lifecycle/turn.ts'
import { Http2ClientConnection } from '../http2/client-connection.ts'
import type { Http2ClientHome } from '../http2/client-connection.ts'
import type { Dial, DialResult, Upstreams, Waiter } from '../http/sides.ts'
import type { UpstreamFailure } from '../response-flag.ts'
import type { TimerWheel } from '../timer-wheel.ts'
import type { UpstreamPool } from './upstream-pool.ts'

export interface MeshPoolOptions {
  readonly limits: Http1Limits
  readonly wheel: TimerWheel
  /** Milliseconds a connection without requests is kept. */
  readonly idleMs: number
  /** Silent for longer than this, a connection is looked at before a request that cannot be replayed goes out on it. */
  readonly probeAfterMs: number
}

interface Pending {
  readonly waiter: Waiter
  readonly dial: Dial
  readonly replayable: boolean
}

/** How long a peer that took HTTP/1.1 is not offered more: it may be upgraded. */
const http1ForMs = 60_000
const rememberedKeys = 1024
const stopped: UpstreamFailure = { kind: 'refused', reason: 'proxy_is_stopping' }

class Entry {
  readonly key: string
  /** Takes requests; the newest last. */
  readonly open: Http2ClientConnection[] = []
  /** Under way or ending. */
  readonly live = new Set<Http2ClientConnection>()
  pending: Pending[] = []
  dialing = false
  generation = 0
  /** The turn's time until which the peer is taken for one of HTTP/1.1; 0: not known. */
  http1Until = 0

  constructor(key: string) {
    this.key = key
  }
}

export class MeshPool implements Upstreams, Http2ClientHome {
  /** For peers, and requests, that need a connection of their own. */
  readonly oneByOne: UpstreamPool
  readonly #options: MeshPoolOptions
  readonly #entries = new Map<string, Entry>()
  readonly #entryOf = new WeakMap<Http2ClientConnection, Entry>()
  #stopped = false

  constructor(options: MeshPoolOptions, oneByOne: UpstreamPool) {
    this.#options = options
    this.oneByOne = oneByOne
  }

  acquire(key: string, dial: Dial, waiter: Waiter, fresh: boolean, replayable: boolean): void {
    if (this.#stopped) return waiter.onUnavailable(stopped)
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      if (this.#entries.size >= rememberedKeys)
        for (const known of [...this.#entries.values()]) this.#forgetUnused(known, true)
      this.#entries.set(key, (entry = new Entry(key)))
    }
    if (entry.http1Until > turnNow() && entry.open.length === 0)
      return this.oneByOne.acquire(key, dial, waiter, fresh, replayable)
    const pending = { waiter, dial, replayable }
    if (!fresh && this.#serve(entry, pending)) return
    entry.pending.push(pending)
    if (!entry.dialing) this.#dial(entry, dial)
  }

  /** New connections only from now on: those in use finish their requests. */
  drain(key: string): void {
    this.oneByOne.drain(key)
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.generation += 1
    for (const connection of entry.open.splice(0)) connection.drain()
  }

  drainAll(): void {
    this.oneByOne.drainAll()
    for (const key of [...this.#entries.keys()]) this.drain(key)
  }

  /** Cuts everything; later requests are refused. */
  destroyAll(): void {
    this.#stopped = true
    this.oneByOne.destroyAll()
    for (const entry of [...this.#entries.values()]) {
      refuse(entry.pending.splice(0), stopped)
      for (const connection of [...entry.live]) connection.broken('closed', 'proxy_is_stopping')
    }
  }

  /** Connections open, those without requests among them, and requests waiting for one. */
  counts(): { open: number; idle: number; pending: number } {
    let { open, idle, pending } = this.oneByOne.counts()
    for (const entry of this.#entries.values()) {
      open += entry.live.size
      for (const connection of entry.live) if (connection.session.open === 0) idle += 1
      pending += entry.pending.length
    }
    return { open, idle, pending }
  }

  // Http2ClientHome

  onRoom(connection: Http2ClientConnection): void {
    const entry = this.#entryOf.get(connection)
    if (entry !== undefined) this.#serveWaiting(entry)
  }

  onClosedToNew(connection: Http2ClientConnection): void {
    const entry = this.#entryOf.get(connection)
    const at = entry?.open.indexOf(connection) ?? -1
    if (at >= 0) entry?.open.splice(at, 1)
  }

  onGone(connection: Http2ClientConnection): void {
    this.onClosedToNew(connection)
    const entry = this.#entryOf.get(connection)
    if (entry === undefined) return
    entry.live.delete(connection)
    this.#forgetUnused(entry)
  }

  /** True when the request has a stream, or will have one after a look at a connection that was silent for long. */
  #serve(entry: Entry, pending: Pending): boolean {
    const { open } = entry
    for (let i = open.length - 1; i >= 0; i--) {
      const connection = open[i] as Http2ClientConnection
      if (!connection.usable) continue
      if (!pending.replayable && turnNow() - connection.heardAt > this.#options.probeAfterMs) {
        this.#probe(entry, connection, pending)
        return true
      }
      const upstream = connection.openStream()
      if (upstream === null) continue
      pending.waiter.onUpstream(upstream)
      return true
    }
    return false
  }

  // A FIN that has arrived but was not read yet becomes visible after a whole turn of the event loop.
  #probe(entry: Entry, connection: Http2ClientConnection, { waiter, dial, replayable }: Pending): void {
    setImmediate(() =>
      setImmediate(() => {
        if (!waiter.waiting) return
        const upstream = connection.openStream()
        if (upstream !== null) waiter.onUpstream(upstream)
        else this.acquire(entry.key, dial, waiter, true, replayable)
      }),
    )
  }

  #dial(entry: Entry, dial: Dial): void {
    entry.dialing = true
    const { generation } = entry
    dial((result) => this.#dialled(entry, generation, result), 'multiplexed')
  }

  #dialled(entry: Entry, generation: number, result: DialResult): void {
    entry.dialing = false
    if (this.#stopped) {
      if (result.ok) result.stream.on('error', () => undefined).destroy()
      return
    }
    // Whoever waited for this dial shares what came of it: an endpoint that is away costs each one timeout.
    if (!result.ok) {
      refuse(entry.pending.splice(0), result.failure)
      return this.#forgetUnused(entry)
    }
    if (!result.multiplexed) return this.#goOneByOne(entry, result)
    entry.http1Until = 0
    const connection = new Http2ClientConnection(result.stream, result.info, this.#options, this)
    this.#entryOf.set(connection, entry)
    entry.live.add(connection)
    if (generation === entry.generation) entry.open.push(connection)
    this.#serveFirst(entry, connection)
    // An earlier generation's serves who waited for it, and nobody else.
    if (generation !== entry.generation) connection.drain()
  }

  /** The dial's own waiters, wherever the connection belongs. */
  #serveFirst(entry: Entry, connection: Http2ClientConnection): void {
    const waiting = entry.pending
    entry.pending = []
    for (const pending of waiting) {
      if (!pending.waiter.waiting) continue
      const upstream = connection.openStream()
      if (upstream === null) entry.pending.push(pending)
      else pending.waiter.onUpstream(upstream)
    }
    this.#dialForRest(entry)
  }

  #serveWaiting(entry: Entry): void {
    while (entry.pending.length > 0) {
      const first = entry.pending.shift() as Pending
      if (!first.waiter.waiting || this.#serve(entry, first)) continue
      entry.pending.unshift(first)
      break
    }
  }

  #dialForRest(entry: Entry): void {
    const [first] = entry.pending
    if (first !== undefined && !entry.dialing) this.#dial(entry, first.dial)
  }

  #goOneByOne(entry: Entry, result: Extract<DialResult, { ok: true }>): void {
    entry.http1Until = turnNow() + http1ForMs
    const waiting = entry.pending.splice(0).filter(({ waiter }) => waiter.waiting)
    const [first, ...others] = waiting
    if (first === undefined) result.stream.on('error', () => undefined).destroy()
    else this.oneByOne.acquire(entry.key, (done) => done(result), first.waiter, true, first.replayable)
    for (const { waiter, dial, replayable } of others)
      this.oneByOne.acquire(entry.key, dial, waiter, false, replayable)
  }

  // What a peer speaks is remembered beyond its connections, within bounds.
  #forgetUnused(entry: Entry, whatever = false): void {
    if (entry.live.size > 0 || entry.dialing || entry.pending.length > 0) return
    if (whatever || entry.http1Until <= turnNow()) this.#entries.delete(entry.key)
  }
}

function refuse(waiting: readonly Pending[], failure: UpstreamFailure): void {
  for (const { waiter } of waiting) if (waiter.waiting) waiter.onUnavailable(failure)
}
