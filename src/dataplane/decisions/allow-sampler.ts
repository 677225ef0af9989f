/**
 * Which of many allowed requests are recorded: a share of them at random, for a decrement and a comparison each. It knows
 * nothing of the requests.
 */

export class AllowSampler {
  readonly rate: number
  readonly #random: () => number
  #left: number

  /** `rate` from 0 (none) to 1 (all); `random` is uniform in [0, 1). */
  constructor(rate: number, random: () => number) {
    this.rate = rate
    this.#random = random
    this.#left = this.#gap()
  }

  /** Whether this one is to be recorded. */
  take(): boolean {
    if (--this.#left > 0) return false
    this.#left = this.#gap()
    return true
  }

  /** How many to go on to: geometric, as if each were drawn for by itself, so that no rhythm of traffic escapes. */
  #gap(): number {
    if (this.rate >= 1) return 1
    if (this.rate <= 0) return Infinity
    return Math.max(1, Math.ceil(Math.log(1 - this.#random()) / Math.log(1 - this.rate)))
  }
}
