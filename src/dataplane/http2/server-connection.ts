/**
 * One connection from a peer that sends its requests side by side: makes an exchange of each stream and ends the
 * connection in order. It knows no policy and no upstream, and no request but by its stream.
 */
import type { Duplex } from 'node:stream'
import { Http2Session } from '../../http2/session.ts'
import type { SessionOwner } from '../../http2/session-owner.ts'
import type { Http2Stream } from '../../http2/stream.ts'
import { Roster } from '../../lifecycle/roster.ts'
import type { Connection } from '../connection.ts'
import type { Exchange } from '../http/exchange.ts'
import type { CloseReason, ServerOptions } from '../http/server-options.ts'
import type { Expiring } from '../timer-wheel.ts'
import { WheelTimer } from '../timer-wheel.ts'
import { ServerStream } from './server-stream.ts'
import type { ServerStreamHost } from './server-stream.ts'
import { sessionLimits } from './session-limits.ts'
import { Http2Transport } from './transport.ts'
import type { TransportOwner } from './transport.ts'

/** `:method`, `:scheme`, `:authority` and `:path`. */
const pseudoFields = 4

export class Http2ServerConnection implements ServerStreamHost, SessionOwner, TransportOwner, Expiring {
  readonly owner: Connection | null
  readonly options: ServerOptions
  readonly session: Http2Session
  /** No stream becomes an opaque tunnel here. */
  readonly tunnelling = false
  readonly touched: ServerStream[] = []
  lostReason: string | null = null
  readonly #transport: Http2Transport
  readonly #timer: WheelTimer
  readonly #full = new Roster<ServerStream>()
  #awaiting = false
  #ending: 'no' | 'announced' | 'refusing' | 'over' = 'no'
  #reason: CloseReason = 'client'

  constructor(stream: Duplex, options: ServerOptions, owner: Connection | null) {
    this.owner = owner
    this.options = options
    const limits = sessionLimits(options.limits, pseudoFields)
    this.session = new Http2Session('server', limits, this)
    this.#transport = new Http2Transport(stream, this.session, this)
    this.#timer = new WheelTimer(options.wheel, this)
    this.#transport.open()
    this.#setTimer()
  }

  get feeding(): boolean {
    return this.#transport.feeding
  }

  /** Ends when the streams under way, and those already sent to us, are served. */
  drain(): void {
    if (this.#ending !== 'no') return
    this.#ending = 'announced'
    this.session.announceEnd()
    // Its answer proves that the peer has heard: nothing it sends afterwards was sent in ignorance.
    this.session.ping()
    this.#transport.flush()
    this.#setTimer()
  }

  /** Cuts whatever is under way. */
  destroy(reason: CloseReason = 'destroyed'): void {
    if (this.#transport.over) return
    this.#reason = reason
    this.lostReason = 'connection_cut_by_proxy'
    this.#transport.cut('')
  }

  wantFlush(): void {
    this.#transport.wantFlush()
  }

  flush(stream: ServerStream, { blocked }: Http2Stream): boolean {
    this.#transport.wantFlush()
    if (blocked) return false
    if (!this.#transport.full) return true
    this.#full.join(stream)
    return false
  }

  finished(stream: ServerStream, exchange: Exchange): void {
    this.#full.leave(stream)
    this.#transport.wantFlush()
    this.options.onFinish(exchange)
    if (!this.#transport.feeding) this.#afterTurn()
  }

  // SessionOwner

  onStream(stream: Http2Stream): void {
    stream.events = new ServerStream(this, stream)
  }

  onGoAway(): void {
    if (this.#ending === 'no') this.#ending = 'announced'
  }

  onPong(): void {
    if (this.#ending !== 'announced') return
    this.#ending = 'refusing'
    this.session.goAway()
  }

  onRoom(): void {
    // Servers open no streams.
  }

  // TransportOwner

  onTurn(): void {
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
    this.#ending = 'over'
    this.lostReason ??= lostBy(this.session.fault?.reason ?? '')
    this.session.lost()
    this.#timer.set(Math.max(this.options.deadlines.lingerMs, 1))
  }

  onLost(code: string): void {
    this.#ending = 'over'
    this.lostReason ??= lostBy(code)
    this.session.lost()
    this.#timer.dispose()
    if (this.session.fault !== null || (code !== '' && this.#reason === 'client')) this.#reason = 'error'
    this.options.onClose(this.owner, this.#reason)
  }

  onExpire(): void {
    if (this.#ending === 'over') this.#transport.stream.destroy()
    else if (this.#awaiting || this.#ending === 'announced') this.destroy('idle')
    else if (this.#ending === 'refusing') this.#end()
    else this.drain()
  }

  #afterTurn(): void {
    if (this.#transport.over || this.#ending === 'over') return
    if (this.session.open === 0 && this.#ending === 'refusing') this.#end()
    else this.#setTimer()
  }

  // Heads and frames have a deadline from their first byte; a connection without requests may idle for long.
  #setTimer(): void {
    const { deadlines } = this.options
    const { awaitsRest, open } = this.session
    if (awaitsRest) {
      if (!this.#awaiting) this.#timer.set(deadlines.headMs)
    } else if (open > 0) this.#timer.clear()
    else this.#timer.set(this.#ending === 'announced' ? deadlines.headMs : deadlines.idleMs)
    this.#awaiting = awaitsRest
  }

  #end(): void {
    this.#ending = 'over'
    this.#reason = 'drain'
    this.#transport.end()
    this.#timer.set(Math.max(this.options.deadlines.lingerMs, 1))
  }
}

function lostBy(code: string): string {
  return code === '' ? 'downstream_remote_disconnect' : `downstream_connection_lost{${code}}`
}
