/**
 * For the record of a refusal: the ALLOW rule that came nearest to matching, and what it lacked. Rules are counted without
 * making anything, what a connection settles once a kind of connection; only the nearest is told in words.
 */
import { bind } from './authorize.ts'
import type { BoundSets } from './bind-cache.ts'
import type { CompiledPolicy } from './compiled-policy.ts'
import type { Alternative, CompiledRule } from './compiled-rule.ts'
import {
  accountOfRequest,
  accountOnConnection,
  holdsForRequest,
  holdsOnConnection,
  shownBy,
} from './condition-account.ts'
import type { Asked, ConditionAccount, Showing } from './condition-account.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'

/** The ALLOW rule with most conditions met, and the first that was not. */
export interface NearestMiss extends Omit<ConditionAccount, 'met'> {
  readonly policy: string
  readonly rule: number | null
}

// A refusal must stay cheap to explain: past this many rules the nearest of those looked at is near enough.
const mostRules = 1000

/** Of at most a thousand ALLOW rules, in the order they are reported; null when none of them lacks anything. */
export function nearestMiss(
  policy: CompiledPolicy,
  connection: ConnectionContext,
  request: RequestContext | null,
  showing: Showing = {},
): NearestMiss | null {
  const asked: Asked = { connection, request, shows: shownBy(showing) }
  const { rules } = policy.verdict
  const end = Math.min(rules.length, policy.firstAllow + mostRules)
  if (end <= policy.firstAllow) return null
  const settled = settledOn(policy, connection, end)
  let nearest: CompiledRule | null = null
  let met = 0
  let failed = 0
  for (let i = policy.firstAllow; i < end; i++) {
    const rule = rules[i] as CompiledRule
    if (nearest !== null && !mayBeNearer(settled, i - policy.firstAllow, met, failed)) continue
    count(rule, settled, asked)
    if (tally.failed === 0) continue
    if (nearest !== null && (tally.met < met || (tally.met === met && tally.failed >= failed))) continue
    nearest = rule
    met = tally.met
    failed = tally.failed
  }
  return nearest === null ? null : told(nearest, settled, asked)
}

/** What a connection settles of the ALLOW rules that are looked at. */
interface Settled {
  /** How many connection tests each alternative meets, by its bit. */
  readonly met: Uint32Array
  /** By rule: most conditions that can be met, whatever is requested, and fewest that fail. */
  readonly most: Uint32Array
  readonly least: Uint32Array
}

// One count for all connections that look alike to the policies in force.
const counted = new WeakMap<BoundSets, Settled>()

function settledOn(policy: CompiledPolicy, connection: ConnectionContext, end: number): Settled {
  const { sets } = bind(policy, connection)
  const known = counted.get(sets)
  if (known !== undefined) return known
  const rules = policy.verdict.rules.slice(policy.firstAllow, end)
  const bits = rules.flatMap(({ clauses }) =>
    clauses.flatMap(({ alternatives }) => alternatives.map(({ bit }) => bit)),
  )
  const met = new Uint32Array(bits.reduce((most, bit) => Math.max(most, bit), 0) + 1)
  const most = new Uint32Array(rules.length)
  const least = new Uint32Array(rules.length)
  for (const [i, { clauses }] of rules.entries()) {
    for (const { alternatives } of clauses) {
      let [reach, lack] = [0, Infinity]
      for (const { bit, connection: tests, request } of alternatives) {
        const holding = tests.filter((test) => holdsOnConnection(test, connection)).length
        met[bit] = holding
        reach = Math.max(reach, holding + request.length)
        lack = Math.min(lack, tests.length - holding)
      }
      most[i] = (most[i] as number) + reach
      least[i] = (least[i] as number) + lack
    }
  }
  const settled = { met, most, least }
  counted.set(sets, settled)
  return settled
}

/** Most rules are of others and have nothing to gain from the request: they are not counted at all. */
function mayBeNearer({ most, least }: Settled, rule: number, met: number, failed: number): boolean {
  const reach = most[rule] as number
  return reach > met || (reach === met && (least[rule] as number) < failed)
}

// Both are filled in and read within one call: counting never yields.
const tally = { met: 0, failed: 0 }
const furthest = { alternative: null as Alternative | null, met: 0, failed: 0 }

function count({ clauses }: CompiledRule, settled: Settled, asked: Asked): void {
  tally.met = 0
  tally.failed = 0
  for (let c = 0; c < clauses.length; c++) {
    findFurthest((clauses[c] as CompiledRule['clauses'][number]).alternatives, settled, asked)
    tally.met += furthest.met
    tally.failed += furthest.failed
  }
}

/** The first alternative that matches; else the one with most conditions met, then fewest failed. */
function findFurthest(alternatives: readonly Alternative[], settled: Settled, asked: Asked): void {
  furthest.alternative = null
  for (let i = 0; i < alternatives.length; i++) {
    const alternative = alternatives[i] as Alternative
    const { bit, connection, request } = alternative
    let met = settled.met[bit] as number
    for (let t = 0; t < request.length; t++)
      if (holdsForRequest(request[t] as Alternative['request'][number], asked)) met += 1
    const failed = connection.length + request.length - met
    const better =
      furthest.alternative === null ||
      met > furthest.met ||
      (met === furthest.met && failed < furthest.failed)
    if (failed !== 0 && !better) continue
    furthest.alternative = alternative
    furthest.met = met
    furthest.failed = failed
    if (failed === 0) return
  }
}

function told({ policy, index, clauses }: CompiledRule, settled: Settled, asked: Asked): NearestMiss | null {
  for (const { name, alternatives } of clauses) {
    findFurthest(alternatives, settled, asked)
    const { alternative } = furthest
    if (alternative === null || furthest.failed === 0) continue
    const at = name === 'when' ? name : `${name}[${alternatives.indexOf(alternative)}]`
    const accounts = [
      ...alternative.connection.map((test) => accountOnConnection(at, test, asked)),
      ...alternative.request.map((test) => accountOfRequest(at, test, asked)),
    ]
    const lacking = accounts.find(({ met }) => !met)
    if (lacking === undefined) continue
    const { field, wanted, unwanted, observed } = lacking
    return { policy, rule: index, at, field, wanted, unwanted, observed }
  }
  return null
}
