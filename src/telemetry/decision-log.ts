/**
 * The bounded way of decision lines out of a data thread: what the other side has not taken yet is counted, and beyond a
 * limit lines are dropped before they are even made. It never waits and writes to nothing itself.
 */
import { LineBatch } from './line-batch.ts'
import type { LineBatchOptions } from './line-batch.ts'

export interface DecisionLogOptions extends LineBatchOptions {
  /** Bytes that may be under way to the writer. */
  readonly mostWaiting: number
}

export class DecisionLog {
  readonly #batch: LineBatch
  readonly #mostWaiting: number
  #waiting = 0
  /** Lines that found no room. */
  dropped = 0

  constructor(options: DecisionLogOptions) {
    this.#mostWaiting = options.mostWaiting
    this.#batch = new LineBatch({
      ...options,
      sink: (lines, count) => {
        this.#waiting += lines.byteLength
        options.sink(lines, count)
      },
    })
  }

  /** False counts a dropped line: the caller need not make it. */
  get takes(): boolean {
    if (this.#waiting < this.#mostWaiting) return true
    this.dropped += 1
    return false
  }

  write(line: string): void {
    this.#batch.add(line)
  }

  /** The writer has dealt with so many bytes, one way or the other. */
  taken(bytes: number): void {
    this.#waiting = Math.max(0, this.#waiting - bytes)
  }

  flush(): void {
    this.#batch.flush()
  }
}
