/**
 * How far a long run has come: one line that is written over on a terminal, a plain line now and then elsewhere. It goes to
 * standard error and says nothing of short runs.
 */
import type { Clock } from '../../lifecycle/clock.ts'

export interface ProgressStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Milliseconds between two words. */
const onTerminal = 200
const elsewhere = 10_000

export class Progress {
  readonly #stream: ProgressStream
  readonly #clock: Pick<Clock, 'now'>
  readonly #every: number
  #saidAt: number
  #shown = false

  constructor(stream: ProgressStream, clock: Pick<Clock, 'now'>) {
    this.#stream = stream
    this.#clock = clock
    this.#every = stream.isTTY === true ? onTerminal : elsewhere
    // The first word comes as late as the others: most runs are over by then.
    this.#saidAt = clock.now()
  }

  /** Called as often as one likes; `text` is made only when it is said. */
  tell(text: () => string): void {
    const now = this.#clock.now()
    if (now - this.#saidAt < this.#every) return
    this.#saidAt = now
    if (this.#stream.isTTY !== true) this.#stream.write(`${text()}\n`)
    else {
      this.#stream.write(`\r\x1b[K${text()}`)
      this.#shown = true
    }
  }

  /** Leaves the terminal's line as it was. */
  end(): void {
    if (this.#shown) this.#stream.write('\r\x1b[K')
    this.#shown = false
  }
}

/** 1234567 as 1,234,567. */
export const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')
