/**
 * All that a data worker needs to know, as one immutable value: plain, structured-cloneable, replaced whole. Building
 * it is `build-snapshot.ts`'s work; compiling it to lookups is done by each worker, aside, before one pointer swaps.
 */
import type { AuthorizationPolicy } from '../policy/authorization-policy.ts'
import type { DestinationRule } from '../policy/destination-rule.ts'
import type { MeshConfig } from '../policy/mesh-config.ts'
import type { EffectiveMtls, PeerAuthentication } from '../policy/peer-authentication.ts'
import type { RequestAuthentication } from '../policy/request-authentication.ts'
import type { Quarantined } from '../policy/resource.ts'
import type { PortProtocol, Service } from '../policy/service.ts'
import type { TokenRefusal } from '../policy/token-refusal.ts'
import type { Workload } from '../policy/workload.ts'

/** One workload port as the inbound side serves it. */
export interface InboundPort {
  readonly port: number
  readonly protocol: PortProtocol
  readonly mtls: EffectiveMtls
  /** The service behind the port, for telemetry and cluster names; null for ports of no service. */
  readonly service: { readonly hostname: string; readonly name: string; readonly namespace: string } | null
}

/** Hashes of what is compiled together: equal ones are compiled once. */
export interface PartHashes {
  /** AuthorizationPolicies, and the mesh settings they are read with. */
  readonly policy: string
  /** RequestAuthentications, refused ones too. */
  readonly tokens: string
  /** Services, rules and modes by which they are called. */
  readonly routing: string
}

export interface Snapshot {
  /** Grows by one with every change that is a change. */
  readonly generation: number
  /** Hash of the content: equal content is no change. */
  readonly hash: string
  readonly parts: PartHashes
  readonly mesh: MeshConfig
  readonly workload: Workload
  /** Only those that apply to the workload. */
  readonly authorizationPolicies: readonly AuthorizationPolicy[]
  /** Only those that apply to the workload. */
  readonly requestAuthentications: readonly RequestAuthentication[]
  /** Only those that apply to the workload. */
  readonly tokenRefusals: readonly TokenRefusal[]
  /** All of them: clients need the servers' modes for auto-mTLS. */
  readonly peerAuthentications: readonly PeerAuthentication[]
  readonly destinationRules: readonly DestinationRule[]
  /** Only those visible to the workload. */
  readonly services: readonly Service[]
  readonly inboundPorts: readonly InboundPort[]
  /** Mode of every port that is not listed in inboundPorts. */
  readonly defaultMtls: EffectiveMtls
  readonly quarantine: readonly Quarantined[]
}
