/**
 * Where the legacy policies of a folder are in force, laid out by the workloads they select, and what else there speaks for
 * those workloads. It proposes nothing and judges no request.
 */
import type { AuthorizationPolicy } from '../../policy/authorization-policy.ts'
import type { LegacyAttachment } from '../../policy/legacy-attachment.ts'
import type { LegacyPolicy } from '../../policy/legacy-policy.ts'
import type { LegacyRank } from '../../policy/legacy-scope.ts'
import type { ResourceMeta, Selector } from '../../policy/resource.ts'
import type { PolicyFolder } from './load-policy-folder.ts'

/** One policy at one of its places. */
export interface Placed {
  /** `Policy shop/orders`, `MeshPolicy default`. */
  readonly name: string
  readonly policy: LegacyPolicy
  readonly attachment: LegacyAttachment
}

/** All that select the same workloads in the same words. */
export interface LegacyPlace {
  /** The root namespace for the mesh. */
  readonly namespace: string
  readonly rank: LegacyRank
  readonly selector: Selector | null
  readonly placed: readonly Placed[]
}

/** In the order of the folder. */
export function legacyPlaces({ state, config }: PolicyFolder): LegacyPlace[] {
  const { rootNamespace } = config.mesh
  const places = new Map<string, { place: Omit<LegacyPlace, 'placed'>; placed: Placed[] }>()
  for (const { policy, attachments } of state.legacy.values()) {
    const name = legacyName(policy.meta)
    for (const attachment of attachments) {
      const { rank, selector } = attachment
      const namespace = rank === 'mesh' ? rootNamespace : policy.meta.namespace
      const wide = rank === 'mesh' || rank === 'namespace'
      const key = JSON.stringify([wide ? rank : '', namespace, Object.entries(selector ?? {}).toSorted()])
      const known = places.get(key) ?? { place: { namespace, rank, selector }, placed: [] }
      places.set(key, known)
      known.placed.push({ name, policy, attachment })
    }
  }
  return [...places.values()].map(({ place, placed }) => ({ ...place, placed }))
}

export const legacyName = ({ namespace, name }: ResourceMeta): string =>
  namespace === '' ? `MeshPolicy ${name}` : `Policy ${namespace}/${name}`

export const isWide = ({ rank }: Pick<LegacyPlace, 'rank'>): boolean =>
  rank === 'mesh' || rank === 'namespace'

/** Whether some workload may be selected by both. */
export function mayMeet(x: Omit<LegacyPlace, 'placed'>, y: Omit<LegacyPlace, 'placed'>): boolean {
  if (x.rank !== 'mesh' && y.rank !== 'mesh' && x.namespace !== y.namespace) return false
  return compatible(x.selector, y.selector)
}

/** No label that one wants otherwise than the other. */
export const compatible = (x: Selector | null, y: Selector | null): boolean =>
  Object.entries(x ?? {}).every(([key, value]) => y?.[key] === undefined || y[key] === value)

/** AuthorizationPolicies that may judge requests to the place. */
export function policiesAt(
  { config }: PolicyFolder,
  { namespace, rank, selector }: LegacyPlace,
): readonly AuthorizationPolicy[] {
  return config.authorizationPolicies.filter(
    (policy) =>
      !policy.targetsGateway &&
      (rank === 'mesh' || [namespace, config.mesh.rootNamespace].includes(policy.meta.namespace)) &&
      compatible(selector, policy.selector),
  )
}
