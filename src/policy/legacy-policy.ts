/**
 * A legacy `authentication.istio.io/v1alpha1` Policy or MeshPolicy as an immutable value (policy-semantics §7). Which
 * workloads its targets are is found out in `legacy-targets.ts`; in force it is a PeerAuthentication and a
 * RequestAuthentication like any other (`legacy-attachment.ts`).
 */
import type { EffectiveMtls } from './peer-authentication.ts'
import type { JwtRule, PrincipalBinding } from './request-authentication.ts'
import type { ResourceMeta } from './resource.ts'

/** A port of a Service, by number or by name. */
export type LegacyPort = number | string

export interface LegacyTarget {
  /** Short name of a Service in the policy's namespace. */
  readonly service: string
  /** Empty = all of the Service. */
  readonly ports: readonly LegacyPort[]
}

/** What of origins the policy demands: nothing, a look at what is there, or success. */
export type OriginDemand = 'none' | 'optional' | 'required'

export interface LegacyPolicy {
  /** The namespace is '' for a MeshPolicy. */
  readonly meta: ResourceMeta
  readonly scope: 'mesh' | 'namespace' | 'targets'
  /** null on a stub: there were targets and nobody can say which. */
  readonly targets: readonly LegacyTarget[] | null
  readonly mode: EffectiveMtls
  /** In the order in which they are tried. */
  readonly origins: readonly JwtRule[]
  readonly demand: OriginDemand
  readonly binding: PrincipalBinding
  /** Set on the fail-closed stub of a refused object; with `required` it refuses every request. */
  readonly quarantined: string | null
}
