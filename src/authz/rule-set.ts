/**
 * The compiled rules of one action, in the order they are reported, with their two indexes: by connection and, for rules
 * that are not about few connections, by request. Built in small steps; afterwards it does not change.
 */
import type { Steps } from '../lifecycle/steps.ts'
import { clearBit, hasBit, type BitVector } from './bit-vector.ts'
import type { CompiledRule } from './compiled-rule.ts'
import { ConnectionIndex } from './connection-index.ts'
import { chooseFiling, fileRule, indexOf, Popularity } from './filing.ts'
import type { ConnectionContext } from './request-context.ts'
import { RequestIndex } from './request-index.ts'

/** A rule set on connections that look alike. */
export interface BoundRules {
  /** Alternatives that may still hold; rules that cannot match have none. */
  readonly open: BitVector
  /** The first rule that matches whatever is requested; the number of rules when there is none. */
  readonly settled: number
  /** That rule, or all such rules where every match is asked for. */
  readonly certain: readonly number[]
  /** Indexes of the rules that a request decides; empty when none before `settled` is left. */
  readonly indexes: readonly RequestIndex[]
}

// A rule that wants a connection value fewer rules than this want is worked out once a connection, unless a request
// finds it among at most `crowd` others anyway.
const rare = 256
const crowd = 8

export class RuleSet {
  readonly rules: readonly CompiledRule[]
  readonly #connections: ConnectionIndex
  readonly #requests: RequestIndex
  /** 1 = not in `#requests`, indexed once a connection. */
  readonly #narrow: Uint8Array

  /** Every match is asked for, not the first: rules after a certain one still count. */
  readonly #every: boolean

  private constructor(
    rules: readonly CompiledRule[],
    every: boolean,
    connections: ConnectionIndex,
    requests: RequestIndex,
    narrow: Uint8Array,
  ) {
    this.rules = rules
    this.#every = every
    this.#connections = connections
    this.#requests = requests
    this.#narrow = narrow
  }

  /** `size`: bits in use. Each step is one rule. */
  static *build(rules: readonly CompiledRule[], size: number, every: boolean): Steps<RuleSet> {
    const connections = new ConnectionIndex(size)
    const popularity = new Popularity()
    for (const rule of rules) {
      for (const { alternatives } of rule.clauses)
        for (const alternative of alternatives) connections.add(alternative)
      popularity.add(rule)
      yield
    }
    const requests = new RequestIndex()
    const narrow = new Uint8Array(rules.length)
    for (const [i, rule] of rules.entries()) {
      const filing = chooseFiling(i, rule, popularity, null)
      if (filing.sharing > crowd && rarest(rule, connections) < rare) narrow[i] = 1
      else fileRule(requests, filing)
      yield
    }
    return new RuleSet(rules, every, connections, requests, narrow)
  }

  /** Whether any rule looks at a connection attribute. */
  asks(key: string): boolean {
    return this.#connections.asks(key)
  }

  /** The values that rules name of an attribute, in one spelling. */
  named(key: string): readonly string[] {
    return this.#connections.named(key)
  }

  /** Partial evaluation: what a connection settles, once. */
  bind(connection: ConnectionContext): BoundRules {
    const open = this.#connections.open(connection)
    const certain: number[] = []
    const own: (readonly [number, CompiledRule])[] = []
    let shared = false
    for (let i = 0; i < this.rules.length; i++) {
      const rule = this.rules[i] as CompiledRule
      const left = settle(rule, open)
      if (left === 'certain') {
        certain.push(i)
        if (!this.#every) break
      } else if (left === 'open') {
        if (this.#narrow[i] === 1) own.push([i, rule])
        else shared = true
      }
    }
    return {
      open,
      settled: certain[0] ?? this.rules.length,
      certain,
      indexes: [...(shared ? [this.#requests] : []), ...(own.length > 0 ? [indexOf(own, open)] : [])],
    }
  }
}

function rarest(rule: CompiledRule, connections: ConnectionIndex): number {
  let rarest = Infinity
  for (const { alternatives } of rule.clauses) {
    let sum = 0
    for (const alternative of alternatives) sum += connections.rarest(alternative)
    rarest = Math.min(rarest, sum)
  }
  return rarest
}

/** What is left of a rule on a connection; a rule that is dead loses its bits, so that no search finds it. */
function settle(rule: CompiledRule, open: BitVector): 'dead' | 'certain' | 'open' {
  let certain = true
  for (const { alternatives } of rule.clauses) {
    let some = false
    let free = false
    for (const { bit, request } of alternatives) {
      if (!hasBit(open, bit)) continue
      some = true
      if (request.length === 0) free = true
    }
    if (!some) {
      for (const clause of rule.clauses)
        for (const alternative of clause.alternatives) clearBit(open, alternative.bit)
      return 'dead'
    }
    if (!free) certain = false
  }
  return certain ? 'certain' : 'open'
}
