/**
 * The judge of what an index offers: of the rules filed where a request fits, the first that matches in full. One object
 * serves all requests of a thread, so that a decision allocates nothing; it is used and left within one call.
 */
import type { Ip } from '../address/ip.ts'
import { hasBit, noBits, type BitVector } from './bit-vector.ts'
import type { Alternative, CompiledRule } from './compiled-rule.ts'
import type { RequestContext } from './request-context.ts'
import type { RequestTest } from './request-test.ts'
import type { Visitor } from './text-trie.ts'

/** A rule as it is filed: found by one alternative of one of its clauses, or by none when nothing could be filed. */
export class Entry {
  /** Position in the rule set. */
  readonly rule: number
  readonly compiled: CompiledRule
  /** Index of the clause that the alternative is of; -1 without one. */
  readonly clause: number
  readonly alternative: Alternative | null
  /** Tests of the alternative that being found did not settle. */
  readonly rest: readonly RequestTest[]

  constructor(
    rule: number,
    compiled: CompiledRule,
    clause: number,
    alternative: Alternative | null,
    rest: readonly RequestTest[],
  ) {
    this.rule = rule
    this.compiled = compiled
    this.clause = clause
    this.alternative = alternative
    this.rest = rest
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
      const { alternative } = entry
      if (alternative !== null && !(hasBit(this.#open, alternative.bit) && this.#hold(entry.rest))) continue
      if (!this.#matches(entry)) continue
      if (this.#all === null) {
        this.best = entry.rule
        return
      }
      this.#all.add(entry.rule)
    }
  }

  /** Every clause but the one it was found by has an open alternative that holds. */
  #matches({ compiled: { clauses }, clause }: Entry): boolean {
    for (let c = 0; c < clauses.length; c++) {
      if (c !== clause && !this.#anyHolds((clauses[c] as CompiledRule['clauses'][number]).alternatives)) {
        return false
      }
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
