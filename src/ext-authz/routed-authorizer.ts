/**
 * Finds authorizers where all other services are found: in the routes of the generation in force, with their load
 * balancing and their mTLS. It dials nothing; handshakes are handed in.
 */
import { pick } from '../cluster/load-balancer.ts'
import type { ClientTls, Endpoint } from '../cluster/endpoint.ts'
import type { Routes } from '../cluster/route.ts'
import type { Protection, ResolveAuthorizer } from './authorizer-target.ts'

export interface RoutedAuthorizers {
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Called per check for an endpoint that speaks TLS; null = it cannot be spoken to now. */
  readonly protection: (endpoint: Endpoint, tls: Secured, host: string) => Protection | null
}

type Secured = Extract<ClientTls, { readonly sni: string }>

export function routedAuthorizers(routes: Routes, deps: RoutedAuthorizers): ResolveAuthorizer {
  return (host, namespace, port) => {
    const cluster = routes.clusters.get(`outbound|${port}||${host}`)
    if (cluster === undefined) return null
    if (namespace !== null && cluster.service?.meta.namespace !== namespace) return null
    return {
      pick() {
        const endpoint = pick(cluster, deps.random)
        if (endpoint === null) return null
        const { address, port: endpointPort, tls } = endpoint
        if (tls.mode === 'refused') return null
        if (tls.mode === 'plaintext') return { address, port: endpointPort, protection: null }
        const protection = deps.protection(endpoint, tls, host)
        return protection === null ? null : { address, port: endpointPort, protection }
      },
    }
  }
}
