/**
 * A legacy policy at one of the places it is in force, as the values that the modern kinds have: a PeerAuthentication and
 * a RequestAuthentication that carry its scope. Finding the places is `legacy-targets.ts`'s work.
 */
import type { LegacyPolicy } from './legacy-policy.ts'
import type { LegacyScope } from './legacy-scope.ts'
import type { PeerAuthentication } from './peer-authentication.ts'
import type { RequestAuthentication } from './request-authentication.ts'
import type { Selector } from './resource.ts'

/** `quarantined`: the object is refused, or whom a target means cannot be told; then it only closes. */
export interface LegacyAttachment extends LegacyScope {
  /** null = every workload of the policy's namespace, or of the mesh. */
  readonly selector: Selector | null
}

/** A policy with all its places. */
export interface AttachedPolicy {
  readonly policy: LegacyPolicy
  readonly attachments: readonly LegacyAttachment[]
}

export function legacyPeers({ policy, attachments }: AttachedPolicy): PeerAuthentication[] {
  return attachments.map(({ rank, selector, ports, quarantined }) => ({
    meta: policy.meta,
    selector,
    mode: quarantined === null ? policy.mode : 'STRICT',
    portLevel: {},
    quarantined,
    legacy: { rank, ports, quarantined },
  }))
}

export function legacyTokens({ policy, attachments }: AttachedPolicy): RequestAuthentication[] {
  return attachments.map(({ rank, selector, ports, quarantined }) => ({
    meta: policy.meta,
    selector,
    targetsGateway: false,
    jwtRules: policy.origins,
    legacy: { rank, ports, quarantined, required: policy.demand === 'required', binding: policy.binding },
  }))
}
