/**
 * Policies of one workload and protocol after compilation, as data: each action apart. Binding and asking are
 * `authorize.ts`'s work, explaining is `explain.ts`'s.
 */
import type { BindCache } from './bind-cache.ts'
import type { LostRule } from './compiled-rule.ts'
import type { Decision } from './decision.ts'
import type { RuleSet } from './rule-set.ts'

/** Sets whose rules are asked at different places of the order CUSTOM, JWT, AUDIT, DENY, ALLOW. */
export interface RuleSets {
  readonly custom: RuleSet
  readonly audit: RuleSet
  /** DENY rules, then ALLOW rules: the first that matches gives the verdict. */
  readonly verdict: RuleSet
  /** Dry run: judged beside the others, decides nothing. */
  readonly shadowDeny: RuleSet
  readonly shadowAllow: RuleSet
}

export interface CompiledPolicy extends RuleSets {
  /** When no rule matched: allowed exactly if no ALLOW policy selects the workload. */
  readonly otherwise: Decision
  /** Where in `verdict` the ALLOW rules begin. */
  readonly firstAllow: number
  /** For a question that cannot be judged. */
  readonly refusal: Decision
  /** Whether there is any dry-run policy of the action: without one nothing is reported. */
  readonly shadows: { readonly deny: boolean; readonly allow: boolean }
  readonly lost: readonly LostRule[]
  /** What was worked out for connections that look alike. */
  readonly bindings: BindCache
}
