/**
 * The judge of what an index offers: of the rules filed where a request fits, the first that matches in full. One object
 * serves all requests of a thread, so that a decision allocates nothing; it is used and left within one call.
 */
import type { Ip } from '../address/ip.ts'
import { hasBit, noBits, type BitVector } from './bit-vector.ts'
import type { Alternative, Clause } from './compiled-rule.ts'
import type { RequestContext } from './request-context.ts'
import type { RequestTest } from './request-test.ts'
import type { Visitor } from './text-trie.ts'

/** A rule as it is filed: found by one alternative of one of its clauses, or by none when nothing could be filed. */
export class Entry {
  /** Position in the rule set. */
  readonly rule: number
  /** Bit of the alternative; -1 without one. */
  readonly bit: number
  /** Tests of the alternative that being found did not settle. */
  readonly rest: readonly RequestTest[]
  /** Clauses that are not settled by the alternative being open. */
  readonly others: readonly Clause[]

  constructor(rule: number, bit: number, rest: readonly RequestTest[], others: readonly Clause[]) {
    this.rule = rule
    this.bit = bit
    this.rest = rest
    this.others = others
  }
}

const nothing = noBits(0)

export class Search implements Visitor<Entry> {
  /** The first matching rule so far, or what it was at the start. */
  best = 0
  request: RequestContext | null = null
  #socketPeer: Ip | null = null
  #open: BitVector = nothing
  /** Set when every match is wanted, not the first. */
  #all: Set<number> | null = null

  begin(
    request: RequestContext,
    socketPeer: Ip,
    open: BitVector,
    before: number,
    all: Set<number> | null,
  ): void {
    this.request = request
    this.#socketPeer = socketPeer
    this.#open = open
    this.best = before
    this.#all = all
  }

  /** Forgets the request: what is kept would keep it alive. */
  end(): number {
    this.request = null
    this.#all = null
    return this.best
  }

  /** Entries come in the order of their rules. */
  offer(entries: readonly Entry[]): void {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry
      if (entry.rule >= this.best) return
      const { bit } = entry
      if (bit >= 0 && !hasBit(this.#open, bit)) continue
      if (!this.#hold(entry.rest) || !this.#eachHolds(entry.others)) continue
      if (this.#all === null) {
        this.best = entry.rule
        return
      }
      this.#all.add(entry.rule)
    }
  }

  /** Every clause has an open alternative that holds. */
  #eachHolds(clauses: readonly Clause[]): boolean {
    for (let c = 0; c < clauses.length; c++) {
      if (!this.#anyHolds((clauses[c] as Clause).alternatives)) return false
    }
    return true
  }

  #anyHolds(alternatives: readonly Alternative[]): boolean {
    for (let i = 0; i < alternatives.length; i++) {
      const alternative = alternatives[i] as Alternative
      if (hasBit(this.#open, alternative.bit) && this.#hold(alternative.request)) return true
    }
    return false
  }

  #hold(tests: readonly RequestTest[]): boolean {
    const request = this.request as RequestContext
    for (let i = 0; i < tests.length; i++) {
      if (!(tests[i] as RequestTest).holds(request, this.#socketPeer as Ip)) return false
    }
    return true
  }
}
