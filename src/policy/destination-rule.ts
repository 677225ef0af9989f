/** The parts of DestinationRule that a sidecar client obeys, as an immutable value (policy-semantics §4.5, §4.6). */
import type { ResourceMeta, Selector } from './resource.ts'

export type ClientTlsMode = 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL'

export interface ClientTlsSettings {
  readonly mode: ClientTlsMode
  /** Paths of PEM files, MUTUAL only. */
  readonly clientCertificate: string | null
  readonly privateKey: string | null
  /** Path of a PEM file, or null for the system's roots (SIMPLE, MUTUAL). */
  readonly caCertificates: string | null
  readonly caCrl: string | null
  readonly credentialName: string | null
  readonly subjectAltNames: readonly string[]
  readonly sni: string | null
  readonly insecureSkipVerify: boolean
}

export interface TrafficPolicy {
  readonly tls: ClientTlsSettings | null
  /** `connectionPool.tcp.connectTimeout`, milliseconds. */
  readonly connectTimeoutMs: number | null
  /** `connectionPool.tcp.maxConnections` and `connectionPool.http.http1MaxPendingRequests`. */
  readonly maxConnections: number | null
  readonly maxPendingRequests: number | null
  readonly loadBalancer: 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM' | null
  /** Keyed by SERVICE port as decimal text; replaces the settings above as a whole for that port. */
  readonly ports: Readonly<Record<string, PortTrafficPolicy>>
}

export type PortTrafficPolicy = Omit<TrafficPolicy, 'ports'>

export interface Subset {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly trafficPolicy: TrafficPolicy | null
}

export interface DestinationRule {
  readonly meta: ResourceMeta
  /** Lower-case FQDN or wildcard; short names are completed with the rule's namespace and the mesh domain. */
  readonly host: string
  readonly trafficPolicy: TrafficPolicy | null
  readonly subsets: readonly Subset[]
  /** Empty = exported to all; `.` and `*` as in Istio. */
  readonly exportTo: readonly string[]
  readonly workloadSelector: Selector | null
  /** Set on the fail-closed stub of a refused object: dialling this host is refused. */
  readonly quarantined: string | null
  /** Paths of Istio settings that were accepted and have no effect here; shown as warnings, never silently dropped. */
  readonly notEvaluated?: readonly string[]
}
