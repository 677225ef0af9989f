/**
 * Where a data thread notes its verdicts: all are counted; refusals and some of what is allowed are recorded, to be explained
 * later and, where there is one, for the decision log. It judges nothing and holds nobody up.
 */
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import { decidingAction } from '../../authz/deciding-action.ts'
import { nearestMiss } from '../../authz/nearest-miss.ts'
import type { NearestMiss } from '../../authz/nearest-miss.ts'
import type { Clock } from '../../lifecycle/clock.ts'
import type { DecisionLog } from '../../telemetry/decision-log.ts'
import type { ValueVeil } from '../../telemetry/value-veil.ts'
import { VerdictCounts } from '../../telemetry/verdict-counts.ts'
import type { Connection } from '../connection.ts'
import type { Verdict } from '../inbound/judge-request.ts'
import type { World } from '../world.ts'
import { AllowSampler } from './allow-sampler.ts'
import { DecisionScope } from './decision-scope.ts'
import { decisionText } from './decision-text.ts'
import { JudgedConnection, type Judged, type JudgedRequest } from './judged.ts'
import { MissBudget } from './miss-budget.ts'
import { RecentDecisions } from './recent-decisions.ts'

export interface JournalDeps {
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly veil: ValueVeil
  /** null: nobody reads lines. */
  readonly log: DecisionLog | null
}

/** Refusals that no rule gave. */
export type OtherRefusal =
  'plaintext_refused' | 'origin_not_shown' | 'request_target_refused' | 'token_refused'

/** What was judged, without the verdict. */
export type Subject = Pick<Judged, 'event' | 'connection' | 'request' | 'custom' | 'unreadHttp'>

export interface Opaque extends Pick<Judged, 'custom' | 'unreadHttp'> {
  readonly connection: Connection
  /** Judged before. */
  readonly again: boolean
}

/** As many as `nearestMiss` looks at. */
const mostRules = 1000

const noRule = {
  allowed: false,
  action: null,
  policy: null,
  rule: null,
  audits: [] as readonly never[],
  shadows: [] as readonly never[],
}

export class DecisionJournal {
  readonly counts = new VerdictCounts()
  readonly recent = new RecentDecisions()
  readonly sampler: AllowSampler
  readonly #deps: JournalDeps
  readonly #misses: MissBudget
  #scope: DecisionScope | null = null

  /** `sampleRate`: share of allowed decisions that are recorded. */
  constructor(deps: JournalDeps, sampleRate: number) {
    this.#deps = deps
    this.sampler = new AllowSampler(sampleRate, deps.random)
    this.#misses = new MissBudget(deps.clock.now())
  }

  /** A verdict that is counted already and is to be recorded. */
  record(subject: Subject, verdict: Verdict, policy: CompiledPolicy, world: World): void {
    const { decision, audits, shadows } = verdict
    const { allowed, reason, policy: name, rule } = decision
    const action = decidingAction(reason)
    this.#write({ ...subject, allowed, reason, action, policy: name, rule, audits, shadows }, policy, world)
  }

  /** An opaque connection, judged at first or `again` after a change: what stays allowed is nothing new. */
  opaque(
    { connection, again, custom, unreadHttp }: Opaque,
    verdict: Verdict,
    policy: CompiledPolicy,
    world: World,
  ): void {
    const { decision, shadows } = verdict
    if (again && decision.allowed) return
    this.counts.cell(decision).count += 1
    if (shadows.length > 0) this.counts.shadow(shadows)
    if (decision.allowed && !this.sampler.take()) return
    const event = again ? 'rejudged' : 'connection'
    const subject = {
      event,
      connection: new JudgedConnection(connection),
      request: null,
      custom,
      unreadHttp,
    } as const
    this.record(subject, verdict, policy, world)
  }

  /** Refused before any policy was asked, or between two; `detail` is what the access log says of it. */
  refused(
    reason: OtherRefusal,
    connection: JudgedConnection,
    request: JudgedRequest | null,
    world: World,
    { detail = reason, custom = '' }: { readonly detail?: string; readonly custom?: string } = {},
  ): void {
    this.counts.cell({ allowed: false, reason, policy: null }).count += 1
    const event = request === null ? 'connection' : 'request'
    this.#write(
      { ...noRule, event, connection, request, custom, unreadHttp: false, reason: detail },
      null,
      world,
    )
  }

  #write(given: Omit<Judged, 'at' | 'sample'>, policy: CompiledPolicy | null, world: World): void {
    const { clock, log } = this.#deps
    const scope = this.#scopeOf(world)
    const judged: Judged = { ...given, at: clock.now(), sample: given.allowed ? this.sampler.rate : 1 }
    this.recent.add(judged, scope, policy)
    // Only a miss that somebody will read is worth looking for; the recent decisions look when they are asked.
    if (log !== null && log.takes) log.write(decisionText(judged, scope, this.#missOf(judged, policy, scope)))
  }

  #missOf(judged: Judged, policy: CompiledPolicy | null, scope: DecisionScope): NearestMiss | null {
    const { context } = judged.connection
    if (judged.reason !== 'no_allow_matched' || policy === null || context === null) return null
    const rules = Math.min(policy.verdict.rules.length - policy.firstAllow, mostRules)
    if (!this.#misses.spend(rules, judged.at)) return null
    return nearestMiss(policy, context, judged.request?.context ?? null, scope.showing)
  }

  #scopeOf(world: World): DecisionScope {
    if (this.#scope?.generation !== world.generation) this.#scope = new DecisionScope(world, this.#deps.veil)
    return this.#scope
  }
}
