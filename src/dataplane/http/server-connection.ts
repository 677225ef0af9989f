/**
 * One HTTP/1.1 connection from a client: drives the request parser over a given stream, one exchange at a time, and
 * writes responses in the client's framing. It knows no policy and no upstream: each request becomes an `Exchange`.
 */
import type { Duplex } from 'node:stream'
import type { CodecRefusal, RequestHandler, RequestHead } from '../../http1/message.ts'
import type { Framing } from '../../http1/message.ts'
import { RequestParser } from '../../http1/request-parser.ts'
import type { Connection } from '../connection.ts'
import type { Expiring } from '../timer-wheel.ts'
import { WheelTimer } from '../timer-wheel.ts'
import { localReply } from './deny-response.ts'
import { Exchange } from './exchange.ts'
import { ResponseWriter } from './response-writer.ts'
import type { CloseReason, ServerOptions } from './server-options.ts'
import { refusalText, unreadableHead } from './refusal-text.ts'
import type { StreamOwner } from './stream-events.ts'
import { disown, own } from './stream-events.ts'
import type { Downstream } from './sides.ts'
import { Pause } from './sides.ts'

/** What a bare socket has and a TLS session has not. */
type Resettable = Duplex & { encrypted?: boolean; resetAndDestroy?: () => void }

export class ServerConnection implements Downstream, RequestHandler, StreamOwner, Expiring {
  readonly stream: Duplex
  readonly owner: Connection | null
  readonly serverHeader: string
  requestsServed = 0
  feeding = false
  readonly #options: ServerOptions
  readonly #parser: RequestParser
  readonly #out: ResponseWriter
  readonly #timer: WheelTimer
  #exchange: Exchange | null = null
  #head: RequestHead | null = null
  #requestDone = true
  #trailers: string[] | null = null
  /** Bytes behind the request that is being served. */
  #held: Buffer | null = null
  #pauses = 0
  #tunnel = false
  #draining = false
  /** Closes when the exchange is over. */
  #last = false
  /** We have ended our side, or the stream is gone. */
  #closing = false
  #closed = false
  #reason: CloseReason = 'client'
  #closeAs: CloseReason = 'done'
  /** `requestsServed` when the deadline for the head under way was set. */
  #headSince = 0
  /** Gets the stream when the head at hand is parsed. */
  #takenBy: ((stream: Duplex) => void) | null = null

  constructor(stream: Duplex, options: ServerOptions, owner: Connection | null) {
    this.stream = stream
    this.owner = owner
    this.serverHeader = options.serverHeader
    this.#options = options
    this.#parser = new RequestParser(options.limits, this)
    this.#out = new ResponseWriter(stream)
    this.#timer = new WheelTimer(options.wheel, this)
    this.#timer.set(options.deadlines.headMs)
    own(stream, this)
  }

  /** Ends after the exchange under way, or now when there is none. */
  drain(): void {
    if (this.#draining) return
    this.#draining = true
    if (this.#exchange === null && this.#requestDone && !this.#parser.busy) this.#close('drain')
  }

  /** Cuts whatever is under way. */
  destroy(reason: CloseReason = 'destroyed'): void {
    if (this.#closed) return
    this.#closing = true
    this.#reason = reason
    this.#exchange?.onDownstreamGone('connection_cut_by_proxy')
    this.stream.destroy()
    this.lost('')
  }

  /**
   * For CONNECT, from inside `onRequest`: this connection is HTTP no longer. `then` gets the stream, paused, with every
   * byte behind the head still to come; the exchange is never reported.
   */
  takeOver(then: (stream: Duplex) => void): void {
    this.#takenBy = then
  }

  /** True once an upgrade was answered: bytes go both ways unread. */
  get tunnelling(): boolean {
    return this.#tunnel
  }

  /** True between requests: nothing is lost by closing. */
  get idle(): boolean {
    return this.#exchange === null && this.#requestDone && !this.#parser.busy
  }

  // Downstream: the exchange speaks.

  interim(status: number, reason: string, headers: string[]): void {
    if (this.#head?.version !== 10) this.#out.bare(status, reason, headers)
  }

  respond(status: number, reason: string, headers: string[], framing: Framing, reusable: boolean): void {
    const last = this.#last || this.#draining || !reusable || this.#head?.keepAlive !== true
    this.#last = this.#out.head(this.#head?.version ?? 11, last, status, reason, headers, framing)
  }

  startTunnel(status: number, reason: string, headers: string[]): void {
    this.#out.bare(status, reason, headers)
    this.#out.flush()
    this.#tunnel = true
    this.#last = true
    const held = this.#held
    this.#held = null
    if (held !== null) this.#exchange?.onRequestBody(held)
    this.resume(Pause.Pipelined)
    if (!this.feeding) this.#exchange?.onDownstreamTurn()
  }

  text(text: string): void {
    this.#out.text(text)
  }

  body(chunk: Buffer): void {
    this.#out.body(chunk)
  }

  end(trailers: readonly string[] | null): void {
    this.#out.end(trailers)
    if (this.#tunnel) {
      this.#out.flush()
      this.stream.end()
    }
  }

  flush(): boolean {
    this.#touch()
    return this.#out.flush()
  }

  pause(why: number): void {
    if (this.#pauses === 0) this.stream.pause()
    this.#pauses |= why
  }

  resume(why: number): void {
    if ((this.#pauses & why) === 0) return
    this.#pauses &= ~why
    if (this.#pauses === 0) this.stream.resume()
  }

  cut(): void {
    if (this.#closed) return
    this.#closing = true
    this.#reason = 'error'
    const stream = this.stream as Resettable
    // A FIN could pass for the end of a close-delimited body. Over TLS the missing close_notify tells the same.
    if (stream.encrypted !== true && stream.resetAndDestroy !== undefined) stream.resetAndDestroy()
    else stream.destroy()
  }

  exchangeDone(reusable: boolean): void {
    const exchange = this.#exchange as Exchange
    this.#exchange = null
    this.requestsServed += 1
    if (!this.feeding) this.#out.flush()
    this.#options.onFinish(exchange)
    if (this.#closed) return
    if (!reusable || this.#last || this.#draining) {
      this.#close(this.#draining ? 'drain' : this.#closeAs)
      return
    }
    this.#timer.set(this.#requestDone ? this.#options.deadlines.idleMs : this.#options.deadlines.headMs)
    this.resume(Pause.Undecided | Pause.UpstreamFull)
    if (!this.feeding) this.#next()
  }

  // RequestHandler: called from inside execute().

  onHead(head: RequestHead): void {
    this.#head = head
    this.#requestDone = false
    this.#trailers = null
    this.#last = false
    const { deadlines, wheel } = this.#options
    this.#timer.set(deadlines.streamIdleMs)
    const exchange = new Exchange(this, head, wheel)
    this.#exchange = exchange
    try {
      this.#options.onRequest(exchange)
    } catch (error) {
      this.#options.onFault(error)
      exchange.reply(localReply(head, 500, 'internal error'), 'internal_error', null)
    }
  }

  onBody(chunk: Buffer): void {
    this.#exchange?.onRequestBody(chunk)
  }

  onTrailers(trailers: string[]): void {
    this.#trailers = trailers
  }

  onEnd(): void {
    this.#requestDone = true
    if (this.#exchange !== null) this.#exchange.onRequestEnd(this.#trailers)
    else this.#timer.set(this.#options.deadlines.idleMs)
  }

  // The stream's events, through the shared listeners below.

  feed(chunk: Buffer): void {
    if (this.#closing) return
    this.#touch()
    if (this.#tunnel) {
      this.#exchange?.onRequestBody(chunk)
      this.#exchange?.onDownstreamTurn()
      return
    }
    if (this.#mustHold()) {
      this.#hold(chunk)
      return
    }
    this.#parse(chunk)
  }

  peerEnded(): void {
    if (this.#closing) {
      this.stream.destroy()
      return
    }
    const exchange = this.#exchange
    if (exchange === null && this.#requestDone) {
      // Nothing, or half a head: nobody waits for an answer.
      this.#close('client')
      this.stream.destroy()
    } else if (!this.#requestDone) this.#abandoned()
    else if (exchange !== null) {
      if (this.stream.writableEnded) {
        // Without allowHalfOpen the stream has ended our side as well: no answer can be sent.
        this.#abandoned()
      } else if (this.#tunnel) exchange.onRequestEnd(null)
      else {
        this.#last = true
        exchange.onDownstreamHalfClose()
      }
    }
  }

  #abandoned(): void {
    this.#closing = true
    this.#exchange?.onDownstreamGone('downstream_remote_disconnect')
    this.stream.destroy()
  }

  lost(error: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#closing = true
    if (error !== '' && !this.#last) this.#reason = 'error'
    const exchange = this.#exchange
    if (exchange !== null && error !== '') exchange.connectionTerminationDetails = error
    exchange?.onDownstreamGone('downstream_remote_disconnect')
    this.#timer.dispose()
    this.#held = null
    this.#options.onClose(this.owner, this.#reason)
  }

  drained(): void {
    if (this.#exchange !== null) this.#exchange.onDownstreamDrain()
    if (this.#held !== null && !this.#mustHold()) this.#next()
    else if (this.#exchange === null) this.resume(Pause.Pipelined)
  }

  onExpire(): void {
    if (this.#closing) this.stream.destroy()
    else if (this.#exchange !== null) this.#exchange.onStreamIdle()
    else if (!this.#requestDone) this.destroy('idle')
    else if (this.#parser.busy) this.#refuse({ status: 408, reason: 'request_head_timeout', limit: null })
    else this.#close('idle')
  }

  // A pipelined request waits for its turn, and for a client that does not read its answers.
  #mustHold(): boolean {
    return this.#requestDone && (this.#exchange !== null || this.stream.writableNeedDrain)
  }

  #hold(chunk: Buffer): void {
    this.#held = this.#held === null ? chunk : Buffer.concat([this.#held, chunk])
    this.pause(Pause.Pipelined)
  }

  #next(): void {
    const held = this.#held
    if (held !== null) {
      if (this.#mustHold()) return
      this.#held = null
      this.#parse(held)
    }
    if (this.#held === null && !this.#closing) this.resume(Pause.Pipelined)
  }

  #parse(chunk: Buffer): void {
    const parser = this.#parser
    let rest = chunk
    this.feeding = true
    for (;;) {
      const used = parser.execute(rest)
      if (parser.refusal !== null) break
      if (used === rest.length) {
        rest = none
        break
      }
      rest = rest.subarray(used)
      if (this.#out.size > mostUnwritten) this.#out.flush()
      if (this.#closing || this.#tunnel || this.#mustHold() || used === 0) break
    }
    this.feeding = false
    if (this.#takenBy !== null) return this.#handOver(this.#takenBy, rest)
    const exchange = this.#exchange
    if (parser.refusal !== null && !this.#closing) this.#refuse(parser.refusal)
    else if (this.#closing) this.#endSide()
    else {
      if (rest.length > 0) this.#hold(rest)
      if (exchange !== null) exchange.onDownstreamTurn()
      else if (this.#requestDone && parser.busy) this.#awaitHead()
      // A 1-write answer to what was refused locally leaves here.
      this.#out.flush()
    }
  }

  // The deadline runs from the head's first byte: later bytes do not push it out.
  #awaitHead(): void {
    if (this.#headSince === this.requestsServed) return
    this.#headSince = this.requestsServed
    this.#timer.set(this.#options.deadlines.headMs)
  }

  #refuse(refusal: CodecRefusal): void {
    const exchange = this.#exchange
    const text = refusalText(refusal, this.#options.limits)
    this.#last = true
    this.#closeAs = 'refused'
    if (exchange !== null) {
      exchange.onDownstreamFault(localReply(exchange.head, refusal.status, text), refusal.reason)
      if (!this.#closing) this.#close('refused')
      return
    }
    this.#head = unreadableHead
    const unread = new Exchange(this, unreadableHead, this.#options.wheel)
    this.#exchange = unread
    unread.reply(localReply(unreadableHead, refusal.status, text), refusal.reason, 'DPE')
  }

  #handOver(then: (stream: Duplex) => void, rest: Buffer): void {
    this.#closing = true
    this.#closed = true
    this.#exchange = null
    this.#timer.dispose()
    disown(this.stream)
    this.stream.pause()
    if (rest.length > 0) this.stream.unshift(rest)
    then(this.stream)
  }

  // Lingering close: we end our side and read on for a while, or unread bytes would reset the connection before the client
  // has read the answer (RFC 9112 §9.6).
  #close(reason: CloseReason): void {
    if (this.#closing) return
    this.#closing = true
    this.#reason = reason
    this.#held = null
    if (!this.feeding) this.#endSide()
  }

  #endSide(): void {
    this.#out.flush()
    this.stream.end()
    if (this.stream.readableEnded) return
    this.#timer.set(Math.max(this.#options.deadlines.lingerMs, 1))
    this.#pauses = 0
    this.stream.resume()
  }

  #touch(): void {
    const { streamIdleMs } = this.#options.deadlines
    if (streamIdleMs > 0 && this.#exchange !== null) this.#timer.set(streamIdleMs)
  }
}

/** Answers to pipelined requests gather up to this many bytes before they are written. */
const mostUnwritten = 64 * 1024
const none = Buffer.alloc(0)
