/**
 * The two sides an exchange stands between, as it sees them: who asked, and who answers. Connections implement these;
 * nothing here knows a framing, so that a stream of a shared connection can be a side as well.
 */
import type { Duplex } from 'node:stream'
import type { Framing, ResponseHead } from '../../http1/message.ts'
import type { PeerIdentity } from '../../identity/peer-identity.ts'
import type { Connection } from '../connection.ts'
import type { UpstreamFailure } from '../response-flag.ts'

/** Reasons to stop reading from downstream, as bits: reading goes on when none is left. */
export const Pause = { Undecided: 1, UpstreamFull: 2, Pipelined: 4 } as const

/** Who asked. Calls queue; bytes leave with `flush`. */
export interface Downstream {
  readonly owner: Connection | null
  /** Bytes are being parsed right now: what is queued gets flushed when they are used up. */
  readonly feeding: boolean
  readonly serverHeader: string
  interim(status: number, reason: string, headers: string[]): void
  /** `headers` is completed with framing and connection fields. `reusable` false closes after this response. */
  respond(status: number, reason: string, headers: string[], framing: Framing, reusable: boolean): void
  /** The 101: everything after it is raw, both ways. */
  startTunnel(status: number, reason: string, headers: string[]): void
  text(text: string): void
  body(chunk: Buffer): void
  end(trailers: readonly string[] | null): void
  flush(): boolean
  pause(why: number): void
  resume(why: number): void
  /** Cuts so that nobody can take what was sent for complete. */
  cut(): void
  /** The exchange is over and its fields final: `reusable` false closes the connection. */
  exchangeDone(reusable: boolean): void
}

/** What is known about an upstream connection, for logs and headers. */
export interface UpstreamInfo {
  /** `address:port` as dialled. */
  readonly remoteAddress: string
  readonly localAddress: string
  readonly peer: PeerIdentity | null
}

/** One request's way to whoever answers. Calls queue; bytes leave with `flush`. */
export interface Upstream {
  readonly info: UpstreamInfo
  /** Requests answered before this one; above 0 the connection may have died unnoticed. */
  readonly requestsServed: number
  /** A byte of the response to the present request has come. */
  readonly answered: boolean
  readonly feeding: boolean
  /** Begins a request; `listener` hears everything until `release` or `destroy`. */
  start(
    listener: ResponseListener,
    method: string,
    target: string,
    headers: readonly string[],
    framing: Framing,
  ): void
  body(chunk: Buffer): void
  end(trailers: readonly string[] | null): void
  /** Our side will send no more, ever. */
  halfClose(): void
  flush(): boolean
  pause(): void
  resume(): void
  /** The response is complete: back to the pool, or closed when that cannot be. */
  release(): void
  destroy(): void
}

/** Hears one response. `onUpstreamTurn` follows each batch of the others but the last, whose end is `onResponseEnd`. */
export interface ResponseListener {
  onResponseHead(head: ResponseHead): void
  onResponseBody(chunk: Buffer): void
  onUpstreamTurn(): void
  onResponseEnd(trailers: string[] | null): void
  onUpstreamFailure(failure: UpstreamFailure): void
  onUpstreamDrain(): void
}

export type DialResult =
  | {
      readonly ok: true
      readonly stream: Duplex
      readonly info: UpstreamInfo
      /** The peer takes requests side by side: `sallyport/1` was agreed upon. */
      readonly multiplexed: boolean
    }
  | { readonly ok: false; readonly failure: UpstreamFailure }

/** Makes one connection, handshake and name check included; `done` is called once. `offer`: also for many requests at once. */
export type Dial = (done: (result: DialResult) => void, offer: 'one-by-one' | 'multiplexed') => void

/** Waits for a connection; hears exactly one of the two calls, and none once `waiting` is false. */
export interface Waiter {
  readonly waiting: boolean
  onUpstream(upstream: Upstream): void
  onUnavailable(failure: UpstreamFailure): void
}

export interface Upstreams {
  /**
   * `fresh`: a connection that never served before. `replayable`: should the connection prove dead, the request can be
   * sent again; where it cannot, a connection that idled for long is looked at before it is used.
   */
  acquire(key: string, dial: Dial, waiter: Waiter, fresh: boolean, replayable: boolean): void
}
