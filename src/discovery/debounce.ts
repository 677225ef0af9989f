/**
 * Gathers a burst of changes into one run: it waits until things are quiet, but never longer than a bound. It knows
 * nothing of what changed, and a change during the run asks for one more.
 */
import type { Clock, Timer } from '../lifecycle/clock.ts'

export interface DebounceOptions {
  /** Milliseconds without a change before the task runs. */
  readonly quietMs: number
  /** Milliseconds after the first change of a burst at which it runs in any case. */
  readonly longestMs: number
}

/** What Istio's control plane waits as well (dataplane §10.1). */
export const pushDebounce: DebounceOptions = { quietMs: 100, longestMs: 10_000 }

export class Debounce {
  readonly #clock: Clock
  readonly #options: DebounceOptions
  readonly #task: () => void
  #timer: Timer | null = null
  #firstAt = 0

  constructor(clock: Clock, options: DebounceOptions, task: () => void) {
    this.#clock = clock
    this.#options = options
    this.#task = task
  }

  /** Something changed. */
  touch(): void {
    const now = this.#clock.now()
    if (this.#timer === null) this.#firstAt = now
    else this.#timer.cancel()
    const left = this.#firstAt + this.#options.longestMs - now
    // A clock that was set back must not make a burst endless, nor the wait longer than quiet.
    const wait = Math.max(0, Math.min(this.#options.quietMs, left))
    this.#timer = this.#clock.after(wait, () => {
      this.#timer = null
      this.#task()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = null
  }
}
