/** PeerAuthentication as an immutable value (policy-semantics §4.2); who wins is decided in `peer-mode.ts`. */
import type { LegacyScope } from './legacy-scope.ts'
import type { ResourceMeta, Selector } from './resource.ts'

export type MtlsMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT'
/** What is left after inheritance. */
export type EffectiveMtls = 'DISABLE' | 'PERMISSIVE' | 'STRICT'

export interface PeerAuthentication {
  readonly meta: ResourceMeta
  readonly selector: Selector | null
  readonly mode: MtlsMode
  /** Keyed by workload (target) port as decimal text. */
  readonly portLevel: Readonly<Record<string, MtlsMode>>
  /** Set on the fail-closed stub of a refused object: STRICT for what it selects. */
  readonly quarantined: string | null
  /** null for the modern kind; else `mode` is for the ports of this scope, and nothing is inherited. */
  readonly legacy: LegacyScope | null
}
