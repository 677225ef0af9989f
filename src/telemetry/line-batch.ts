/**
 * Lines gathered into batches of bytes and handed on, so that they cross to another thread without being copied. It knows
 * nothing of what is in them.
 */
import type { Clock, Timer } from '../lifecycle/clock.ts'

export interface LineBatchOptions {
  readonly clock: Clock
  /** Receives whole lines, UTF-8, each ended by a newline; the bytes are the receiver's from then on. */
  readonly sink: (lines: Uint8Array<ArrayBuffer>, count: number) => void
  /** Milliseconds a line may wait for company. */
  readonly flushMs: number
  /** Bytes of a batch: one that could not take another line is handed over. */
  readonly batchBytes: number
}

export class LineBatch {
  readonly #options: LineBatchOptions
  #batch: Buffer<ArrayBuffer> | null = null
  #used = 0
  #lines = 0
  #timer: Timer | null = null

  constructor(options: LineBatchOptions) {
    this.#options = options
  }

  /** `line` ends with its newline. */
  add(line: string): void {
    const { batchBytes, clock, flushMs } = this.#options
    // A character takes three bytes at most.
    const room = line.length * 3
    if (this.#batch !== null && room > this.#batch.length - this.#used) this.flush()
    if (room > batchBytes) return this.#options.sink(Buffer.from(line), 1)
    this.#batch ??= Buffer.allocUnsafeSlow(batchBytes)
    this.#used += this.#batch.write(line, this.#used)
    this.#lines += 1
    this.#timer ??= clock.after(flushMs, () => this.flush())
  }

  flush(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#batch === null) return
    const lines = this.#batch.subarray(0, this.#used)
    const count = this.#lines
    this.#batch = null
    this.#used = 0
    this.#lines = 0
    this.#options.sink(lines, count)
  }
}
