/**
 * A group of endpoints that serve the same thing under the same rules: what a route leads to. Choosing among the
 * endpoints is `load-balancer.ts`'s work, dialling them the data plane's.
 */
import type { PortProtocol, Service } from '../policy/service.ts'
import type { Endpoint } from './endpoint.ts'

export type LoadBalancing = 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM'

export interface ClusterParts {
  readonly name: string
  readonly kind: 'service' | 'passthrough' | 'blackhole'
  readonly service: Service | null
  readonly port: number
  readonly protocol: PortProtocol
  readonly connectTimeoutMs: number
  readonly endpoints: readonly Endpoint[]
  /** By index of `endpoints`; null when all are equal. */
  readonly weights: readonly number[] | null
  readonly loadBalancer: LoadBalancing
  readonly maxConnections: number | null
  readonly maxPendingRequests: number | null
  readonly dialByName: boolean
}

export class Cluster {
  /** `outbound|PORT|SUBSET|HOST`, `PassthroughCluster` or `BlackHoleCluster`. */
  readonly name: string
  /** blackhole: refuse (HTTP 502, TCP close). passthrough: as asked for, no service known. */
  readonly kind: 'service' | 'passthrough' | 'blackhole'
  readonly service: Service | null
  /** Service port; the dialled port when there is no service. */
  readonly port: number
  readonly protocol: PortProtocol
  readonly connectTimeoutMs: number
  /** Ready ones only; empty = 503 UH. */
  readonly endpoints: readonly Endpoint[]
  readonly weights: readonly number[] | null
  readonly loadBalancer: LoadBalancing
  /** null = no limit. Counting is the data plane's, by cluster name. */
  readonly maxConnections: number | null
  readonly maxPendingRequests: number | null
  /** The endpoint's address is the host the client named: resolve it when dialling. */
  readonly dialByName: boolean
  /** Where ROUND_ROBIN stands. */
  cursor: number

  constructor(parts: ClusterParts) {
    this.name = parts.name
    this.kind = parts.kind
    this.service = parts.service
    this.port = parts.port
    this.protocol = parts.protocol
    this.connectTimeoutMs = parts.connectTimeoutMs
    this.endpoints = parts.endpoints
    this.weights = parts.weights
    this.loadBalancer = parts.loadBalancer
    this.maxConnections = parts.maxConnections
    this.maxPendingRequests = parts.maxPendingRequests
    this.dialByName = parts.dialByName
    this.cursor = 0
  }

  /** The same cluster reduced to one endpoint: a call that already chose by address. */
  only(endpoint: Endpoint, dialByName = false): Cluster {
    return new Cluster({ ...this, endpoints: [endpoint], weights: null, dialByName })
  }
}
