/**
 * Services, DestinationRules and server modes to clusters: one for each service port, with its endpoints secured. It
 * decides no route; names and addresses are laid out in `host-table.ts` and `address-table.ts`.
 */
import type { Service } from '../policy/service.ts'
import { serviceTls, type MeshSecurity } from './client-tls.ts'
import { Cluster } from './cluster.ts'
import { portPolicy, type DestinationRules } from './destination-rule.ts'
import type { ClientTls, Endpoint } from './endpoint.ts'
import type { EndpointSet } from './endpoint-set.ts'

/** A cluster with what routing by address needs besides. */
export interface ServiceCluster {
  readonly service: Service
  readonly cluster: Cluster
  /** Every known endpoint, also those not ready: a call to the workload's own address reaches them. */
  readonly known: readonly Endpoint[]
  /** For addresses of the service that the registry does not know. */
  readonly unknownTls: ClientTls
}

/** Cluster and SNI name the service port, endpoints the target port (policy-semantics trap 22). */
export function buildClusters(
  service: Service,
  rules: DestinationRules,
  security: MeshSecurity,
  endpoints: EndpointSet,
): ServiceCluster[] {
  const rule = rules.find(service)
  return service.ports.map((port) => {
    // Subsets are chosen by routing rules, of which there are none: every route leads to the service itself.
    const policy = portPolicy(rule, port.number, '')
    const tls = serviceTls(service, port.number, '', rule, policy.tls, security)
    const known: Endpoint[] = []
    const ready: Endpoint[] = []
    const weights: number[] = []
    for (const source of service.endpoints) {
      const target = source.ports[String(port.number)]
      if (target === undefined) continue
      const way: ClientTls = source.address.startsWith('unix:')
        ? { mode: 'refused', reason: 'Unix socket endpoints are not dialled' }
        : tls.of(source)
      const endpoint = endpoints.take(source.address, target, way, source)
      known.push(endpoint)
      if (!source.ready || source.weight <= 0) continue
      ready.push(endpoint)
      weights.push(source.weight)
    }
    const cluster = new Cluster({
      name: `outbound|${port.number}||${service.hostname}`,
      kind: 'service',
      service,
      port: port.number,
      protocol: port.protocol,
      connectTimeoutMs: policy.connectTimeoutMs ?? security.mesh.connectTimeoutMs,
      endpoints: ready,
      weights: weights.every((weight) => weight === weights[0]) ? null : weights,
      loadBalancer: policy.loadBalancer ?? 'LEAST_REQUEST',
      maxConnections: policy.maxConnections,
      maxPendingRequests: policy.maxPendingRequests,
      dialByName: false,
    })
    return { service, cluster, known, unknownTls: tls.unknown }
  })
}
