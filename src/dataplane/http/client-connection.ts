/**
 * One HTTP/1.1 connection to an upstream: drives the response parser over a given stream, one request at a time. It
 * neither dials nor decides on retries; whoever made it hears when it is idle again and when it is gone.
 */
import type { Duplex } from 'node:stream'
import type { Http1Limits, ResponseHandler, ResponseHead } from '../../http1/message.ts'
import { Framing } from '../../http1/message.ts'
import { ResponseParser } from '../../http1/response-parser.ts'
import { turnNow } from '../../lifecycle/turn.ts'
import { chunkHead, lastChunk } from '../../http1/write-body.ts'
import { HeadWriter } from '../../http1/head-writer.ts'
import type { FailureKind } from '../response-flag.ts'
import type { Expiring, TimerWheel } from '../timer-wheel.ts'
import { WheelTimer } from '../timer-wheel.ts'
import { Outbox } from './outbox.ts'
import type { StreamOwner } from './stream-events.ts'
import { own } from './stream-events.ts'
import type { ResponseListener, Upstream, UpstreamInfo } from './sides.ts'

/** Where a connection lives between requests. */
export interface ClientConnectionHome {
  onIdle(connection: ClientConnection): void
  /** `idleMs`: how long it had been idle when the peer closed it; -1 when it was busy or we closed it. */
  onClosed(connection: ClientConnection, idleMs: number): void
  /** The peer's `keep-alive: timeout=N`, heard once a connection. */
  onKeepAlive(connection: ClientConnection, seconds: number): void
}

export class ClientConnection implements Upstream, ResponseHandler, StreamOwner, Expiring {
  readonly stream: Duplex
  readonly info: UpstreamInfo
  readonly home: ClientConnectionHome
  /** The home's own mark, such as the generation it was dialled in. */
  readonly generation: number
  requestsServed = 0
  feeding = false
  answered = false
  gone = false
  /** The turn's time at the last release. */
  idleSince = 0
  readonly #parser: ResponseParser
  readonly #out: Outbox
  readonly #heads = new HeadWriter()
  readonly #timer: WheelTimer
  #listener: ResponseListener | null = null
  #reusable = true
  #chunked = false
  #sawHead = false
  #responseDone = false
  #tunnel = false
  #paused = false
  #trailers: string[] | null = null

  constructor(
    stream: Duplex,
    info: UpstreamInfo,
    limits: Http1Limits,
    wheel: TimerWheel,
    home: ClientConnectionHome,
    generation: number,
  ) {
    this.stream = stream
    this.info = info
    this.home = home
    this.generation = generation
    this.#parser = new ResponseParser(limits, this)
    this.#out = new Outbox(stream)
    this.#timer = new WheelTimer(wheel, this)
    own(stream, this)
  }

  /** Looks whether the stream can still take a request; says nothing about what is under way on the wire. */
  get usable(): boolean {
    const stream = this.stream
    return !this.gone && this.#reusable && !stream.destroyed && !stream.readableEnded && stream.writable
  }

  start(
    listener: ResponseListener,
    method: string,
    target: string,
    headers: readonly string[],
    framing: Framing,
  ): void {
    this.#listener = listener
    this.#timer.clear()
    this.#chunked = framing === Framing.Chunked
    this.#sawHead = false
    this.#responseDone = false
    this.#trailers = null
    this.answered = false
    this.#parser.expect(method)
    this.#out.text(this.#heads.request(method, target, headers))
  }

  body(chunk: Buffer): void {
    if (!this.#chunked) {
      this.#out.chunk(chunk)
      return
    }
    this.#out.text(chunkHead(chunk.length))
    this.#out.chunk(chunk)
    this.#out.text('\r\n')
  }

  end(trailers: readonly string[] | null): void {
    if (this.#chunked) this.#out.text(lastChunk(trailers))
  }

  halfClose(): void {
    this.#reusable = false
    this.#out.flush()
    this.stream.end()
  }

  flush(): boolean {
    return this.#out.flush()
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.stream.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.stream.resume()
  }

  release(): void {
    if (this.gone) return
    this.#listener = null
    this.requestsServed += 1
    if (this.#tunnel && this.stream.writableEnded && this.stream.readableEnded) {
      // Both sides have ended; what is still queued may leave in its own time, within reason.
      this.gone = true
      this.#timer.set(flushMs)
      this.home.onClosed(this, -1)
      return
    }
    if (!this.usable || this.#tunnel || !this.#responseDone) {
      this.destroy()
      return
    }
    this.resume()
    this.idleSince = turnNow()
    this.home.onIdle(this)
  }

  /** Closes after `ms` without another request. */
  expireAfter(ms: number): void {
    this.#timer.set(ms)
  }

  onExpire(): void {
    if (this.gone) this.stream.destroy()
    else if (this.#listener === null) this.destroy()
  }

  destroy(): void {
    this.#leave(-1)
  }

  // ResponseHandler: called from inside execute().

  onHead(head: ResponseHead): void {
    if (head.status === 101) this.#tunnel = true
    else if (head.status >= 200) {
      this.#sawHead = true
      if (!head.keepAlive) this.#reusable = false
      if (this.requestsServed === 0) this.#learn(head.headers)
    }
    this.#listener?.onResponseHead(head)
  }

  onBody(chunk: Buffer): void {
    this.#listener?.onResponseBody(chunk)
  }

  onTrailers(trailers: string[]): void {
    this.#trailers = trailers
  }

  onEnd(): void {
    // A 101 is no end: the tunnel begins.
    if (this.#sawHead) this.#responseDone = true
  }

  // The stream's events, through the shared listeners below.

  feed(chunk: Buffer): void {
    const listener = this.#listener
    if (listener === null) {
      // Nobody asked: whatever this is, it must not become the next request's answer.
      this.destroy()
      return
    }
    this.answered = true
    if (this.#tunnel) {
      listener.onResponseBody(chunk)
      listener.onUpstreamTurn()
      return
    }
    let rest = chunk
    this.feeding = true
    for (;;) {
      const used = this.#parser.execute(rest)
      if (this.#parser.refusal !== null || used === rest.length || used === 0) {
        rest = used === rest.length ? none : rest.subarray(used)
        break
      }
      rest = rest.subarray(used)
      if (this.#responseDone || this.#tunnel) break
    }
    this.feeding = false
    if (this.#listener !== listener) return
    if (this.#parser.refusal !== null) this.#fail('protocol', this.#parser.refusal.reason)
    else if (this.#responseDone) {
      if (rest.length > 0) this.#reusable = false
      listener.onResponseEnd(this.#trailers)
    } else {
      if (this.#tunnel && rest.length > 0) listener.onResponseBody(rest)
      listener.onUpstreamTurn()
    }
  }

  peerEnded(): void {
    const listener = this.#listener
    if (listener === null) {
      this.#leave(turnNow() - this.idleSince)
      return
    }
    this.#reusable = false
    if (this.#tunnel) {
      listener.onResponseEnd(null)
      return
    }
    const refusal = this.#parser.finish()
    if (this.#responseDone) listener.onResponseEnd(this.#trailers)
    else if (this.#listener === listener) this.#fail('closed', refusal?.reason ?? 'closed_before_response')
  }

  lost(code: string): void {
    if (code === '') this.broken('closed', 'closed_before_response')
    else this.broken('reset', code)
  }

  broken(kind: FailureKind, reason: string): void {
    if (this.gone) this.#timer.dispose()
    if (this.#listener === null) this.#leave(turnNow() - this.idleSince)
    else this.#fail(kind, reason)
  }

  drained(): void {
    this.#listener?.onUpstreamDrain()
  }

  #fail(kind: FailureKind, reason: string): void {
    const listener = this.#listener
    this.#leave(-1)
    listener?.onUpstreamFailure({ kind, reason })
  }

  #leave(idleMs: number): void {
    if (this.gone) return
    this.gone = true
    this.#listener = null
    this.#timer.dispose()
    this.stream.destroy()
    this.home.onClosed(this, idleMs)
  }

  #learn(headers: readonly string[]): void {
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] !== 'keep-alive') continue
      const seconds = /(?:^|[,\s])timeout=(\d{1,6})(?:$|[,\s])/i.exec(headers[i + 1] as string)?.[1]
      if (seconds !== undefined) this.home.onKeepAlive(this, Number(seconds))
    }
  }
}

const flushMs = 30_000

const none = Buffer.alloc(0)
