/**
 * Counts what a peer makes us do for nothing: frames without use, streams opened only to be reset (CVE-2019-9512 to
 * 9518, CVE-2023-44487). Useful work earns credit; whoever spends more than it earns is cut.
 */

/** Frames in a row that moved no request on; a busy but honest peer sends a handful for each. */
const mostUseless = 1000
/** Resets ahead of answers: a client whose user leaves early resets as well. */
const mostResets = 200

export class FloodGuard {
  #useless = 0
  #resets = 0

  /** A frame that is not free and does nothing for a request. False: enough. */
  useless(): boolean {
    this.#useless += 1
    return this.#useless <= mostUseless
  }

  /** Headers or body bytes came. */
  useful(): void {
    this.#useless = 0
  }

  /** The peer reset a stream that was not answered yet. False: enough. */
  reset(): boolean {
    this.#resets += 1
    return this.#resets <= mostResets
  }

  /** A request was answered to its end. */
  answered(): void {
    if (this.#resets > 0) this.#resets -= 1
  }
}
