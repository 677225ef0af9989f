/** What connections of one chain share: limits, deadlines and who hears of their requests. Values only. */
import type { Http1Limits } from '../../http1/message.ts'
import type { Connection } from '../connection.ts'
import type { TimerWheel } from '../timer-wheel.ts'
import type { Exchange } from './exchange.ts'

/** Milliseconds; 0 = no limit. All are coarse: up to two ticks of the wheel late. */
export interface HttpDeadlines {
  /** From accept, or from a head's first byte, to its last (slowloris). */
  readonly headMs: number
  /** Between requests. */
  readonly idleMs: number
  /** Within an exchange, without a byte either way (dataplane §8.5: none). */
  readonly streamIdleMs: number
  /** How long a closed connection is still read from, so that the client gets to read our last answer. */
  readonly lingerMs: number
}

export const defaultHttpDeadlines: HttpDeadlines = {
  headMs: 30_000,
  idleMs: 3_600_000,
  streamIdleMs: 0,
  lingerMs: 2_000,
}

export type CloseReason = 'client' | 'idle' | 'error' | 'drain' | 'refused' | 'done' | 'destroyed'

/** Shared by all connections of a chain. */
export interface ServerOptions {
  readonly limits: Http1Limits
  readonly wheel: TimerWheel
  readonly deadlines: HttpDeadlines
  /** `server` of local answers. */
  readonly serverHeader: string
  /** Must lead to `reply` or `forward`, at once or later. */
  onRequest(exchange: Exchange): void
  /** Once for each exchange, whatever happened; its fields are final. */
  onFinish(exchange: Exchange): void
  onClose(owner: Connection | null, reason: CloseReason): void
  /** `onRequest` threw: a bug. The client gets a 500 and the other connections go on. */
  onFault(error: unknown): void
}
