/**
 * Which objects select a workload, one rule for AuthorizationPolicy and RequestAuthentication (policy-semantics §4.1). It
 * looks at scope and labels, not at what the objects say.
 */
import { selects } from '../policy/resource.ts'
import type { ResourceMeta, Selector } from '../policy/resource.ts'
import type { Workload } from '../policy/workload.ts'

type Place = Pick<Workload, 'namespace' | 'labels'>

interface Attached {
  readonly meta: ResourceMeta
  readonly selector: Selector | null
  readonly targetsGateway: boolean
}

/** Those of the root namespace and of the workload's own; a selector in the root namespace reaches every namespace. */
export function applicablePolicies<T extends Attached>(
  all: readonly T[],
  workload: Place,
  rootNamespace: string,
): T[] {
  return all.filter(
    ({ meta, selector, targetsGateway }) =>
      !targetsGateway && reaches(meta.namespace, selector, workload, rootNamespace),
  )
}

/** The same for what is left of an object that was refused: its namespace and selector. */
export function reaches(
  namespace: string,
  selector: Selector | null,
  workload: Place,
  rootNamespace: string,
): boolean {
  return (
    (namespace === rootNamespace || namespace === workload.namespace) && selects(selector, workload.labels)
  )
}
