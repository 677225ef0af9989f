/**
 * Why a connection or request was judged as it was: the compiled rules asked one by one, every condition with what it
 * wanted and saw. Slow and allocating; the verdict itself is `authorize.ts`'s, and the two are tested against each other.
 */
import { compileString, matchesString } from '../match/string-matcher.ts'
import { authorize, bind } from './authorize.ts'
import type { CompiledPolicy, RuleSets } from './compiled-policy.ts'
import type { Alternative, CompiledRule, ConnectionTest, LostRule } from './compiled-rule.ts'
import type { Decision } from './decision.ts'
import { observedInRequest, observedOnConnection, wantedOfRequest, type Observed } from './observed.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'

export interface ConditionAccount {
  /** `from[0]`, `to[2]` or `when`. */
  readonly at: string
  /** The condition key, or `methods`, `paths`, `hosts`. */
  readonly field: string
  readonly met: boolean
  readonly wanted: readonly string[]
  readonly unwanted: readonly string[]
  /** null = absent. */
  readonly observed: Observed
}

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

/** The ALLOW rule with most conditions met, and the first that was not. */
export interface NearestMiss {
  readonly policy: string
  readonly rule: number | null
  readonly at: string
  readonly field: string
  readonly wanted: readonly string[]
  readonly unwanted: readonly string[]
  readonly observed: Observed
}

export interface Explanation {
  readonly decision: Decision
  /** The rule that gave the verdict; null when none did. */
  readonly decided: RuleAccount | null
  /** Every rule considered, in the order the actions are judged. */
  readonly rules: readonly RuleAccount[]
  /** ALLOW rules that say nothing here. */
  readonly lost: readonly LostRule[]
  /** Set when ALLOW policies exist and none matched; null also when none of them has a rule. */
  readonly miss: NearestMiss | null
}

export interface ExplainOptions {
  /** Show values of headers and claims; otherwise only that they are there. */
  readonly reveal?: boolean
}

const order = ['custom', 'audit', 'verdict', 'shadowDeny', 'shadowAllow'] as const

export function explain(
  policy: CompiledPolicy,
  connection: ConnectionContext,
  request: RequestContext | null,
  { reveal = false }: ExplainOptions = {},
): Explanation {
  const decision = authorize(bind(policy, connection), request)
  const asked: Asked = { connection, request, reveal }
  const rules = order.flatMap((set) =>
    policy[set].rules.map((rule) => accountOf(kindOf(set, rule), rule, asked)),
  )
  const first = (set: RuleKind): RuleAccount | undefined =>
    rules.find((rule) => rule.set === set && rule.matched)
  const decided = first('deny') ?? first('allow') ?? null
  return {
    decision,
    decided,
    rules,
    lost: policy.lost,
    miss:
      decision.reason === 'no_allow_matched' ? nearestMiss(policy, connection, request, { reveal }) : null,
  }
}

// A refusal must stay cheap to explain: past this many rules the nearest of those looked at is near enough.
const mostRules = 1000

/** For the record of a refusal: only the ALLOW rules, at most a thousand of them, in the order they are reported. */
export function nearestMiss(
  policy: CompiledPolicy,
  connection: ConnectionContext,
  request: RequestContext | null,
  { reveal = false }: ExplainOptions = {},
): NearestMiss | null {
  const asked: Asked = { connection, request, reveal }
  let nearest: Miss | null = null
  for (const rule of policy.verdict.rules.slice(policy.firstAllow, policy.firstAllow + mostRules)) {
    let met = 0
    const failed: Condition[] = []
    for (const conditions of bestAlternatives(rule, asked)) {
      for (const condition of conditions) {
        if (condition.holds) met += 1
        else failed.push(condition)
      }
    }
    if (failed.length === 0) continue
    if (nearest === null || isNearer(met, failed.length, nearest)) nearest = { rule, met, failed }
  }
  const condition = nearest?.failed[0]
  if (nearest === null || condition === undefined) return null
  const { at, field, wanted, unwanted, observed } = accountOfCondition(condition, asked)
  return { policy: nearest.rule.policy, rule: nearest.rule.index, at, field, wanted, unwanted, observed }
}

interface Miss {
  readonly rule: CompiledRule
  readonly met: number
  readonly failed: readonly Condition[]
}

const isNearer = (met: number, failed: number, than: Miss): boolean =>
  met > than.met || (met === than.met && failed < than.failed.length)

interface Asked {
  readonly connection: ConnectionContext
  readonly request: RequestContext | null
  readonly reveal: boolean
}

/** One test, judged; told in words only when it is shown. */
interface Condition {
  readonly at: string
  readonly holds: boolean
  readonly connection: ConnectionTest | null
  readonly request: Alternative['request'][number] | null
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
      alternatives.some((conditions) => conditions.every(({ holds }) => holds)),
    ),
    conditions: clauses.flat(2).map((condition) => accountOfCondition(condition, asked)),
  }
}

/** Of each clause the alternative that came furthest: most conditions met, then fewest failed. */
function bestAlternatives(rule: CompiledRule, asked: Asked): readonly (readonly Condition[])[] {
  const failed = (conditions: readonly Condition[]): number => conditions.filter(({ holds }) => !holds).length
  return clausesOf(rule, asked).map((alternatives) => {
    const matching = alternatives.find((conditions) => failed(conditions) === 0)
    if (matching !== undefined) return matching
    return alternatives.reduce((best, next) => {
      const more = next.length - failed(next) - (best.length - failed(best))
      return more > 0 || (more === 0 && failed(next) < failed(best)) ? next : best
    })
  })
}

function clausesOf({ clauses }: CompiledRule, asked: Asked): readonly (readonly (readonly Condition[])[])[] {
  return clauses.map(({ name, alternatives }) =>
    alternatives.map(({ connection, request }, i) => {
      const at = name === 'when' ? name : `${name}[${i}]`
      return [
        ...connection.map((test) => ({
          at,
          holds: holdsOnConnection(test, asked.connection),
          connection: test,
          request: null,
        })),
        ...request.map((test) => ({
          at,
          holds: asked.request !== null && test.holds(asked.request, asked.connection.sourceIp),
          connection: null,
          request: test,
        })),
      ]
    }),
  )
}

/** The same question `connection-index.ts` answers for all rules at once. */
function holdsOnConnection(test: ConnectionTest, connection: ConnectionContext): boolean {
  const { attribute, wanted, unwanted } = test
  const fits = (value: string): boolean => {
    if (attribute.kind === 'question') return attribute.ask(value)(connection)
    const text = attribute.read(connection)
    const matcher = compileString(value)
    return text !== null && (matcher.kind === 'any' || matchesString(matcher, text))
  }
  return (wanted === null || wanted.some(fits)) && (unwanted === null || !unwanted.some(fits))
}

function accountOfCondition({ at, holds, connection, request }: Condition, asked: Asked): ConditionAccount {
  if (connection !== null) {
    return {
      at,
      field: connection.attribute.key,
      met: holds,
      wanted: connection.written.values,
      unwanted: connection.written.notValues,
      observed: observedOnConnection(connection, asked.connection),
    }
  }
  // A condition is of a connection or of a request.
  const test = request as Alternative['request'][number]
  const { values, notValues } = wantedOfRequest(test, asked.reveal)
  const observed =
    asked.request === null ? null : observedInRequest(test, asked.request, asked.connection, asked.reveal)
  return { at, field: test.key, met: holds, wanted: values, unwanted: notValues, observed }
}
