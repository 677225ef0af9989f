/**
 * Turns the policies that apply to a workload into indexed rule sets, once a load: each action apart, decisions and
 * permits prebuilt. It never throws; what cannot be judged loses its ALLOW rule and widens its DENY rule.
 */
import { sortInSteps } from '../lifecycle/sort-in-steps.ts'
import { runAtOnce, type Steps } from '../lifecycle/steps.ts'
import type { Action, AuthorizationPolicy } from '../policy/authorization-policy.ts'
import { AddressClasses } from './address-classes.ts'
import { BindCache, type Asked } from './bind-cache.ts'
import { compileRule } from './compile-rule.ts'
import type { CompiledPolicy, RuleSets } from './compiled-policy.ts'
import { CompiledRule, type LostRule } from './compiled-rule.ts'
import { customProvider, type CustomProvider, type ProviderKind } from './custom-provider.ts'
import type { CustomOutcome } from './custom-outcome.ts'
import type { Decision, DecisionReason } from './decision.ts'
import { grant } from './permit.ts'
import { RuleSet } from './rule-set.ts'

export interface CompileOptions {
  readonly trustDomain: string
  readonly trustDomainAliases: readonly string[]
  /** `tcp`: fields that need a request are lost as policy-semantics §3.1 says. */
  readonly protocol: 'http' | 'tcp'
  /** Authorizers that CUSTOM policies may name. Absent: nobody asks them, and a CUSTOM policy denies all it selects. */
  readonly providers?: ReadonlyMap<string, ProviderKind>
}

/** `policies` are those of `applicablePolicies`. */
export function compile(policies: readonly AuthorizationPolicy[], options: CompileOptions): CompiledPolicy {
  return runAtOnce(compileInSteps(policies, options))
}

/** The same work a step at a time, a few microseconds each; between steps nothing is in force yet. */
export function* compileInSteps(
  policies: readonly AuthorizationPolicy[],
  options: CompileOptions,
): Steps<CompiledPolicy> {
  const drafts = new Drafts(policies, options)
  for (const policy of policies) {
    drafts.add(policy)
    yield
  }
  const lost: LostRule[] = []
  const deny = yield* sortInSteps(drafts.deny, byId)
  const build = (list: readonly Draft[]): Steps<RuleSet> => buildSet(list, drafts, lost)
  const sets = {
    custom: yield* build(yield* sortInSteps(drafts.custom, byId)),
    audit: yield* buildSet(yield* sortInSteps(drafts.audit, byId), drafts, lost, true),
    verdict: yield* build([...deny, ...(yield* sortInSteps(drafts.allow, byId))]),
    shadowDeny: yield* build(yield* sortInSteps(drafts.shadowDeny, byId)),
    shadowAllow: yield* build(yield* sortInSteps(drafts.shadowAllow, byId)),
  }
  const refusal = denied('no_allow_matched', null, null, 'none')
  const enforced = (action: Action, dryRun: boolean): boolean =>
    policies.some(
      (policy) => policy.action === action && policy.dryRun === dryRun && policy.quarantined === null,
    )
  return {
    ...sets,
    // It counts even when every rule of it is lost (policy-semantics trap 2).
    otherwise: enforced('ALLOW', false) ? refusal : allowed('no_allow_policy', null, null, ''),
    // No rule of a DENY policy is ever lost.
    firstAllow: deny.length,
    refusal,
    shadows: { deny: enforced('DENY', true), allow: enforced('ALLOW', true) },
    lost,
    bindings: new BindCache(yield* askedBy(sets)),
  }
}

/** One rule before it is compiled; `index` null = the deny-all stub of a policy. */
interface Draft {
  readonly id: string
  readonly policy: AuthorizationPolicy
  readonly index: number | null
}

class Drafts {
  readonly options: CompileOptions
  readonly bundle: readonly string[]
  /** The one authorizer of CUSTOM policies, or why there is none to ask. */
  readonly provider: CustomProvider
  readonly custom: Draft[] = []
  readonly audit: Draft[] = []
  readonly deny: Draft[] = []
  readonly allow: Draft[] = []
  readonly shadowDeny: Draft[] = []
  readonly shadowAllow: Draft[] = []

  constructor(policies: readonly AuthorizationPolicy[], options: CompileOptions) {
    this.options = options
    this.bundle = [options.trustDomain, ...options.trustDomainAliases]
    this.provider = customProvider(policies, options.providers)
  }

  add(policy: AuthorizationPolicy): void {
    if (policy.quarantined !== null) this.deny.push({ id: ruleId(policy, 0), policy, index: null })
    else if (policy.action === 'CUSTOM') {
      if (this.provider.state === 'nobody asks')
        this.deny.push({ id: ruleId(policy, 0), policy, index: null })
      else addRules(this.custom, policy)
    } else if (policy.action === 'AUDIT') addRules(this.audit, policy)
    else if (policy.action === 'DENY') addRules(policy.dryRun ? this.shadowDeny : this.deny, policy)
    else addRules(policy.dryRun ? this.shadowAllow : this.allow, policy)
  }
}

function addRules(drafts: Draft[], policy: AuthorizationPolicy): void {
  for (let index = 0; index < policy.rules.length; index++)
    drafts.push({ id: ruleId(policy, index), policy, index })
}

/** First in lexicographic order is first reported (policy-semantics §2.4). */
const byId = (x: Draft, y: Draft): number => (x.id < y.id ? -1 : x.id > y.id ? 1 : 0)

function* buildSet(drafts: readonly Draft[], all: Drafts, lost: LostRule[], every = false): Steps<RuleSet> {
  let bits = 0
  const nextBit = (): number => bits++
  const rules: CompiledRule[] = []
  for (const draft of drafts) {
    const rule = compileDraft(draft, all, nextBit, lost)
    if (rule !== null) rules.push(rule)
    yield
  }
  return yield* RuleSet.build(rules, bits, every)
}

function compileDraft(
  { id, policy, index }: Draft,
  { options, bundle, provider }: Drafts,
  nextBit: () => number,
  lost: LostRule[],
): CompiledRule | null {
  const name = `${policy.meta.namespace}/${policy.meta.name}`
  if (index === null) {
    return new CompiledRule(id, name, null, denied('quarantined_policy', name, null, id), null, [])
  }
  const rule = policy.rules[index]
  if (rule === undefined) return null
  const { protocol } = options
  const { namespace } = policy.meta
  const widens = policy.action !== 'ALLOW'
  const parts = compileRule(rule, { namespace, bundle, protocol, widens, nextBit })
  if ('lost' in parts) {
    lost.push({ policy: name, rule: index, keys: parts.lost })
    return null
  }
  const { clauses } = parts
  if (policy.action === 'CUSTOM') {
    const outcome = customOutcome(policy.provider ?? '', name, index, id, provider)
    return new CompiledRule(id, name, index, outcome.refusal, outcome, clauses)
  }
  if (policy.action === 'AUDIT' || policy.dryRun)
    return new CompiledRule(id, name, index, null, null, clauses)
  const decision = widens ? denied('deny_rule', name, index, id) : allowed('allow_rule', name, index, id)
  return new CompiledRule(id, name, index, decision, null, clauses)
}

function customOutcome(
  provider: string,
  policy: string,
  rule: number,
  id: string,
  found: CustomProvider,
): CustomOutcome {
  if (found.state === 'good') return { provider, kind: found.kind, policy, rule, ruleId: id, refusal: null }
  const ruleId = `${id}-deny-due-to-bad-CUSTOM-action`
  const refusal = denied('bad_custom_provider', policy, rule, ruleId)
  return { provider, kind: null, policy, rule, ruleId, refusal }
}

const ruleId = ({ meta }: AuthorizationPolicy, index: number): string =>
  `ns[${meta.namespace}]-policy[${meta.name}]-rule[${index}]`

const identityKeys = ['source.principal', 'source.namespace', 'source.serviceAccount', 'source.trustDomain']

function* askedBy(sets: RuleSets): Steps<Asked> {
  const all = Object.values(sets) as readonly RuleSet[]
  const asks = (key: string): boolean => all.some((set) => set.asks(key))
  const classes = (key: string): Steps<AddressClasses> =>
    AddressClasses.build(new Set(all.flatMap((set) => set.named(key))))
  return {
    identity: identityKeys.some(asks),
    port: asks('destination.port'),
    sni: asks('connection.sni'),
    sources: yield* classes('source.ip'),
    destinations: yield* classes('destination.ip'),
  }
}

function denied(reason: DecisionReason, policy: string | null, rule: number | null, id: string): Decision {
  const detail = `rbac_access_denied_matched_policy[${id}]`
  return Object.freeze({ allowed: false, permit: null, reason, policy, rule, detail })
}

function allowed(reason: DecisionReason, policy: string | null, rule: number | null, id: string): Decision {
  return Object.freeze({ allowed: true, permit: grant(id), reason, policy, rule, detail: '' })
}
