/** Exponential delays with full jitter between attempts; counts attempts, waits for nothing itself. */

export interface BackoffOptions {
  readonly baseMs: number
  readonly maxMs: number
  /** Uniform in [0, 1). */
  readonly random: () => number
}

export class Backoff {
  readonly #options: BackoffOptions
  #attempt = 0

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** Milliseconds to wait before the next attempt: half fixed, half random, so that it never is 0. */
  next(): number {
    const { baseMs, maxMs, random } = this.#options
    const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(this.#attempt, 30))
    this.#attempt += 1
    return ceiling / 2 + (ceiling / 2) * random()
  }

  reset(): void {
    this.#attempt = 0
  }
}
