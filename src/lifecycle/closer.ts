/**
 * Owns what was opened and ends it in reverse order, once. A failed start closes what had started; closing drains until
 * its deadline, then cuts. It decides nothing about what draining means: each owned thing does.
 */
import type { Clock } from './clock.ts'

/** Both may be called twice; both settle. */
export interface Owned {
  /** Finish what is under way. */
  close(): Promise<void> | void
  /** Cut now. */
  destroy?(reason: string): void
}

export class Closer {
  readonly #clock: Clock
  readonly #owned: Owned[] = []
  #closing: Promise<void> | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  own<T extends Owned>(thing: T): T {
    this.#owned.push(thing)
    return thing
  }

  /** Closes everything in reverse order; what is not closed after `graceMs` (for all together) is destroyed. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#drain(graceMs)
    return this.#closing
  }

  destroy(reason: string): void {
    for (const thing of this.#owned.toReversed()) {
      if (thing.destroy) thing.destroy(reason)
      else void Promise.resolve(thing.close()).catch(() => undefined)
    }
  }

  async #drain(graceMs: number): Promise<void> {
    let cut = false
    const deadline = Promise.withResolvers<void>()
    const timer = this.#clock.after(graceMs, () => {
      cut = true
      deadline.resolve()
    })
    try {
      for (const thing of this.#owned.toReversed()) {
        // One thing that fails to close must not keep the others open.
        if (!cut)
          await Promise.race([Promise.resolve(thing.close()).catch(() => undefined), deadline.promise])
        if (cut) thing.destroy?.('grace period over')
      }
    } finally {
      timer.cancel()
    }
  }
}
