/**
 * One request of a shared connection, as the side that asked: reads its fields and body for an exchange and writes the
 * response. It knows no policy and no upstream, and never speaks for another stream.
 */
import type { CodecRefusal, Framing } from '../../http1/message.ts'
import { ErrorCode } from '../../http2/frame.ts'
import type { Http2Session } from '../../http2/session.ts'
import type { Http2Stream, StreamEvents } from '../../http2/stream.ts'
import type { Connection } from '../connection.ts'
import { localReply } from '../http/deny-response.ts'
import { Exchange } from '../http/exchange.ts'
import { refusalText, unreadableHead } from '../http/refusal-text.ts'
import type { ServerOptions } from '../http/server-options.ts'
import type { Downstream } from '../http/sides.ts'
import { areTrailers } from './field-kind.ts'
import { PendingOutput } from './pending-output.ts'
import { readRequest } from './request-fields.ts'
import { responseFields } from './response-fields.ts'

/** The connection, as one of its streams sees it. */
export interface ServerStreamHost {
  readonly session: Http2Session
  readonly options: ServerOptions
  readonly owner: Connection | null
  readonly feeding: boolean
  /** Streams that heard something in the turn under way. */
  readonly touched: ServerStream[]
  /** Why every exchange is cut, once that is so. */
  readonly lostReason: string | null
  wantFlush(): void
  /** False: the client does not keep up with this stream; it hears `onRoomToWrite` or `onWritable`. */
  flush(stream: ServerStream, state: Http2Stream): boolean
  finished(stream: ServerStream, exchange: Exchange): void
}

export class ServerStream implements Downstream, StreamEvents {
  readonly owner: Connection | null
  readonly serverHeader: string
  exchange: Exchange | null = null
  /** Input came that the exchange has not heard the end of the turn for. */
  touched = false
  /** Among those that wait for room on the connection. */
  seat = -1
  readonly #connection: ServerStreamHost
  readonly #stream: Http2Stream
  readonly #out: PendingOutput
  /** Body bytes still to come by Content-Length; -1: it was not given. */
  #left = -1
  #headSeen = false
  #pauses = 0

  constructor(connection: ServerStreamHost, stream: Http2Stream) {
    this.#connection = connection
    this.#stream = stream
    this.owner = connection.owner
    this.serverHeader = connection.options.serverHeader
    this.#out = new PendingOutput(connection.session, stream)
  }

  get feeding(): boolean {
    return this.#connection.feeding
  }

  // Downstream: the exchange speaks.

  interim(status: number, reason: string, headers: string[]): void {
    this.#connection.session.headers(this.#stream, responseFields(status, reason, headers), false)
  }

  respond(status: number, reason: string, headers: string[], _framing: Framing, _reusable: boolean): void {
    this.#out.head(responseFields(status, reason, headers))
    this.#stream.answering = true
  }

  /** Upgrades are not asked for here: `upgrade` cannot be among the fields. */
  startTunnel(): void {
    this.cut()
  }

  text(text: string): void {
    this.#out.body(Buffer.from(text, 'latin1'))
  }

  body(chunk: Buffer): void {
    this.#out.body(chunk)
  }

  end(trailers: readonly string[] | null): void {
    this.#out.end(trailers)
  }

  flush(): boolean {
    this.#out.flush()
    return this.#connection.flush(this, this.#stream)
  }

  pause(why: number): void {
    if (this.#pauses === 0) this.#connection.session.pause(this.#stream)
    this.#pauses |= why
  }

  resume(why: number): void {
    if ((this.#pauses & why) === 0) return
    this.#pauses &= ~why
    if (this.#pauses !== 0) return
    this.#connection.session.resume(this.#stream)
    this.#connection.wantFlush()
  }

  cut(): void {
    this.#out.reset(ErrorCode.InternalError)
    this.#connection.wantFlush()
  }

  exchangeDone(): void {
    const exchange = this.exchange as Exchange
    const stream = this.#stream
    this.exchange = null
    // A local answer has no end of its own; whatever was cut is no longer live.
    if (stream.live && stream.localOpen && stream.ending === false) this.#out.end(null)
    // Whatever the client still sends is for nobody (RFC 9113 §8.1).
    if (stream.live && stream.remoteOpen && !stream.localOpen) this.#out.reset(ErrorCode.NoError)
    this.#connection.finished(this, exchange)
  }

  // StreamEvents: called from inside the session's execute().

  onFields(fields: string[] | null, end: boolean): void {
    if (!this.#headSeen) this.#onHead(fields, end)
    else if (this.exchange !== null) this.#onTrailers(fields, end)
  }

  onData(chunk: Buffer, end: boolean): void {
    const { exchange } = this
    if (exchange === null) return
    this.#touch()
    if (this.#left >= 0) {
      this.#left -= chunk.length
      if (this.#left < 0 || (end && this.#left > 0)) return this.#fault('body_not_as_declared')
    }
    if (chunk.length > 0) exchange.onRequestBody(chunk)
    if (end && !exchange.finished) exchange.onRequestEnd(null)
  }

  onReset(): void {
    this.exchange?.onDownstreamGone(this.#connection.lostReason ?? 'http2.remote_reset')
  }

  onHalfClose(): void {
    if (!this.#stream.remoteOpen) this.exchange?.onDownstreamHalfClose()
  }

  onWritable(): void {
    this.exchange?.onDownstreamDrain()
  }

  /** There is room on the connection again. */
  onRoomToWrite(): void {
    if (!this.#stream.blocked) this.exchange?.onDownstreamDrain()
  }

  /** The input at hand is used up. */
  onTurn(): void {
    this.touched = false
    this.exchange?.onDownstreamTurn()
  }

  #onHead(fields: string[] | null, end: boolean): void {
    const { options } = this.#connection
    this.#headSeen = true
    if (fields === null)
      return this.#refuse({ status: 431, reason: 'head_too_large', limit: 'maxHeadBytes' }, null)
    const head = readRequest(fields, end)
    if ('status' in head) return this.#refuse({ ...head, limit: null }, fields)
    this.#left = head.contentLength
    const exchange = new Exchange(this, head, options.wheel)
    this.exchange = exchange
    this.#touch()
    try {
      options.onRequest(exchange)
    } catch (error) {
      options.onFault(error)
      exchange.reply(localReply(head, 500, 'internal error'), 'internal_error', null)
    }
    if (end && !exchange.finished) exchange.onRequestEnd(null)
  }

  #onTrailers(fields: string[] | null, end: boolean): void {
    this.#touch()
    if (fields === null || !end || this.#left > 0 || !areTrailers(fields)) return this.#fault('bad_trailers')
    this.exchange?.onRequestEnd(fields.length === 0 ? null : fields)
  }

  // The connection goes on, so an answer to HEAD has no text; where the method is not known, none has.
  #refuse(refusal: CodecRefusal, fields: readonly string[] | null): void {
    const { options } = this.#connection
    const asksForHead = fields?.some((text, i) => text === 'HEAD' && fields[i - 1] === ':method') === true
    const head = asksForHead ? { ...unreadableHead, method: 'HEAD' } : unreadableHead
    const exchange = new Exchange(this, head, options.wheel)
    this.exchange = exchange
    const text = fields === null ? '' : refusalText(refusal, options.limits)
    exchange.reply(localReply(head, refusal.status, text), refusal.reason, 'DPE')
  }

  #fault(reason: string): void {
    const { exchange } = this
    if (exchange === null) return
    this.#connection.session.brokenOff(this.#stream)
    const refusal = { status: 400, reason, limit: null }
    const text = refusalText(refusal, this.#connection.options.limits)
    exchange.onDownstreamFault(localReply(exchange.head, 400, text), reason)
  }

  #touch(): void {
    if (this.touched) return
    this.touched = true
    this.#connection.touched.push(this)
  }
}
