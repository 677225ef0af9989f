/**
 * One request of a shared connection, as the side that answers: writes the request and reads its response for whoever
 * sent it. It decides on no retry and knows no other stream.
 */
import { Framing } from '../../http1/message.ts'
import { ErrorCode } from '../../http2/frame.ts'
import type { Http2Session } from '../../http2/session.ts'
import type { Http2Stream, StreamEvents } from '../../http2/stream.ts'
import type { ResponseListener, Upstream, UpstreamInfo } from '../http/sides.ts'
import type { UpstreamFailure } from '../response-flag.ts'
import { areTrailers } from './field-kind.ts'
import { PendingOutput } from './pending-output.ts'
import { requestFields } from './request-fields.ts'
import { readResponse } from './response-fields.ts'

/** The connection, as one of its streams sees it. */
export interface ClientStreamHost {
  readonly session: Http2Session
  readonly info: UpstreamInfo
  readonly requestsServed: number
  readonly feeding: boolean
  /** Streams that heard something in the turn under way. */
  readonly touched: ClientStream[]
  /** Why its requests fail, once it is gone. */
  readonly loss: UpstreamFailure | null
  wantFlush(): void
  /** False: the server does not keep up with this stream; it hears `onRoomToWrite` or `onWritable`. */
  flush(stream: ClientStream, state: Http2Stream): boolean
  released(stream: ClientStream): void
}

export class ClientStream implements Upstream, StreamEvents {
  readonly info: UpstreamInfo
  readonly requestsServed: number
  answered = false
  touched = false
  /** Among those that wait for room on the connection. */
  seat = -1
  readonly #connection: ClientStreamHost
  readonly #stream: Http2Stream
  readonly #out: PendingOutput
  #listener: ResponseListener | null = null
  #method = ''
  #headSeen = false
  #left = -1
  #interims = 0

  constructor(connection: ClientStreamHost, stream: Http2Stream) {
    this.#connection = connection
    this.#stream = stream
    this.info = connection.info
    this.requestsServed = connection.requestsServed
    this.#out = new PendingOutput(connection.session, stream)
    stream.events = this
  }

  get feeding(): boolean {
    return this.#connection.feeding
  }

  start(
    listener: ResponseListener,
    method: string,
    target: string,
    headers: readonly string[],
    _framing: Framing,
  ): void {
    this.#listener = listener
    this.#method = method
    this.#out.head(requestFields(method, target, headers))
  }

  body(chunk: Buffer): void {
    this.#out.body(chunk)
  }

  end(trailers: readonly string[] | null): void {
    this.#out.end(trailers)
  }

  /** The stream's end is its request's, which was said already: this is about whoever asked. */
  halfClose(): void {
    this.#out.flush()
    this.#connection.session.halfClose(this.#stream)
    this.#connection.wantFlush()
  }

  flush(): boolean {
    this.#out.flush()
    return this.#connection.flush(this, this.#stream)
  }

  pause(): void {
    this.#connection.session.pause(this.#stream)
  }

  resume(): void {
    if (!this.#stream.paused) return
    this.#connection.session.resume(this.#stream)
    this.#connection.wantFlush()
  }

  release(): void {
    this.destroy()
  }

  /** What is not over yet is cut: the server hears that nobody waits any more. */
  destroy(): void {
    this.#listener = null
    this.#out.reset(ErrorCode.Cancel)
    this.#connection.released(this)
  }

  // StreamEvents: called from inside the session's execute().

  onFields(fields: string[] | null, end: boolean): void {
    const listener = this.#listener
    if (listener === null) return
    this.answered = true
    this.#touch()
    if (fields === null) return this.#fail({ kind: 'protocol', reason: 'head_too_large' })
    if (this.#headSeen) return this.#onTrailers(listener, fields, end)
    const head = readResponse(fields, end, this.#method)
    if (head === null) return this.#fail({ kind: 'protocol', reason: 'bad_response_fields' })
    if (head.status < 200) {
      // Windows hold back bodies alone: interim heads without end would fill a slow client's memory.
      this.#interims += 1
      if (this.#interims > mostInterims)
        return this.#fail({ kind: 'protocol', reason: 'too_many_interim_heads' })
    } else {
      this.#headSeen = true
      // What has no body by its status or method gets none: its bytes would pass for the next response.
      this.#left = head.framing === Framing.None ? 0 : head.contentLength
    }
    listener.onResponseHead(head)
    if (end && this.#listener === listener) listener.onResponseEnd(null)
  }

  onData(chunk: Buffer, end: boolean): void {
    const listener = this.#listener
    if (listener === null) return
    this.#touch()
    if (!this.#headSeen) return this.#fail({ kind: 'protocol', reason: 'body_before_head' })
    if (this.#left >= 0) {
      this.#left -= chunk.length
      if (this.#left < 0 || (end && this.#left > 0))
        return this.#fail({ kind: 'protocol', reason: 'body_not_as_declared' })
    }
    if (chunk.length > 0) listener.onResponseBody(chunk)
    if (end && this.#listener === listener) listener.onResponseEnd(null)
  }

  onReset(code: number, unprocessed: boolean): void {
    const reason = `http2_reset_${code}`
    this.#fail(this.#connection.loss ?? { kind: 'reset', reason, unprocessed })
  }

  onHalfClose(): void {
    // Servers have nothing of the kind to say.
  }

  onWritable(): void {
    this.#listener?.onUpstreamDrain()
  }

  onRoomToWrite(): void {
    if (!this.#stream.blocked) this.#listener?.onUpstreamDrain()
  }

  onTurn(): void {
    this.touched = false
    this.#listener?.onUpstreamTurn()
  }

  #onTrailers(listener: ResponseListener, fields: string[], end: boolean): void {
    if (!end || this.#left > 0 || !areTrailers(fields))
      return this.#fail({ kind: 'protocol', reason: 'bad_trailers' })
    listener.onResponseEnd(fields.length === 0 ? null : fields)
  }

  #fail(failure: UpstreamFailure): void {
    const listener = this.#listener
    if (listener === null) return
    this.destroy()
    listener.onUpstreamFailure(failure)
  }

  #touch(): void {
    if (this.touched) return
    this.touched = true
    this.#connection.touched.push(this)
  }
}

/** Before a final head: 100, 102 and 103 come a few times at most. */
const mostInterims = 100
