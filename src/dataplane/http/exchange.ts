/**
 * One request and its response, whoever answers: streams both bodies with back-pressure, fails to a local answer or a
 * visible cut, and is over exactly once. It decides no policy and picks no endpoint: an itinerary calls `reply` or `forward`.
 */
import type { RequestHead, ResponseHead } from '../../http1/message.ts'
import { Framing } from '../../http1/message.ts'
import { turnNow } from '../../lifecycle/turn.ts'
import type { ResponseFlag, UpstreamFailure } from '../response-flag.ts'
import { failureAnswers } from '../response-flag.ts'
import type { Expiring, TimerWheel } from '../timer-wheel.ts'
import { WheelTimer } from '../timer-wheel.ts'
import type { LocalReply } from './deny-response.ts'
import { bodyOf, headersOf, localReply } from './deny-response.ts'
import { ExchangeFields } from './exchange-fields.ts'
import type { ResponseRewrite } from './headers.ts'
import { rewriteInterim, rewriteResponse, safeTrailers, upgrades } from './headers.ts'
import { HeldBody } from './held-body.ts'
import type { Gathering } from './held-body.ts'
import { reasonPhrase } from './reason-phrase.ts'
import { bodyIsSmall, meansTheSameTwice } from './request-nature.ts'
import type { Dial, Downstream, ResponseListener, Upstream, Upstreams, Waiter } from './sides.ts'
import { Pause } from './sides.ts'

/** Where a request goes: made once an endpoint or connection, shared by its requests. */
export interface UpstreamTarget {
  readonly upstreams: Upstreams
  readonly key: string
  readonly dial: Dial
  readonly response: ResponseRewrite
  /** Milliseconds from forwarding to the end of the response; 0 = none (dataplane §8.5). */
  readonly timeoutMs: number
  /**
   * Nothing was sent yet: may call `exchange.forward` again with another target and return true. False answers with the
   * failure. Never called on timeouts of the request itself.
   */
  readonly onDialFailure: ((exchange: Exchange, failure: UpstreamFailure) => boolean) | null
}

export class Exchange extends ExchangeFields implements ResponseListener, Waiter, Expiring {
  readonly downstream: Downstream
  finished = false
  /** What becomes of the headers of whatever response the client gets. Set before anybody answers. */
  editResponse: (headers: string[]) => string[] = same
  #upstream: Upstream | null = null
  #target: UpstreamTarget | null = null
  #forwardTarget = ''
  #forwardHeaders: readonly string[] = []
  #held: HeldBody | null = null
  #requestDone = false
  #requestTrailers: string[] | null = null
  #bodySent = false
  #halfClosed = false
  #responseStarted = false
  #responseDone = false
  #retried = false
  #tunnel = false
  /** The rest of the request is not waited for. */
  #impatient = false
  #sentAt = 0
  #timer: WheelTimer | null = null
  readonly #wheel: TimerWheel

  constructor(downstream: Downstream, head: RequestHead, wheel: TimerWheel) {
    super(head, downstream.owner)
    this.downstream = downstream
    this.#wheel = wheel
  }

  /** Waiter: false once nobody needs a connection any more. */
  get waiting(): boolean {
    return !this.finished && this.#upstream === null && this.#target !== null
  }

  /** Answers without an upstream; nothing happens when a response is under way or the client is gone. */
  reply(reply: LocalReply, details: string, flag: ResponseFlag | null): void {
    if (this.finished || this.#responseStarted) return
    this.#dropUpstream()
    if (flag !== null) this.flag(flag)
    this.responseCode = reply.status
    this.responseCodeDetails = details
    this.#responseStarted = true
    this.#responseDone = true
    const body = bodyOf(reply, this.head)
    const headers = this.editResponse(headersOf(reply, this.downstream.serverHeader))
    const reusable = this.#restIsSmall()
    const framing = body === null ? Framing.None : Framing.Length
    this.downstream.respond(reply.status, reasonPhrase(reply.status), headers, framing, reusable)
    if (body !== null) {
      if (typeof body === 'string') this.downstream.text(body)
      else this.downstream.body(body)
      this.bytesSent += body.length
    }
    this.#finish(reusable)
  }

  /**
   * Reads the body into memory before `forward`, which will send it, for as long as `hear` wants more; it may be heard
   * before this returns. A client that waits for leave to send gets it: true then, and upstream is not to be asked again.
   */
  gather(hear: Gathering): boolean {
    if (this.finished) return false
    this.#held ??= new HeldBody()
    if (!this.#held.gather(hear, this.#requestDone)) return false
    this.downstream.resume(Pause.Undecided)
    if (!this.head.expectContinue || this.bytesReceived > 0) return false
    this.downstream.interim(100, 'Continue', [])
    if (!this.downstream.feeding) this.downstream.flush()
    return true
  }

  /** A copy of the first bytes of what was gathered. */
  gathered(most: number): Buffer {
    return (this.#held ?? new HeldBody()).first(most)
  }

  /**
   * Sends the request on. `headers` is complete but for the body (see `rewriteRequest`). May be called again from
   * `onDialFailure`. The caller holds the proof that the request is allowed.
   */
  forward(target: UpstreamTarget, requestTarget: string, headers: readonly string[]): void {
    if (this.finished || this.#responseStarted) return
    this.#target = target
    this.#forwardTarget = requestTarget
    this.#forwardHeaders = headers
    if (target.timeoutMs > 0 && this.#timer === null) {
      this.#timer = new WheelTimer(this.#wheel, this)
      this.#timer.set(target.timeoutMs)
    }
    this.#acquire(false)
  }

  // The request, from downstream.

  onRequestBody(chunk: Buffer): void {
    if (this.finished) return
    this.bytesReceived += chunk.length
    if (this.#upstream !== null) {
      this.#bodySent = true
      this.#upstream.body(chunk)
      return
    }
    this.#held ??= new HeldBody()
    const more = this.#held.push(chunk)
    // Nothing is held any more when what was heard led to an answer.
    if (!more && this.#held !== null) this.downstream.pause(Pause.Undecided)
  }

  onRequestEnd(trailers: string[] | null): void {
    if (this.finished) return
    this.#requestDone = true
    if (this.#tunnel) {
      this.#upstream?.halfClose()
      this.#endIfOver()
      return
    }
    this.#requestTrailers = trailers === null ? null : safeTrailers(trailers)
    this.#upstream?.end(this.#requestTrailers)
    this.#held?.end()
  }

  /** The input at hand is used up. */
  onDownstreamTurn(): void {
    if (!this.finished && this.#upstream !== null) this.#flushUpstream(this.#upstream)
  }

  onDownstreamDrain(): void {
    this.#upstream?.resume()
  }

  /** The client will send no more but may still read: told on, so that the application decides what that means. */
  onDownstreamHalfClose(): void {
    this.#halfClosed = true
    this.#upstream?.halfClose()
  }

  onDownstreamGone(details: string): void {
    if (this.finished) return
    this.#dropUpstream()
    if (!(this.#tunnel && this.#requestDone)) this.flag('DC')
    this.responseCodeDetails ||= details
    this.#finish(false)
  }

  /** The body's framing is broken: what came of it must not look like a whole request to anybody. */
  onDownstreamFault(reply: LocalReply, details: string): void {
    if (this.#responseStarted) {
      this.flag('DPE')
      this.#cut(details)
    } else this.reply(reply, details, 'DPE')
  }

  /** Neither side moved for the stream idle limit. */
  onStreamIdle(): void {
    this.flag('SI')
    this.#impatient = true
    const status = this.#requestDone ? 504 : 408
    if (this.#responseStarted) this.#cut('stream_idle_timeout')
    else this.reply(localReply(this.head, status, 'stream timeout'), 'stream_idle_timeout', null)
  }

  /** The request's own time is up; never retried. */
  onExpire(): void {
    if (this.finished) return
    const answer = failureAnswers.timeout
    if (this.#responseStarted) {
      this.flag(answer.flag)
      this.#cut(answer.details)
    } else this.reply(localReply(this.head, answer.status, answer.body), answer.details, answer.flag)
  }

  // Waiter

  onUpstream(upstream: Upstream): void {
    this.#upstream = upstream
    this.attempts += 1
    this.upstreamHost = upstream.info.remoteAddress
    this.upstreamLocalAddress = upstream.info.localAddress
    this.upstreamPrincipal = upstream.info.peer?.id.uri ?? ''
    this.#sentAt = turnNow()
    const framing = this.head.framing
    try {
      upstream.start(this, this.head.method, this.#forwardTarget, this.#forwardHeaders, framing)
    } catch {
      // The writer lets no text through that could end a line early, whoever made it: nothing was sent.
      this.reply(localReply(this.head, 500, 'internal error'), 'unsafe_request_header', null)
      return
    }
    if (this.#held !== null) {
      this.#bodySent = true
      this.#held.release((piece) => upstream.body(piece))
      this.#held = null
    }
    if (this.#requestDone) upstream.end(this.#requestTrailers)
    if (this.#halfClosed) upstream.halfClose()
    if (!this.downstream.feeding) this.#flushUpstream(upstream)
    this.downstream.resume(Pause.Undecided)
  }

  onUnavailable(failure: UpstreamFailure): void {
    const target = this.#target
    this.#target = null
    if (this.finished) return
    this.upstreamTransportFailureReason = failure.reason
    if (target?.onDialFailure?.(this, failure) === true) return
    this.#answerFailure(failure)
  }

  // ResponseListener

  onResponseHead(head: ResponseHead): void {
    if (head.status < 200) {
      if (head.status === 101) this.#startTunnel(head)
      else this.downstream.interim(head.status, head.reason, rewriteInterim(head))
      return
    }
    const target = this.#target as UpstreamTarget
    this.upstreamServiceTimeMs = Math.round(turnNow() - this.#sentAt)
    this.responseCode = head.status
    this.responseCodeDetails = 'via_upstream'
    this.responseHeaders = head.headers
    this.#responseStarted = true
    const headers = this.editResponse(rewriteResponse(head, target.response, this.upstreamServiceTimeMs))
    this.downstream.respond(head.status, head.reason, headers, head.framing, true)
  }

  onResponseBody(chunk: Buffer): void {
    this.bytesSent += chunk.length
    this.downstream.body(chunk)
  }

  onUpstreamTurn(): void {
    if (!this.finished && !this.downstream.flush()) this.#upstream?.pause()
  }

  onResponseEnd(trailers: string[] | null): void {
    this.#responseDone = true
    if (trailers !== null) this.responseTrailers = trailers
    this.downstream.end(trailers === null ? null : safeTrailers(trailers))
    if (this.#tunnel) {
      this.#endIfOver()
      return
    }
    const upstream = this.#upstream as Upstream
    this.#upstream = null
    if (this.#requestDone) upstream.release()
    else upstream.destroy()
    this.#finish(this.#restIsSmall())
  }

  onUpstreamFailure(failure: UpstreamFailure): void {
    const upstream = this.#upstream
    this.#upstream = null
    if (this.finished) return
    this.upstreamTransportFailureReason = failure.reason
    if (this.#responseStarted) {
      this.flag(failureAnswers[failure.kind].flag)
      this.#cut(`upstream_reset_after_response_started{${failure.reason}}`)
      return
    }
    const reused = upstream !== null && upstream.requestsServed > 0 && !upstream.answered
    const again = failure.unprocessed === true ? !this.#bodySent : reused && this.#replayable()
    if (again && !this.#retried) {
      this.#retried = true
      this.#acquire(true)
      return
    }
    this.#answerFailure(failure)
  }

  onUpstreamDrain(): void {
    this.downstream.resume(Pause.UpstreamFull)
  }

  // A keep-alive connection may close just as we send. The request may go out once more when no byte of its body has left
  // and doing it twice means the same as once (RFC 9110 §9.2.2); a POST may have been acted on, so it is not.
  #replayable(): boolean {
    return !this.#bodySent && meansTheSameTwice(this.head)
  }

  #acquire(fresh: boolean): void {
    const target = this.#target as UpstreamTarget
    target.upstreams.acquire(target.key, target.dial, this, fresh, this.#replayable())
  }

  #flushUpstream(upstream: Upstream): void {
    if (!upstream.flush() && (!this.#requestDone || this.#tunnel)) this.downstream.pause(Pause.UpstreamFull)
  }

  #startTunnel(head: ResponseHead): void {
    if (!upgrades(this.head)) {
      this.#dropUpstream()
      this.#answerFailure({ kind: 'protocol', reason: 'unasked_upgrade' })
      return
    }
    this.upstreamServiceTimeMs = Math.round(turnNow() - this.#sentAt)
    this.responseCode = 101
    this.responseCodeDetails = 'via_upstream'
    this.#responseStarted = true
    this.#tunnel = true
    this.#requestDone = this.#halfClosed
    const headers = this.editResponse(rewriteInterim(head))
    headers.push('connection', 'upgrade', 'upgrade', 'websocket')
    this.downstream.startTunnel(101, head.reason, headers)
  }

  #answerFailure(failure: UpstreamFailure): void {
    const answer = failureAnswers[failure.kind]
    this.upstreamTransportFailureReason = failure.reason
    this.reply(localReply(this.head, answer.status, answer.body), answer.details, answer.flag)
  }

  #cut(details: string): void {
    this.#dropUpstream()
    this.responseCodeDetails = details
    this.downstream.cut()
    this.#finish(false)
  }

  #dropUpstream(): void {
    const upstream = this.#upstream
    this.#upstream = null
    this.#target = null
    upstream?.destroy()
  }

  #endIfOver(): void {
    if (!this.#requestDone || !this.#responseDone) return
    const upstream = this.#upstream
    this.#upstream = null
    this.#finish(false)
    upstream?.release()
  }

  // True when the connection can go on to the next request: what is left of this one's body is little or nothing.
  #restIsSmall(): boolean {
    if (this.#requestDone) return true
    if (this.#impatient) return false
    return bodyIsSmall(this.head, this.bytesReceived > 0)
  }

  #finish(reusable: boolean): void {
    if (this.finished) return
    this.finished = true
    this.#held = null
    this.#timer?.dispose()
    this.durationMs = turnNow() - this.startedAt
    this.downstream.exchangeDone(reusable)
  }
}

const same = (headers: string[]): string[] => headers
