/**
 * One rule after compilation, as data: clauses of alternatives of tests, each test split by what it looks at. It is never
 * asked on its own on the hot path: a rule set finds it, a search judges it.
 */
import type { Values } from '../policy/authorization-policy.ts'
import type { ConnectionAttribute } from './connection-attribute.ts'
import type { CustomOutcome } from './custom-outcome.ts'
import type { Decision } from './decision.ts'
import type { RequestTest } from './request-test.ts'

/** One field of one alternative that is settled once a connection. */
export interface ConnectionTest {
  readonly attribute: ConnectionAttribute
  /** What is left of the values as written. */
  readonly written: Values
  /** In one spelling, aliases expanded; null = side absent. */
  readonly wanted: readonly string[] | null
  readonly unwanted: readonly string[] | null
}

/** AND over its tests: one `source`, one `operation`, or all of `when`. */
export class Alternative {
  /** Its bit in the vectors of its rule set. */
  readonly bit: number
  readonly connection: readonly ConnectionTest[]
  readonly request: readonly RequestTest[]

  constructor(bit: number, connection: readonly ConnectionTest[], request: readonly RequestTest[]) {
    this.bit = bit
    this.connection = connection
    this.request = request
  }
}

export type ClauseName = 'from' | 'to' | 'when'

/** OR over its alternatives; none of them is empty of tests. */
export class Clause {
  readonly name: ClauseName
  readonly alternatives: readonly Alternative[]

  constructor(name: ClauseName, alternatives: readonly Alternative[]) {
    this.name = name
    this.alternatives = alternatives
  }
}

/** AND over its clauses; without any it always matches. */
export class CompiledRule {
  /** `ns[x]-policy[y]-rule[i]`. */
  readonly id: string
  /** `namespace/name`. */
  readonly policy: string
  /** Index in the policy; null for the stub of a whole policy. */
  readonly index: number | null
  /** What follows when it matches; null where that is no verdict (audit, dry run). */
  readonly decision: Decision | null
  /** CUSTOM only. */
  readonly custom: CustomOutcome | null
  readonly clauses: readonly Clause[]

  constructor(
    id: string,
    policy: string,
    index: number | null,
    decision: Decision | null,
    custom: CustomOutcome | null,
    clauses: readonly Clause[],
  ) {
    this.id = id
    this.policy = policy
    this.index = index
    this.decision = decision
    this.custom = custom
    this.clauses = clauses
  }
}

/** A rule that says nothing here: an ALLOW rule with a field that cannot be judged (policy-semantics §3.1). */
export interface LostRule {
  readonly policy: string
  readonly rule: number
  /** The keys that cannot be judged here. */
  readonly keys: readonly string[]
}
