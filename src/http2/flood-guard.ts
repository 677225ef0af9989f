/**
 * Counts what a peer makes us do for nothing: frames without use, streams opened only to be reset (CVE-2019-9512 to
 * 9518, CVE-2023-44487). Useful work earns credit; whoever spends more than it earns is cut.
 */

/** Frames in a row that moved no request on; a busy but honest peer sends a handful for each. */
const mostUseless = 1000
/** Resets ahead of answers: clients of a slow application give up as well, */
const mostResets = 200
/** but not in such numbers: so many a second are forgiven. */
const forgivenEachSecond = 20

export class FloodGuard {
  #useless = 0
  #resets = 0
  /** Milliseconds up to which time has forgiven. */
  #forgivenAt = 0

  /** A frame that is not free and does nothing for a request. False: enough. */
  useless(): boolean {
    this.#useless += 1
    return this.#useless <= mostUseless
  }

  /** Headers or body bytes came. */
  useful(): void {
    this.#useless = 0
  }

  /** The peer broke off a request whose answer had not begun. `now`: in milliseconds. False: enough. */
  reset(now: number): boolean {
    const forgiven = ((now - this.#forgivenAt) * forgivenEachSecond) / 1000
    this.#forgivenAt = now
    this.#resets = Math.max(0, this.#resets - forgiven) + 1
    return this.#resets <= mostResets
  }

  /** A request was answered to its end. */
  answered(): void {
    if (this.#resets > 0) this.#resets = Math.max(0, this.#resets - 1)
  }
}
