/**
 * The CUSTOM step of a question: the same rule is found as in the proxy, and the answer is the one that was given with the
 * question. Without one nobody knows what the authorizer would say, and nobody pretends to.
 */
import { custom } from '../../authz/authorize.ts'
import type { BoundPolicy } from '../../authz/authorize.ts'
import type { CustomOutcome } from '../../authz/custom-outcome.ts'
import type { RequestContext } from '../../authz/request-context.ts'
import { mayPass, noteOf, verdictOf } from '../../dataplane/inbound/consult-authorizer.ts'
import type { CheckOutcome } from '../../ext-authz/outcome.ts'
import type { AuthorizerSet } from '../../ext-authz/providers.ts'
import type { GivenAnswer } from './given-answer.ts'
import { outcomeOf } from './given-answer.ts'

export interface Consulted {
  /** Null where no rule asks. */
  readonly rule: CustomOutcome | null
  /** Null where nobody is asked, or nobody said what the answer is. */
  readonly outcome: CheckOutcome | null
  /** The request goes on to tokens and the other actions. */
  readonly passes: boolean
  readonly reason: string
  /** As in the access log; null where nobody is asked. */
  readonly note: string | null
}

const nobody: Consulted = { rule: null, outcome: null, passes: true, reason: '', note: null }

/** `request` is null on TCP. */
export function consultGiven(
  bound: BoundPolicy,
  request: RequestContext | null,
  authorizers: AuthorizerSet,
  given: GivenAnswer | null,
): Consulted {
  const rule = custom(bound, request)
  // An HTTP authorizer is not asked about TCP (policy-semantics §3.1).
  if (rule === null || (request === null && rule.kind === 'http')) return nobody
  const refused = { rule, outcome: null, passes: false }
  if (rule.refusal !== null) return { ...refused, reason: rule.refusal.reason, note: null }
  const found = authorizers.find(rule.provider)
  if (!found.ok || given === null || (given.provider ?? rule.provider) !== rule.provider)
    return { ...refused, reason: 'custom_not_asked', note: `${rule.provider}:not_asked` }
  const outcome = outcomeOf(found.provider.settings, given)
  const passes = mayPass(outcome)
  const reason = passes ? '' : verdictOf(rule, outcome).reason
  return { rule, outcome, passes, reason, note: noteOf(rule, outcome) }
}
