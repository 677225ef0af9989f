/**
 * A service as clients see it: Kubernetes Service + endpoints and ServiceEntry + WorkloadEntry become this one value
 * (dataplane §8). Plain and structured-cloneable; picking among endpoints is `cluster/`'s work.
 */
import type { ResourceMeta } from './resource.ts'

/** Declared protocol of a port; `auto` = undeclared, sniffed (dataplane §8.3). `tcp` stands for every opaque one. */
export type PortProtocol = 'http' | 'http2' | 'grpc' | 'tcp' | 'tls' | 'auto'

export interface ServicePort {
  /** Service port: what clients dial, what SNI and DestinationRule name. */
  readonly number: number
  readonly name: string
  readonly protocol: PortProtocol
}

export interface ServiceEndpoint {
  /** IP address text, a host name when resolution is DNS, or `unix://` path (refused for now). */
  readonly address: string
  /** Target port by service port number (decimal text): what this endpoint listens on, what policy keys on. */
  readonly ports: Readonly<Record<string, number>>
  readonly labels: Readonly<Record<string, string>>
  readonly namespace: string
  /** null = unknown: contributes no expected identity. */
  readonly serviceAccount: string | null
  readonly weight: number
  readonly ready: boolean
}

export interface Service {
  readonly meta: ResourceMeta
  /** Lower-case FQDN (`datastore.datastore-ns.svc.cluster.local`) or the ServiceEntry host, wildcard allowed. */
  readonly hostname: string
  /** Virtual IPs or CIDRs; empty for headless services and most ServiceEntries. */
  readonly addresses: readonly string[]
  readonly ports: readonly ServicePort[]
  readonly endpoints: readonly ServiceEndpoint[]
  readonly resolution: 'NONE' | 'STATIC' | 'DNS'
  readonly location: 'MESH_INTERNAL' | 'MESH_EXTERNAL'
  readonly headless: boolean
  /** ServiceEntry.subjectAltNames. */
  readonly subjectAltNames: readonly string[]
  /** Empty = visible everywhere; `.` own namespace; `*` all; or namespace names. */
  readonly exportTo: readonly string[]
}
