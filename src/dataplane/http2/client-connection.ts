/**
 * One connection to a peer that takes requests side by side: gives each a stream, notices a peer that has fallen silent,
 * and ends when it is told that no more are taken. It neither dials nor decides on retries.
 */
import type { Duplex } from 'node:stream'
import { Http2Session } from '../../http2/session.ts'
import type { SessionOwner } from '../../http2/session-owner.ts'
import type { Http2Stream } from '../../http2/stream.ts'
import type { Http1Limits } from '../../http1/message.ts'
import { Roster } from '../../lifecycle/roster.ts'
import { turnNow } from '../../lifecycle/turn.ts'
import type { Upstream, UpstreamInfo } from '../http/sides.ts'
import type { UpstreamFailure } from '../response-flag.ts'
import type { Expiring, TimerWheel } from '../timer-wheel.ts'
import { WheelTimer } from '../timer-wheel.ts'
import { ClientStream } from './client-stream.ts'
import type { ClientStreamHost } from './client-stream.ts'
import { sessionLimits } from './session-limits.ts'
import { Http2Transport } from './transport.ts'
import type { TransportOwner } from './transport.ts'

/** Where a connection lives. */
export interface Http2ClientHome {
  /** A stream can be opened that could not be before. */
  onRoom(connection: Http2ClientConnection): void
  /** It takes no further requests; those under way go on. */
  onClosedToNew(connection: Http2ClientConnection): void
  onGone(connection: Http2ClientConnection): void
}

/** `:status` and `:reason`. */
const pseudoFields = 2
/** With requests under way and nothing heard for so long, the peer is asked whether it is there; as long again, and it is not. */
const silenceMs = 10_000
const lingerMs = 2_000

export class Http2ClientConnection implements ClientStreamHost, SessionOwner, TransportOwner, Expiring {
  readonly info: UpstreamInfo
  readonly session: Http2Session
  readonly touched: ClientStream[] = []
  requestsServed = 0
  /** The turn's time of the last bytes from the peer, or of its making. */
  heardAt = turnNow()
  loss: UpstreamFailure | null = null
  readonly #transport: Http2Transport
  readonly #home: Http2ClientHome
  readonly #timer: WheelTimer
  readonly #idleMs: number
  readonly #full = new Roster<ClientStream>()
  #asked = false
  #ending = false

  constructor(
    stream: Duplex,
    info: UpstreamInfo,
    options: { readonly limits: Http1Limits; readonly wheel: TimerWheel; readonly idleMs: number },
    home: Http2ClientHome,
  ) {
    this.info = info
    this.#home = home
    this.#idleMs = options.idleMs
    const limits = sessionLimits(options.limits, pseudoFields)
    this.session = new Http2Session('client', limits, this)
    this.#transport = new Http2Transport(stream, this.session, this)
    this.#timer = new WheelTimer(options.wheel, this)
    this.#transport.open()
    this.#setTimer()
  }

  get feeding(): boolean {
    return this.#transport.feeding
  }

  /** A request may be opened here, as far as is known. */
  get usable(): boolean {
    const { stream } = this.#transport
    return !this.#transport.over && !this.session.closedToNew && stream.writable && !stream.readableEnded
  }

  /** null when the peer takes no more just now. */
  openStream(): Upstream | null {
    if (!this.usable) return null
    const stream = this.session.openStream()
    if (stream === null) return null
    const upstream = new ClientStream(this, stream)
    this.requestsServed += 1
    if (this.session.open === 1) this.#setTimer()
    return upstream
  }

  wantFlush(): void {
    this.#transport.wantFlush()
  }

  flush(stream: ClientStream, { blocked }: Http2Stream): boolean {
    this.#transport.wantFlush()
    if (blocked) return false
    if (!this.#transport.full) return true
    this.#full.join(stream)
    return false
  }

  released(stream: ClientStream): void {
    this.#full.leave(stream)
    this.#transport.wantFlush()
    if (!this.#transport.feeding) this.#afterTurn()
  }

  /** Takes no further requests and ends with the last of those under way. */
  drain(): void {
    this.session.closedToNew = true
    this.#afterTurn()
  }

  /** Cuts whatever is under way. */
  broken(kind: UpstreamFailure['kind'], reason: string): void {
    this.loss ??= { kind, reason }
    this.#transport.cut('')
  }

  // SessionOwner

  onStream(): void {
    // Servers open none: the session refuses them.
  }

  onGoAway(): void {
    this.#home.onClosedToNew(this)
  }

  onPong(): void {
    this.#asked = false
  }

  onRoom(): void {
    this.#home.onRoom(this)
  }

  // TransportOwner

  onTurn(): void {
    this.heardAt = turnNow()
    this.#asked = false
    const { touched } = this
    for (const stream of touched) stream.onTurn()
    touched.length = 0
    this.#afterTurn()
  }

  onRoomToWrite(): void {
    for (const stream of this.#full.list()) {
      this.#full.leave(stream)
      stream.onRoomToWrite()
    }
  }

  onFault(): void {
    this.loss ??= lossOf(this.session.fault?.reason ?? null, '')
    this.#ending = true
    this.session.lost()
    this.#timer.set(lingerMs)
    this.#home.onClosedToNew(this)
  }

  onLost(code: string): void {
    this.loss ??= lossOf(this.session.fault?.reason ?? null, code)
    this.#timer.dispose()
    this.session.lost()
    this.#home.onGone(this)
  }

  onExpire(): void {
    if (this.#ending) this.#transport.stream.destroy()
    else if (this.session.open === 0) this.drain()
    else if (this.#asked) this.broken('reset', 'peer_is_silent')
    else {
      this.#asked = true
      this.session.ping()
      this.#transport.flush()
      this.#timer.set(silenceMs)
    }
  }

  #afterTurn(): void {
    if (this.#transport.over || this.#ending) return
    if (this.session.open === 0 && this.session.closedToNew) this.#end()
    else this.#setTimer()
  }

  #setTimer(): void {
    this.#timer.set(this.session.open > 0 ? silenceMs : this.#idleMs)
  }

  #end(): void {
    this.#ending = true
    this.session.goAway()
    this.#transport.end()
    this.#timer.set(lingerMs)
    this.#home.onClosedToNew(this)
  }
}

function lossOf(fault: string | null, code: string): UpstreamFailure {
  if (fault !== null) return { kind: 'protocol', reason: fault }
  return code === '' ? { kind: 'closed', reason: 'closed_before_response' } : { kind: 'reset', reason: code }
}
