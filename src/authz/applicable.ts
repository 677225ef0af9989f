/**
 * Which objects select a workload, one rule for AuthorizationPolicy and RequestAuthentication (policy-semantics §4.1). It
 * looks at scope and labels, not at what the objects say.
 */
import { legacyReaches } from '../policy/legacy-scope.ts'
import type { RequestAuthentication } from '../policy/request-authentication.ts'
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

/**
 * All token rules for a workload: the modern kind adds up, and where it has any rule the legacy kind is out of force, as it
 * was in the release that knew both.
 */
export function applicableAuthentications(
  all: readonly RequestAuthentication[],
  workload: Place,
  rootNamespace: string,
): RequestAuthentication[] {
  const modern = applicablePolicies(
    all.filter(({ legacy }) => legacy === null),
    workload,
    rootNamespace,
  )
  if (modern.some(({ jwtRules }) => jwtRules.length > 0)) return modern
  return [...modern, ...all.filter((one) => legacyReaches(one, workload.namespace, workload.labels))]
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
