/**
 * The objects services are assembled from, as immutable values: only the fields `assemble-services.ts` reads. They are
 * gone once a snapshot is built; clients see `service.ts`.
 */
import type { ResourceMeta, Selector } from './resource.ts'
import type { PortProtocol } from './service.ts'

export interface KubernetesServicePort {
  readonly name: string
  readonly number: number
  /** A number, or the name of a container port. */
  readonly target: number | string
  readonly protocol: PortProtocol
}

export interface KubernetesService {
  readonly meta: ResourceMeta
  /** ClusterIPs; empty when headless. */
  readonly addresses: readonly string[]
  readonly headless: boolean
  /** TCP ports only. */
  readonly ports: readonly KubernetesServicePort[]
  /** null = no selector: endpoints come from Endpoints or EndpointSlices alone. */
  readonly selector: Selector | null
  /** type ExternalName. */
  readonly externalName: string | null
  /** Annotation networking.istio.io/exportTo. */
  readonly exportTo: readonly string[]
}

export interface EndpointAddress {
  readonly address: string
  readonly ready: boolean
  /** Name of the pod behind it, in the namespace of the object. */
  readonly pod: string | null
}

/** One Endpoints subset or one EndpointSlice: every address listens on every port. */
export interface EndpointGroup {
  readonly addresses: readonly EndpointAddress[]
  /** Port number by Service port name ('' for an unnamed one); TCP only. */
  readonly ports: Readonly<Record<string, number>>
}

/** Endpoints (its own name is the service's) or an EndpointSlice (a label says whose it is). */
export interface ServiceEndpoints {
  readonly meta: ResourceMeta
  readonly service: string
  readonly slice: boolean
  readonly groups: readonly EndpointGroup[]
}

export interface Pod {
  readonly meta: ResourceMeta
  /** Canonical text; empty before the pod has one. */
  readonly addresses: readonly string[]
  readonly serviceAccount: string
  readonly ready: boolean
  /** Container port by name. */
  readonly ports: Readonly<Record<string, number>>
}

export interface WorkloadEntry {
  readonly meta: ResourceMeta
  /** IP, or a host name where a service resolves by DNS. */
  readonly address: string
  /** Port number by service port name. */
  readonly ports: Readonly<Record<string, number>>
  /** spec.labels over metadata.labels. */
  readonly labels: Readonly<Record<string, string>>
  readonly serviceAccount: string | null
  readonly weight: number
}

export interface ServiceEntryPort {
  readonly name: string
  readonly number: number
  readonly target: number
  readonly protocol: PortProtocol
}

export interface ServiceEntry {
  readonly meta: ResourceMeta
  readonly hosts: readonly string[]
  readonly addresses: readonly string[]
  readonly ports: readonly ServiceEntryPort[]
  readonly location: 'MESH_INTERNAL' | 'MESH_EXTERNAL'
  readonly resolution: 'NONE' | 'STATIC' | 'DNS'
  readonly endpoints: readonly Omit<WorkloadEntry, 'meta'>[]
  readonly workloadSelector: Selector | null
  readonly subjectAltNames: readonly string[]
  readonly exportTo: readonly string[]
}
