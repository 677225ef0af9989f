/**
 * Counts durations in buckets that grow by one percent, so that a percentile costs no list of samples. It knows no clock.
 */
const growth = Math.log(1.01)
const bucketCount = 2400

export class LatencyHistogram {
  readonly #buckets = new Uint32Array(bucketCount)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Microseconds; below 1 counts as 1. */
  record(microseconds: number): void {
    const bucket =
      microseconds <= 1 ? 0 : Math.min(bucketCount - 1, Math.floor(Math.log(microseconds) / growth))
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1
    this.#count += 1
  }

  /** Middle of the bucket in which that share of samples is reached; 0 when there are none. */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.#count * share))
    let seen = 0
    for (let i = 0; i < bucketCount; i += 1) {
      seen += this.#buckets[i] as number
      if (this.#count > 0 && seen >= wanted) return Math.exp((i + 0.5) * growth)
    }
    return 0
  }

  reset(): void {
    this.#buckets.fill(0)
    this.#count = 0
  }
}
