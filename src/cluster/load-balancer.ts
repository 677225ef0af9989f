/**
 * Chooses one endpoint of a cluster for one request or connection. It reads in-flight counts and never writes them;
 * chance is handed in.
 */
import type { Cluster } from './cluster.ts'
import type { Endpoint } from './endpoint.ts'

// As Envoy's `host_selection_retry_max_attempts` under Istio (dataplane §8.5).
const attempts = 5

/**
 * `random` is uniform in [0, 1). Endpoints in `exclude` (those a retry has tried) are avoided, but when there is no
 * other one of them is taken again; null only when the cluster has no endpoint.
 */
export function pick(
  cluster: Cluster,
  random: () => number,
  exclude: Endpoint | readonly Endpoint[] = [],
): Endpoint | null {
  const { endpoints } = cluster
  if (endpoints.length === 0) return null
  if (endpoints.length === 1) return endpoints[0] as Endpoint
  const avoid: readonly Endpoint[] = Array.isArray(exclude) ? exclude : [exclude as Endpoint]
  for (let i = 0; i < attempts; i++) {
    const endpoint = choose(cluster, random)
    if (!avoid.includes(endpoint)) return endpoint
  }
  return endpoints.find((endpoint) => !avoid.includes(endpoint)) ?? choose(cluster, random)
}

function choose(cluster: Cluster, random: () => number): Endpoint {
  const { endpoints, weights } = cluster
  const at = (index: number): Endpoint => endpoints[index] as Endpoint
  if (cluster.loadBalancer === 'ROUND_ROBIN' && weights === null) {
    const index = cluster.cursor % endpoints.length
    cluster.cursor = index + 1
    return at(index)
  }
  const first = weights === null ? Math.floor(random() * endpoints.length) : weighted(weights, random())
  if (cluster.loadBalancer !== 'LEAST_REQUEST') return at(first)
  const second = weights === null ? another(endpoints.length, first, random()) : weighted(weights, random())
  return at(second).inFlight < at(first).inFlight ? at(second) : at(first)
}

/** One of the other indexes, all alike. */
function another(count: number, first: number, chance: number): number {
  const index = Math.floor(chance * (count - 1))
  return index < first ? index : index + 1
}

function weighted(weights: readonly number[], chance: number): number {
  let left = chance * weights.reduce((sum, weight) => sum + weight, 0)
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i] as number
    if (left < 0) return i
  }
  return weights.findLastIndex((weight) => weight > 0)
}
