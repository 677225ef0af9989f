/**
 * Judges by compiled policy: a connection once, then each request by what is left of the rules. Does no I/O, never
 * throws, allocates nothing per request, and knows no socket.
 */
import type { Ip } from '../address/ip.ts'
import type { BoundSets } from './bind-cache.ts'
import type { CompiledPolicy } from './compiled-policy.ts'
import type { CustomOutcome } from './custom-outcome.ts'
import type { Decision } from './decision.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'
import type { BoundRules, RuleSet } from './rule-set.ts'
import { Search } from './search.ts'
import type { RequestIndex } from './request-index.ts'

/** Policy on one connection. `constant` is the verdict when no request can change it. */
export class BoundPolicy {
  readonly constant: Decision | null
  readonly policy: CompiledPolicy
  readonly sets: BoundSets
  readonly socketPeer: Ip

  constructor(constant: Decision | null, policy: CompiledPolicy, sets: BoundSets, socketPeer: Ip) {
    this.constant = constant
    this.policy = policy
    this.sets = sets
    this.socketPeer = socketPeer
  }
}

/** Partial evaluation: identity, addresses, port and SNI hold for the connection's life. */
export function bind(policy: CompiledPolicy, connection: ConnectionContext): BoundPolicy {
  const sets = policy.bindings.get(connection, () => ({
    custom: policy.custom.bind(connection),
    audit: policy.audit.bind(connection),
    verdict: policy.verdict.bind(connection),
    shadowDeny: policy.shadowDeny.bind(connection),
    shadowAllow: policy.shadowAllow.bind(connection),
  }))
  return new BoundPolicy(constantOf(policy, sets), policy, sets, connection.sourceIp)
}

/** `request` is null on TCP, where the verdict is constant; asked without one about HTTP rules, it refuses. */
export function authorize(bound: BoundPolicy, request: RequestContext | null): Decision {
  if (bound.constant !== null) return bound.constant
  const { policy, sets, socketPeer } = bound
  if (request === null) return policy.refusal
  const found = firstMatch(policy.verdict, sets.verdict, request, socketPeer)
  return found >= 0 ? decisionOf(policy, found) : policy.otherwise
}

/** Ids of all AUDIT rules that match; they never change a verdict (policy-semantics §2.2). */
export function audit({ policy, sets, socketPeer }: BoundPolicy, request: RequestContext | null) {
  return allMatches(policy.audit, sets.audit, request, socketPeer)
}

/**
 * The CUSTOM rule that matches: whom to ask, or the refusal when there is nobody to ask. Comes before tokens are verified
 * (policy-semantics §2.1); an answer of yes is not final.
 */
export function custom(bound: BoundPolicy, request: RequestContext | null): CustomOutcome | null {
  const { policy, sets, socketPeer } = bound
  const found = firstMatch(policy.custom, sets.custom, request, socketPeer)
  return found < 0 ? null : (policy.custom.rules[found]?.custom ?? null)
}

export interface ShadowResult {
  readonly action: 'ALLOW' | 'DENY'
  /** What the dry-run policies of this action alone would have said. */
  readonly result: 'allowed' | 'denied'
  /** Id of the rule that matched, or null. */
  readonly policyId: string | null
}

const noShadows: readonly ShadowResult[] = []

/** Dry-run policies, each action apart (policy-semantics §2.3); empty when there are none of either. */
export function shadow(bound: BoundPolicy, request: RequestContext | null): readonly ShadowResult[] {
  const { policy, sets, socketPeer } = bound
  const { shadows } = policy
  if (!shadows.deny && !shadows.allow) return noShadows
  const results: ShadowResult[] = []
  if (shadows.deny) {
    const found = firstMatch(policy.shadowDeny, sets.shadowDeny, request, socketPeer)
    const policyId = policy.shadowDeny.rules[found]?.id ?? null
    results.push({ action: 'DENY', result: policyId === null ? 'allowed' : 'denied', policyId })
  }
  if (shadows.allow) {
    const found = firstMatch(policy.shadowAllow, sets.shadowAllow, request, socketPeer)
    const policyId = policy.shadowAllow.rules[found]?.id ?? null
    results.push({ action: 'ALLOW', result: policyId === null ? 'denied' : 'allowed', policyId })
  }
  return results
}

function constantOf(policy: CompiledPolicy, { verdict }: BoundSets): Decision | null {
  if (verdict.indexes.length > 0) return null
  return verdict.certain.length > 0 ? decisionOf(policy, verdict.settled) : policy.otherwise
}

function decisionOf(policy: CompiledPolicy, rule: number): Decision {
  return policy.verdict.rules[rule]?.decision ?? policy.refusal
}

// One for all requests of the thread: a search never yields.
const search = new Search()

/** Position of the first rule that matches, or -1. Without a request only what the connection settled matches. */
function firstMatch(set: RuleSet, bound: BoundRules, request: RequestContext | null, socketPeer: Ip): number {
  const { indexes, settled } = bound
  let best = settled
  if (request !== null && indexes.length > 0) {
    search.begin(request, socketPeer, bound.open, settled, null)
    for (let i = 0; i < indexes.length; i++) (indexes[i] as RequestIndex).search(request, search)
    best = search.end()
  }
  return best < set.rules.length ? best : -1
}

const noMatches: readonly string[] = []

function allMatches(
  set: RuleSet,
  bound: BoundRules,
  request: RequestContext | null,
  socketPeer: Ip,
): readonly string[] {
  if (bound.certain.length === 0 && bound.indexes.length === 0) return noMatches
  const found = new Set(bound.certain)
  if (request !== null && bound.indexes.length > 0) {
    search.begin(request, socketPeer, bound.open, set.rules.length, found)
    for (const index of bound.indexes) index.search(request, search)
    search.end()
  }
  return [...found].sort((x, y) => x - y).map((rule) => set.rules[rule]?.id ?? '')
}
