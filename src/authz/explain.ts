/**
 * Why a connection or request was judged as it was: the compiled rules asked one by one, every condition with what it
 * wanted and saw. Slow and allocating; the verdict itself is `authorize.ts`'s, and the two are tested against each other.
 */
import { authorize, bind } from './authorize.ts'
import type { CompiledPolicy, RuleSets } from './compiled-policy.ts'
import type { CompiledRule, LostRule } from './compiled-rule.ts'
import { accountOfRequest, accountOnConnection, shownBy } from './condition-account.ts'
import type { Asked, ConditionAccount, Showing } from './condition-account.ts'
import type { Decision } from './decision.ts'
import { nearestMiss, type NearestMiss } from './nearest-miss.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'

export type RuleKind = 'custom' | 'audit' | 'deny' | 'allow' | 'shadowDeny' | 'shadowAllow'

export interface RuleAccount {
  readonly set: RuleKind
  readonly id: string
  /** `namespace/name`. */
  readonly policy: string
  /** null for the deny-all stub of a policy. */
  readonly rule: number | null
  readonly matched: boolean
  readonly conditions: readonly ConditionAccount[]
}

export interface Explanation {
  readonly decision: Decision
  /** The rule that gave the verdict; null when none did. */
  readonly decided: RuleAccount | null
  /** Rules considered, in the order the actions are judged. */
  readonly rules: readonly RuleAccount[]
  /** Rules considered and not told of, since there are so many. */
  readonly untold: number
  /** ALLOW rules that say nothing here. */
  readonly lost: readonly LostRule[]
  /** Set when ALLOW policies exist and none matched; null also when none of them has a rule. */
  readonly miss: NearestMiss | null
}

export interface ExplainOptions extends Showing {
  /** Rules to tell of besides the one that decided. */
  readonly most?: number
}

const order = ['custom', 'audit', 'verdict', 'shadowDeny', 'shadowAllow'] as const

export function explain(
  policy: CompiledPolicy,
  connection: ConnectionContext,
  request: RequestContext | null,
  options: ExplainOptions = {},
): Explanation {
  const decision = authorize(bind(policy, connection), request)
  const asked: Asked = { connection, request, shows: shownBy(options) }
  const { most = Infinity } = options
  const considered = order.flatMap((set) => policy[set].rules.map((rule) => ({ set, rule })))
  const rules = considered
    .filter(({ rule }, at) => at < most || (decision.policy !== null && rule.decision === decision))
    .map(({ set, rule }) => accountOf(kindOf(set, rule), rule, asked))
  const first = (set: RuleKind): RuleAccount | undefined =>
    rules.find((rule) => rule.set === set && rule.matched)
  const decided = first('deny') ?? first('allow') ?? null
  return {
    decision,
    decided,
    rules,
    untold: considered.length - rules.length,
    lost: policy.lost,
    miss: decision.reason === 'no_allow_matched' ? nearestMiss(policy, connection, request, options) : null,
  }
}

function kindOf(set: keyof RuleSets, rule: CompiledRule): RuleKind {
  if (set !== 'verdict') return set
  return rule.decision?.allowed === true ? 'allow' : 'deny'
}

function accountOf(set: RuleKind, rule: CompiledRule, asked: Asked): RuleAccount {
  const clauses = clausesOf(rule, asked)
  return {
    set,
    id: rule.id,
    policy: rule.policy,
    rule: rule.index,
    matched: clauses.every((alternatives) =>
      alternatives.some((conditions) => conditions.every(({ met }) => met)),
    ),
    conditions: clauses.flat(2),
  }
}

function clausesOf({ clauses }: CompiledRule, asked: Asked): readonly (readonly ConditionAccount[])[][] {
  return clauses.map(({ name, alternatives }) =>
    alternatives.map(({ connection, request }, i) => {
      const at = name === 'when' ? name : `${name}[${i}]`
      return [
        ...connection.map((test) => accountOnConnection(at, test, asked)),
        ...request.map((test) => accountOfRequest(at, test, asked)),
      ]
    }),
  )
}
