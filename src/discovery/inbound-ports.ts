/**
 * The ports on which services reach one workload, each with protocol, mode and the service it is counted under. It
 * opens nothing; ports that are not listed are served with the default mode.
 */
import { parseIp, sameIp, type Ip } from '../address/ip.ts'
import type { EffectiveMtls, PeerAuthentication } from '../policy/peer-authentication.ts'
import { selects } from '../policy/resource.ts'
import type { Service } from '../policy/service.ts'
import type { Workload } from '../policy/workload.ts'
import type { InboundPort } from './snapshot.ts'

/** Sorted by port. Of several services on one port the oldest wins (dataplane §8.1), then the first by name. */
export function inboundPorts(
  services: readonly Service[],
  peerAuthentications: readonly PeerAuthentication[],
  workload: Workload,
  modeOf: (port: number) => EffectiveMtls,
): InboundPort[] {
  const own = workload.addresses.map(parseIp).filter((ip) => ip !== null)
  const found = new Map<number, InboundPort>()
  for (const service of services.toSorted(olderFirst)) {
    for (const endpoint of service.endpoints) {
      // Addresses are shared on one host; namespaces are not.
      if (endpoint.namespace !== workload.namespace || !isOwn(own, endpoint.address)) continue
      for (const port of service.ports) {
        const target = endpoint.ports[String(port.number)] ?? port.number
        if (found.has(target)) continue
        const { hostname, meta } = service
        const behind = { hostname, name: meta.name, namespace: meta.namespace }
        found.set(target, { port: target, protocol: port.protocol, mtls: modeOf(target), service: behind })
      }
    }
  }
  for (const port of policyPorts(peerAuthentications, workload)) {
    if (!found.has(port)) found.set(port, { port, protocol: 'auto', mtls: modeOf(port), service: null })
  }
  return [...found.values()].toSorted((a, b) => a.port - b.port)
}

/** Ports of no service obey portLevelMtls too (policy-semantics §4.2), so they must be listed when their mode differs. */
function policyPorts(policies: readonly PeerAuthentication[], workload: Workload): number[] {
  return policies
    .filter(
      (policy) => policy.meta.namespace === workload.namespace && selects(policy.selector, workload.labels),
    )
    .flatMap(({ portLevel, legacy }) => [...Object.keys(portLevel).map(Number), ...(legacy?.ports ?? [])])
}

function isOwn(own: readonly Ip[], address: string): boolean {
  const ip = parseIp(address)
  return ip !== null && own.some((entry) => sameIp(entry, ip))
}

function olderFirst(a: Service, b: Service): number {
  if (a.meta.createdAt !== b.meta.createdAt) return a.meta.createdAt - b.meta.createdAt
  return a.meta.name < b.meta.name ? -1 : a.meta.name > b.meta.name ? 1 : 0
}
