/**
 * Gathers access log lines in batches of bytes and hands each to a sink; writing them anywhere is the sink's work. Batches
 * come back when they are written, and are filled again.
 */
import type { Clock, Timer } from '../lifecycle/clock.ts'
import { accessLine } from './access-line.ts'
import type { AccessRecord } from './access-record.ts'

export interface AccessLogOptions {
  readonly clock: Clock
  /** Receives whole lines, ASCII, each ended by a newline; the buffer is the receiver's until it is given to `reuse`. */
  readonly sink: (lines: Uint8Array<ArrayBuffer>) => void
  /** Milliseconds a line may wait for company. */
  readonly flushMs: number
  /** Bytes of a batch: one that could not take another line is handed over. */
  readonly batchBytes: number
}

/** Batches that wait for their next use: more come back only after a stall, and are let go. */
const mostSpare = 2

export class AccessLog {
  readonly #options: AccessLogOptions
  readonly #spare: Buffer<ArrayBuffer>[] = []
  // Encoded once, where it was made: the bytes then cross to the control thread without being copied. Made anew for each
  // batch, the buffers would keep both threads collecting.
  #batch: Buffer<ArrayBuffer>
  #used = 0
  #timer: Timer | null = null

  constructor(options: AccessLogOptions) {
    this.#options = options
    this.#batch = Buffer.allocUnsafeSlow(options.batchBytes)
  }

  write(record: AccessRecord): void {
    const line = accessLine(record)
    if (line.length > this.#batch.length - this.#used) {
      this.flush()
      if (line.length > this.#batch.length) {
        this.#options.sink(Buffer.from(line, 'latin1'))
        return
      }
    }
    this.#used += this.#batch.write(line, this.#used, 'latin1')
    this.#timer ??= this.#options.clock.after(this.#options.flushMs, () => this.flush())
  }

  flush(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#used === 0) return
    const lines = this.#batch.subarray(0, this.#used)
    this.#batch = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#options.batchBytes)
    this.#used = 0
    this.#options.sink(lines)
  }

  /** A batch has been written: its buffer is ours again. */
  reuse(buffer: ArrayBuffer): void {
    if (buffer.byteLength === this.#options.batchBytes && this.#spare.length < mostSpare)
      this.#spare.push(Buffer.from(buffer))
  }
}
