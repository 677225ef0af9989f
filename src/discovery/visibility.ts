/**
 * Who may see a service or a rule: `exportTo` as Istio means it (policy-semantics §4.5). It hides; it does not choose
 * among what is seen.
 */
import type { DestinationRule } from '../policy/destination-rule.ts'

/** Empty = all; `*` = all; `.` = the object's own namespace; `~` = nobody; else namespace names. */
export function visibleTo(exportTo: readonly string[], own: string, asking: string): boolean {
  if (exportTo.length === 0) return true
  return exportTo.some((to) => to === '*' || (to === '.' ? own === asking : to === asking))
}

/**
 * Whether a client in `asking` must know of the rule. A rule exported to third namespaces only still hides less exact
 * ones of its namespace from everybody (policy-semantics §4.5), so only purely private rules of others are left out.
 */
export function ruleIsVisible(rule: DestinationRule, asking: string): boolean {
  if (rule.meta.namespace === asking) return true
  if (rule.workloadSelector !== null) return false
  return !(rule.exportTo.length > 0 && rule.exportTo.every((to) => to === '.'))
}
