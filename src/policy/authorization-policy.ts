/**
 * AuthorizationPolicy as an immutable value: what an operator may say about who may do what (policy-semantics §1).
 * Every field is decoded; judging requests by it is `authz/`'s work.
 */
import type { ResourceMeta, Selector } from './resource.ts'

export type Action = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM'

/** One field with its not-twin: any(values) AND NOT any(notValues); an empty side is skipped. */
export interface Values {
  readonly values: readonly string[]
  readonly notValues: readonly string[]
}

/** AND over its fields; null = the field and its twin are both absent. */
export interface Source {
  readonly principals: Values | null
  readonly requestPrincipals: Values | null
  readonly namespaces: Values | null
  /** Always `namespace/account`: the short form is completed with the policy's own namespace. */
  readonly serviceAccounts: Values | null
  readonly trustDomains: Values | null
  readonly ipBlocks: Values | null
  readonly remoteIpBlocks: Values | null
}

/** AND over its fields; null = the field and its twin are both absent. */
export interface Operation {
  readonly hosts: Values | null
  readonly ports: Values | null
  readonly methods: Values | null
  readonly paths: Values | null
}

export interface Condition extends Values {
  /** As written, validated: `source.ip`, `request.headers[X-Tier]`, `request.auth.claims[a][b]`, ... */
  readonly key: string
}

/** (OR over from) AND (OR over to) AND (AND over when); an empty list is no restriction. */
export interface Rule {
  readonly from: readonly Source[]
  readonly to: readonly Operation[]
  readonly when: readonly Condition[]
}

export interface AuthorizationPolicy {
  readonly meta: ResourceMeta
  readonly action: Action
  /** null = every workload in scope (own namespace, or the mesh for the root namespace). */
  readonly selector: Selector | null
  /** True when the object attaches by targetRefs: sidecars skip it (policy-semantics §4.1). */
  readonly targetsGateway: boolean
  readonly rules: readonly Rule[]
  /** CUSTOM only. */
  readonly provider: string | null
  /** `istio.io/dry-run: "true"`. */
  readonly dryRun: boolean
  /** Set on the fail-closed stub of an object that was refused: denies all it selects, with this reason. */
  readonly quarantined: string | null
}
