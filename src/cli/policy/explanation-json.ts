/** An explanation as JSON for machines: all of it but the proof that only forwarding code needs. */
import type { Explanation } from '../../authz/explain.ts'

export function explanationJson(explanation: Explanation | null): unknown {
  if (explanation === null) return null
  const { decision, ...rest } = explanation
  const { allowed, reason, policy, rule, detail } = decision
  return { ...rest, decision: { allowed, reason, policy, rule, detail } }
}
