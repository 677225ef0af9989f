/** Which AuthorizationPolicies select a workload (policy-semantics §4.1). It looks at scope and labels, not at rules. */
import type { AuthorizationPolicy } from '../policy/authorization-policy.ts'
import { selects } from '../policy/resource.ts'
import type { Workload } from '../policy/workload.ts'

/** Those of the root namespace and of the workload's own; a selector in the root namespace reaches every namespace. */
export function applicablePolicies(
  all: readonly AuthorizationPolicy[],
  workload: Workload,
  rootNamespace: string,
): AuthorizationPolicy[] {
  return all.filter(
    ({ meta, selector, targetsGateway }) =>
      !targetsGateway &&
      (meta.namespace === rootNamespace || meta.namespace === workload.namespace) &&
      selects(selector, workload.labels),
  )
}
