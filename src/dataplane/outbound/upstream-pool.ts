/**
 * Keeps HTTP/1.1 connections to upstreams for reuse, by key (endpoint and expected names). It dials through a given
 * function and knows neither endpoints nor TLS; whether a failed request may be sent again is the exchange's decision.
 */
import type { Http1Limits } from '../../http1/message.ts'
import { turnNow } from '../../lifecycle/turn.ts'
import type { ClientConnectionHome } from '../http/client-connection.ts'
import { ClientConnection } from '../http/client-connection.ts'
import type { Dial, DialResult, Upstreams, Waiter } from '../http/sides.ts'
import type { UpstreamFailure } from '../response-flag.ts'
import type { TimerWheel } from '../timer-wheel.ts'

export interface UpstreamPoolOptions {
  readonly limits: Http1Limits
  readonly wheel: TimerWheel
  /** Milliseconds an idle connection is kept, unless the peer is seen to close earlier. */
  readonly idleMs: number
  /** Per key; Istio's default is no limit in practice (dataplane §8.5). */
  readonly maxConnections: number
  readonly maxPending: number
  /** Idle longer than this, a connection is looked at before a request that cannot be replayed goes out on it. */
  readonly probeAfterMs: number
}

const overflow: UpstreamFailure = { kind: 'overflow', reason: 'overflow' }
const destroyed: UpstreamFailure = { kind: 'refused', reason: 'proxy_is_stopping' }

/** How far below the peer's keep-alive we stay: the wheel may be a tick late, and a request needs time to arrive. */
const marginMs = 1000

const rememberedKeys = 1024

interface Pending {
  readonly waiter: Waiter
  readonly dial: Dial
  readonly fresh: boolean
}

class Entry {
  readonly key: string
  /** Last used last. */
  readonly idle: ClientConnection[] = []
  readonly live = new Set<ClientConnection>()
  readonly pending: Pending[] = []
  dialing = 0
  /** Connections of an earlier generation serve their request to its end and are not reused. */
  generation = 0
  /** What the peer said or was seen to do, margin taken off. */
  learntIdleMs = Infinity
  lastCloseAgeMs = -1

  constructor(key: string) {
    this.key = key
  }
}

export class UpstreamPool implements Upstreams, ClientConnectionHome {
  readonly #options: UpstreamPoolOptions
  readonly #entries = new Map<string, Entry>()
  readonly #entryOf = new WeakMap<ClientConnection, Entry>()
  #stopped = false
  // Plain counts, copied when metrics are scraped.
  dials = 0
  dialFailures = 0
  reuses = 0
  overflows = 0

  constructor(options: UpstreamPoolOptions) {
    this.#options = options
  }

  acquire(key: string, dial: Dial, waiter: Waiter, fresh: boolean, replayable: boolean): void {
    if (this.#stopped) {
      waiter.onUnavailable(destroyed)
      return
    }
    let entry = this.#entries.get(key)
    if (entry === undefined) this.#entries.set(key, (entry = new Entry(key)))
    if (!fresh) {
      const connection = this.#takeIdle(entry)
      if (connection !== null) {
        if (!replayable && turnNow() - connection.idleSince > this.#options.probeAfterMs) {
          this.#probe(entry, connection, { waiter, dial, fresh })
          return
        }
        this.reuses += 1
        waiter.onUpstream(connection)
        return
      }
    }
    if (this.#mayDial(entry) || (fresh && this.#makeRoom(entry))) {
      entry.pending.push({ waiter, dial, fresh })
      this.#dial(entry, dial)
    } else if (entry.pending.length - entry.dialing < this.#options.maxPending) {
      entry.pending.push({ waiter, dial, fresh })
    } else {
      this.overflows += 1
      waiter.onUnavailable(overflow)
    }
  }

  /** New connections only from now on: idle ones close, live ones finish their request. */
  drain(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.generation += 1
    entry.learntIdleMs = Infinity
    for (const connection of entry.idle.splice(0)) connection.destroy()
  }

  drainAll(): void {
    for (const key of [...this.#entries.keys()]) this.drain(key)
  }

  /** Cuts everything; later requests are refused. */
  destroyAll(): void {
    this.#stopped = true
    for (const entry of [...this.#entries.values()]) {
      for (const { waiter } of entry.pending.splice(0)) if (waiter.waiting) waiter.onUnavailable(destroyed)
      for (const connection of [...entry.live]) connection.broken('closed', 'proxy_is_stopping')
    }
  }

  /** Connections open, idle ones among them, and requests waiting for one. */
  counts(): { open: number; idle: number; pending: number } {
    let [open, idle, pending] = [0, 0, 0]
    for (const entry of this.#entries.values()) {
      open += entry.live.size
      idle += entry.idle.length
      pending += entry.pending.length
    }
    return { open, idle, pending }
  }

  // ClientConnectionHome

  onIdle(connection: ClientConnection): void {
    const entry = this.#entryOf.get(connection)
    if (entry === undefined || this.#stopped || connection.generation !== entry.generation) {
      connection.destroy()
      return
    }
    // A request that asked for a fresh connection waits for its own dial.
    const next = this.#nextPending(entry, false)
    if (next !== null) {
      this.reuses += 1
      next.waiter.onUpstream(connection)
      return
    }
    const idleMs = Math.min(this.#options.idleMs, entry.learntIdleMs)
    if (idleMs <= 0) {
      connection.destroy()
      return
    }
    connection.expireAfter(idleMs)
    entry.idle.push(connection)
  }

  onClosed(connection: ClientConnection, idleMs: number): void {
    const entry = this.#entryOf.get(connection)
    if (entry === undefined) return
    entry.live.delete(connection)
    const at = entry.idle.lastIndexOf(connection)
    if (at !== -1) entry.idle.splice(at, 1)
    if (idleMs >= marginMs) this.#observeClose(entry, idleMs)
    this.#pump(entry)
  }

  onKeepAlive(connection: ClientConnection, seconds: number): void {
    const entry = this.#entryOf.get(connection)
    if (entry !== undefined) entry.learntIdleMs = Math.min(entry.learntIdleMs, seconds * 1000 - marginMs)
  }

  // Two idle connections closed at about the same age: that is the peer's habit, not a restart.
  #observeClose(entry: Entry, ageMs: number): void {
    const last = entry.lastCloseAgeMs
    entry.lastCloseAgeMs = ageMs
    if (last > 0 && Math.abs(last - ageMs) < marginMs) {
      entry.learntIdleMs = Math.min(entry.learntIdleMs, Math.max(Math.min(last, ageMs) - marginMs, 0))
    }
  }

  #takeIdle(entry: Entry): ClientConnection | null {
    for (;;) {
      const connection = entry.idle.pop()
      if (connection === undefined) return null
      if (connection.usable) return connection
      connection.destroy()
    }
  }

  // A FIN that has arrived but was not read yet becomes visible after a whole turn of the event loop.
  #probe(entry: Entry, connection: ClientConnection, pending: Pending): void {
    const { waiter, dial } = pending
    setImmediate(() =>
      setImmediate(() => {
        if (!connection.usable) {
          if (waiter.waiting) this.acquire(entry.key, dial, waiter, true, false)
        } else if (waiter.waiting) {
          this.reuses += 1
          waiter.onUpstream(connection)
        } else this.onIdle(connection)
      }),
    )
  }

  #mayDial(entry: Entry): boolean {
    return entry.live.size + entry.dialing < this.#options.maxConnections
  }

  #makeRoom(entry: Entry): boolean {
    entry.idle.shift()?.destroy()
    return this.#mayDial(entry)
  }

  #dial(entry: Entry, dial: Dial): void {
    entry.dialing += 1
    this.dials += 1
    const generation = entry.generation
    dial((result) => this.#dialled(entry, generation, result), 'one-by-one')
  }

  #dialled(entry: Entry, generation: number, result: DialResult): void {
    entry.dialing -= 1
    if (!result.ok) {
      this.dialFailures += 1
      const next = this.#nextPending(entry, true)
      if (next !== null) next.waiter.onUnavailable(result.failure)
      this.#pump(entry)
      return
    }
    if (this.#stopped) {
      result.stream.on('error', () => undefined).destroy()
      return
    }
    const { limits, wheel } = this.#options
    const connection = new ClientConnection(result.stream, result.info, limits, wheel, this, generation)
    connection.idleSince = turnNow()
    this.#entryOf.set(connection, entry)
    entry.live.add(connection)
    const next = this.#nextPending(entry, true)
    if (next !== null) {
      next.waiter.onUpstream(connection)
      return
    }
    // Whoever gets it later gets a connection that has waited, and may find it closed.
    connection.requestsServed += 1
    this.onIdle(connection)
  }

  #nextPending(entry: Entry, freshToo: boolean): Pending | null {
    const pending = entry.pending
    for (let i = 0; i < pending.length; i++) {
      const one = pending[i] as Pending
      if (!one.waiter.waiting) pending.splice(i--, 1)
      else if (freshToo || !one.fresh) {
        pending.splice(i, 1)
        return one
      }
    }
    return null
  }

  // Waiters beyond the connections under way get a dial of their own when there is room again.
  #pump(entry: Entry): void {
    while (!this.#stopped && entry.pending.length > entry.dialing && this.#mayDial(entry)) {
      const next = entry.pending[entry.dialing] as Pending
      if (next.waiter.waiting) this.#dial(entry, next.dial)
      else entry.pending.splice(entry.dialing, 1)
    }
    const unused = entry.live.size === 0 && entry.dialing === 0 && entry.pending.length === 0
    // What was learnt about a peer outlives its connections, within bounds.
    if (unused && (entry.lastCloseAgeMs < 0 || this.#entries.size > rememberedKeys)) this.#forget(entry)
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key)
  }
}
