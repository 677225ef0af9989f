/**
 * Copies bytes both ways between two streams until both sides ended: half-close, back-pressure, reset for reset, idle
 * limit. It knows neither TLS nor policy; whoever calls it holds the Permit.
 *
 * A plain data/write/drain relay is what the measurements favour (architecture §3 item 3): keep it that simple. Only where
 * the bytes are read into is not Node's choice (decision 0016).
 */
import type { Duplex } from 'node:stream'
import { readRecycled } from './recycled-reads.ts'

export interface SpliceEnd {
  /** Bytes copied from `downstream` to `upstream`, and back. */
  readonly received: number
  readonly sent: number
  /** Which side broke, or null when both ended in order. */
  readonly brokenBy: 'downstream' | 'upstream' | 'idle' | null
}

export interface SpliceOptions {
  /** Called when either side moved bytes: the caller's coarse timer decides what idle means. */
  readonly onEnd: (end: SpliceEnd) => void
}

export class Splice {
  readonly #downstream: Duplex
  readonly #upstream: Duplex
  readonly #options: SpliceOptions
  received = 0
  sent = 0
  /** Sides that may still send, and sides that are not gone yet. */
  #open = 2
  #unclosed = 2
  #ended = false
  /** Bytes moved when the idle check last looked. */
  #seen = -1

  constructor(downstream: Duplex, upstream: Duplex, options: SpliceOptions) {
    this.#downstream = downstream
    this.#upstream = upstream
    this.#options = options
    this.#wire(downstream, upstream, true)
    this.#wire(upstream, downstream, false)
    downstream.resume()
    upstream.resume()
  }

  /** For a coarse timer: true when nothing moved since it last asked. */
  idle(): boolean {
    const moved = this.received + this.sent
    const idle = moved === this.#seen
    this.#seen = moved
    return idle
  }

  /** Cuts both sides. */
  cut(brokenBy: SpliceEnd['brokenBy'] = null): void {
    this.#finish(brokenBy)
  }

  #wire(from: Duplex, to: Duplex, inward: boolean): void {
    const side = inward ? 'downstream' : 'upstream'
    const move = (chunk: Buffer, done: () => void): void => {
      if (inward) this.received += chunk.length
      else this.sent += chunk.length
      if (!to.write(chunk, done)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    }
    from.on('data', (chunk: Buffer) => move(chunk, ignore))
    readRecycled(from, move)
    const onEnd = (): void => {
      // Half-close: what the other side still sends keeps flowing (dataplane trap 41).
      to.end()
      this.#open -= 1
    }
    const onClose = (): void => {
      this.#unclosed -= 1
      if (this.#open > 0) this.#finish(side)
      // Only now is all of it written: a peer that does not read the rest must still count as idle.
      else if (this.#unclosed === 0) this.#finish(null)
    }
    from.on('end', onEnd)
    from.on('error', () => this.#finish(side))
    from.on('close', onClose)
    // While the other side was being dialled this one may have ended, and will not say so again.
    if (from.destroyed) process.nextTick(onClose)
    else if (from.readableEnded) process.nextTick(onEnd)
  }

  #finish(brokenBy: SpliceEnd['brokenBy']): void {
    if (this.#ended) return
    this.#ended = true
    if (brokenBy !== null || this.#unclosed > 0) {
      reset(this.#downstream)
      reset(this.#upstream)
    }
    this.#options.onEnd({ received: this.received, sent: this.sent, brokenBy })
  }
}

// A break is passed on as a break: a FIN would look like a complete stream. Only a bare TCP socket can send an RST; a TLS
// session that is destroyed leaves out its close_notify, which tells the peer the same.
function reset(stream: Duplex): void {
  if (stream.destroyed) return
  const socket = stream as Duplex & { encrypted?: boolean; resetAndDestroy?: () => void }
  if (socket.encrypted !== true && typeof socket.resetAndDestroy === 'function') socket.resetAndDestroy()
  else stream.destroy()
}

const ignore = (): void => undefined
