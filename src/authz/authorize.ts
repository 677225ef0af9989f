/**
 * Judges by compiled policy: a connection once, then each request by what is left of the rules. Does no I/O, never
 * throws, allocates nothing per request, and knows no socket.
 */
import type { Clause, CompiledPolicy, CompiledRule, RequestTest } from './compiled-policy.ts'
import type { Decision } from './decision.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'

/** A rule on one connection: AND over clauses, OR over alternatives, AND over tests; only request tests are left. */
export interface BoundRule {
  readonly decision: Decision
  readonly clauses: readonly (readonly (readonly RequestTest[])[])[]
}

/** Policy on one connection. `constant` is the verdict when no request can change it. */
export class BoundPolicy {
  readonly constant: Decision | null
  readonly deny: readonly BoundRule[]
  readonly allow: readonly BoundRule[]
  readonly otherwise: Decision
  readonly refusal: Decision

  constructor(
    constant: Decision | null,
    deny: readonly BoundRule[],
    allow: readonly BoundRule[],
    otherwise: Decision,
    refusal: Decision,
  ) {
    this.constant = constant
    this.deny = deny
    this.allow = allow
    this.otherwise = otherwise
    this.refusal = refusal
  }
}

/** Partial evaluation: identity, addresses, port and SNI hold for the connection's life. */
export function bind(policy: CompiledPolicy, connection: ConnectionContext): BoundPolicy {
  const deny: BoundRule[] = []
  const denied = bindRules(policy.deny, connection, deny)
  const allow: BoundRule[] = []
  // A DENY rule that always matches leaves nothing for ALLOW to say.
  const otherwise = denied ?? bindRules(policy.allow, connection, allow) ?? policy.otherwise
  // Whichever rule is met first may differ, so rules before a certain one stay, and only an empty list is constant.
  const constant = deny.length === 0 && allow.length === 0 ? otherwise : null
  return new BoundPolicy(constant, deny, allow, otherwise, policy.refusal)
}

/** `request` is null on TCP, where the verdict is constant; asked without one about HTTP rules, it refuses. */
export function authorize(policy: BoundPolicy, request: RequestContext | null): Decision {
  if (policy.constant !== null) return policy.constant
  if (request === null) return policy.refusal
  return firstMatch(policy.deny, request) ?? firstMatch(policy.allow, request) ?? policy.otherwise
}

function firstMatch(rules: readonly BoundRule[], request: RequestContext): Decision | null {
  for (const rule of rules) if (matches(rule, request)) return rule.decision
  return null
}

function matches(rule: BoundRule, request: RequestContext): boolean {
  for (const alternatives of rule.clauses) if (!anyHolds(alternatives, request)) return false
  return true
}

function anyHolds(alternatives: readonly (readonly RequestTest[])[], request: RequestContext): boolean {
  for (const tests of alternatives) if (allHold(tests, request)) return true
  return false
}

function allHold(tests: readonly RequestTest[], request: RequestContext): boolean {
  for (const test of tests) if (!test.holds(request)) return false
  return true
}

/** Appends what is left of the rules before the first that always matches, and returns that one's decision. */
function bindRules(
  rules: readonly CompiledRule[],
  connection: ConnectionContext,
  left: BoundRule[],
): Decision | null {
  for (const rule of rules) {
    const clauses = bindClauses(rule.clauses, connection)
    if (clauses === null) continue
    if (clauses.length === 0) return rule.decision
    left.push({ decision: rule.decision, clauses })
  }
  return null
}

/** The clauses still open on this connection; null when one of them has failed. */
function bindClauses(clauses: readonly Clause[], connection: ConnectionContext): BoundRule['clauses'] | null {
  const open: (readonly (readonly RequestTest[])[])[] = []
  for (const clause of clauses) {
    const alternatives = clause.alternatives.filter(({ connection: tests }) =>
      tests.every((test) => test(connection)),
    )
    if (alternatives.length === 0) return null
    if (alternatives.some(({ request }) => request.length === 0)) continue
    open.push(
      alternatives.length === clause.alternatives.length
        ? clause.requests
        : alternatives.map(({ request }) => request),
    )
  }
  return open
}
