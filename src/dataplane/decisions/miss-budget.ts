/**
 * How much may be spent on finding nearest misses, so that a flood of refusals costs little more than the refusing. It finds
 * none itself.
 */

/** Rules looked at in a second: about a hundredth of a core (bench/micro/decision-record.ts). */
const rulesPerSecond = 50_000

export class MissBudget {
  #rules = rulesPerSecond
  #at: number

  constructor(nowMs: number) {
    this.#at = nowMs
  }

  /** False when so many rules are more than there is time for; nothing is spent then. */
  spend(rules: number, nowMs: number): boolean {
    const grown = this.#rules + (Math.max(0, nowMs - this.#at) * rulesPerSecond) / 1000
    this.#rules = Math.min(rulesPerSecond, grown)
    this.#at = nowMs
    if (rules > this.#rules) return false
    this.#rules -= rules
    return true
  }
}
