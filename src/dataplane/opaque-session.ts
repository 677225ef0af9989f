/**
 * One opaque (TCP) exchange from its verdict to its single access record: the splice between the two sides, idle limit,
 * re-judgement when policy changes. It does not choose or dial the upstream; `forward-tcp.ts` does.
 */
import type { Duplex } from 'node:stream'
import type { AccessRecord } from '../telemetry/access-record.ts'
import type { Series } from '../telemetry/traffic-metrics.ts'
import type { Connection } from './connection.ts'
import { Splice } from './splice.ts'
import type { SpliceEnd } from './splice.ts'

export interface OpaqueObserver {
  /** The clock the durations are read from, milliseconds since the epoch. */
  readonly now: () => number
  readonly finished: (record: AccessRecord) => void
  /** Sessions that the worker's idle check visits. */
  readonly sessions: Set<OpaqueSession>
}

export class OpaqueSession {
  readonly connection: Connection
  readonly record: AccessRecord
  readonly #series: Series
  readonly #observer: OpaqueObserver
  #splice: Splice | null = null
  #finished = false

  constructor(connection: Connection, record: AccessRecord, series: Series, observer: OpaqueObserver) {
    this.connection = connection
    this.record = record
    this.#series = series
    this.#observer = observer
    series.counts.tcpOpened += 1
    // A peer that leaves while the upstream is being dialled leaves nothing to serve.
    connection.stream.once('close', this.#onDownstreamClose)
  }

  /** True once it ended, whoever ended it: a dial that completes later is for nobody. */
  get finished(): boolean {
    return this.#finished
  }

  /** Both sides are there: copy until they end. Bytes either side sent early are still in its buffer. */
  begin(upstream: Duplex): void {
    this.connection.stream.off('close', this.#onDownstreamClose)
    this.#observer.sessions.add(this)
    this.#splice = new Splice(this.connection.stream, upstream, { onEnd: (end) => this.#end(end) })
  }

  /** Ends with a flag of dataplane §11 and a reason for the record; the peer sees a bare close. */
  fail(flag: string, details: string, transportFailure = ''): void {
    if (this.#finished) return
    this.record.responseFlags = flag
    this.record.connectionTerminationDetails = details
    this.record.upstreamTransportFailureReason = transportFailure
    if (this.#splice !== null) {
      this.#splice.cut(null)
      return
    }
    this.connection.cut(true)
    this.#finish()
  }

  /** For the worker's coarse check: ends the session when nothing moved since the last visit. */
  checkIdle(): void {
    if (this.#splice?.idle() === true) {
      this.record.responseFlags = 'SI'
      this.#splice.cut('idle')
    }
  }

  readonly #onDownstreamClose = (): void => {
    if (this.#finished) return
    this.record.responseFlags ||= 'DC'
    this.#finish()
  }

  #end(end: SpliceEnd): void {
    this.record.bytesReceived = end.received
    this.record.bytesSent = end.sent
    if (this.record.responseFlags === '') {
      if (end.brokenBy === 'upstream') this.record.responseFlags = 'UR'
      else if (end.brokenBy === 'downstream') this.record.responseFlags = 'DC'
    }
    this.#finish()
  }

  #finish(): void {
    if (this.#finished) return
    this.#finished = true
    this.#observer.sessions.delete(this)
    const counts = this.#series.counts
    counts.tcpClosed += 1
    counts.tcpReceived += this.record.bytesReceived
    counts.tcpSent += this.record.bytesSent
    this.record.durationMs = this.#observer.now() - this.record.startTime
    this.#observer.finished(this.record)
  }
}
