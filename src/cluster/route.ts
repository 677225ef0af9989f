/**
 * Where outbound traffic goes: built once a snapshot, then looked up by request authority or by destination address at
 * a cost that does not grow with the number of services. It opens no connection and resolves no name.
 */
import { formatIp, parseIp } from '../address/ip.ts'
import type { SocketAddress } from '../address/socket-address.ts'
import { sortInSteps } from '../lifecycle/sort-in-steps.ts'
import { runAtOnce, type Steps } from '../lifecycle/steps.ts'
import type { DestinationRule } from '../policy/destination-rule.ts'
import type { MeshConfig } from '../policy/mesh-config.ts'
import type { PeerAuthentication } from '../policy/peer-authentication.ts'
import type { PortProtocol, Service } from '../policy/service.ts'
import type { Workload } from '../policy/workload.ts'
import { AddressTable } from './address-table.ts'
import { buildClusters, type ServiceCluster } from './build-clusters.ts'
import { plaintext } from './client-tls.ts'
import { Cluster, type ClusterParts } from './cluster.ts'
import { DestinationRules } from './destination-rule.ts'
import { EndpointSet } from './endpoint-set.ts'
import { Endpoint, endpointKey, type ClientTls } from './endpoint.ts'
import { HostTable, hostOf } from './host-table.ts'

/** The parts of a snapshot that routing looks at. */
export interface RouteParts {
  readonly services: readonly Service[]
  readonly destinationRules: readonly DestinationRule[]
  readonly peerAuthentications: readonly PeerAuthentication[]
  readonly mesh: MeshConfig
  readonly workload: Workload
}

export class Routes {
  /** Every service cluster by name; the first in order of precedence where hostnames repeat. */
  readonly clusters: ReadonlyMap<string, Cluster>
  readonly blackHole: Cluster
  readonly #hosts: HostTable
  readonly #addresses: AddressTable
  readonly #endpoints: EndpointSet
  readonly #mesh: MeshConfig

  private constructor(
    clusters: ReadonlyMap<string, Cluster>,
    hosts: HostTable,
    addresses: AddressTable,
    endpoints: EndpointSet,
    mesh: MeshConfig,
  ) {
    this.clusters = clusters
    this.#hosts = hosts
    this.#addresses = addresses
    this.#endpoints = endpoints
    this.#mesh = mesh
    this.blackHole = placeless('BlackHoleCluster', 'blackhole', 0, mesh.connectTimeoutMs, [], false)
  }

  /** `previous` lends its equal endpoints, so that counts and pools outlive the change. */
  static build(parts: RouteParts, previous?: Routes | null): Routes {
    return runAtOnce(Routes.buildInSteps(parts, previous))
  }

  /** Nothing of `previous` changes before the last step. */
  static *buildInSteps(parts: RouteParts, previous?: Routes | null): Steps<Routes> {
    const { mesh, workload } = parts
    const endpoints = new EndpointSet(previous ? previous.#endpoints : null)
    const rules = yield* DestinationRules.build(parts.destinationRules, workload, mesh.rootNamespace)
    const built: ServiceCluster[] = []
    for (const service of yield* sortInSteps(parts.services, precedence(workload.namespace))) {
      built.push(...buildClusters(service, rules, parts, endpoints))
      yield
    }
    const clusters = new Map<string, Cluster>()
    for (const { cluster } of built) {
      if (!clusters.has(cluster.name)) clusters.set(cluster.name, cluster)
      yield
    }
    const hosts = yield* HostTable.build(built, workload.namespace, mesh.domain)
    const addresses = yield* AddressTable.build(built, workload.addresses)
    endpoints.seal()
    return new Routes(clusters, hosts, addresses, endpoints, mesh)
  }

  /**
   * For HTTP: by authority on the destination port. `originalDestination` is null in explicit-proxy mode, where `port`
   * is the one the client named; an unknown host is then dialled by name (`dialByName`), if unknown hosts may be.
   */
  byHost(authority: string, port: number, originalDestination: SocketAddress | null): Cluster {
    const host = hostOf(authority)
    if (originalDestination !== null) {
      // An undeclared port has one virtual host for all names: the address decides (dataplane §8.1).
      const virtual = this.#addresses.virtual(originalDestination)
      if (virtual?.cluster.protocol === 'auto') return this.#settle(virtual, originalDestination)
    }
    const named = this.#hosts.find(host, port)
    if (named !== null) {
      return originalDestination === null
        ? this.#byName(named, host, port)
        : this.#settle(named, originalDestination)
    }
    const allowed = this.#mesh.outboundTrafficPolicy === 'ALLOW_ANY'
    const ip = parseIp(host)
    const destination = originalDestination ?? (ip === null ? null : { address: formatIp(ip), port })
    if (destination === null) {
      return allowed && host !== '' ? this.#passthrough({ address: host, port }, true) : this.blackHole
    }
    // The client names the very address it calls: no name is claimed that could be a lie.
    if (ip !== null && formatIp(ip) === destination.address) return this.byAddress(destination)
    if (!allowed) return this.blackHole
    return this.#addresses.direct(destination)?.cluster ?? this.#passthrough(destination)
  }

  /**
   * For opaque connections: by destination. `sni` is that of the client's own TLS, when it was looked at: it finds
   * services declared TLS that have no address.
   */
  byAddress(destination: SocketAddress, sni = ''): Cluster {
    const virtual = this.#addresses.virtual(destination)
    if (virtual !== null) return this.#settle(virtual, destination)
    const direct = this.#addresses.direct(destination)
    if (direct !== null) return direct.cluster
    const range = this.#addresses.range(destination)
    if (range !== null) return this.#settle(range, destination)
    const named = sni === '' ? null : this.#hosts.find(sni.toLowerCase(), destination.port)
    if (named !== null && named.cluster.protocol === 'tls') return this.#settle(named, destination)
    const anywhere = this.#addresses.anywhere(destination.port)
    if (anywhere !== null) return this.#settle(anywhere, destination)
    return this.#mesh.outboundTrafficPolicy === 'ALLOW_ANY' ? this.#passthrough(destination) : this.blackHole
  }

  /** What to expect on a connection: `auto` = sniff, `tls` = look at the SNI, `tcp` = do not wait for first bytes. */
  protocolFor(destination: SocketAddress): PortProtocol {
    return this.#addresses.protocol(destination)
  }

  /** Headless and unresolved services go where the client's own resolver sent it (ORIGINAL_DST). */
  #settle(entry: ServiceCluster, destination: SocketAddress): Cluster {
    const { service, cluster } = entry
    if (!service.headless && service.resolution !== 'NONE') return cluster
    const { address, port } = destination
    const known = entry.known.find((endpoint) => endpoint.address === address && endpoint.port === port)
    return cluster.only(known ?? this.#loose(address, port, entry.unknownTls))
  }

  #byName(entry: ServiceCluster, host: string, port: number): Cluster {
    const { service, cluster } = entry
    if (service.resolution !== 'NONE' || service.headless) return cluster
    return cluster.only(this.#loose(host, port, entry.unknownTls), true)
  }

  #passthrough({ address, port }: SocketAddress, dialByName = false): Cluster {
    const endpoint = this.#loose(address, port, plaintext)
    return placeless(
      'PassthroughCluster',
      'passthrough',
      port,
      this.#mesh.connectTimeoutMs,
      [endpoint],
      dialByName,
    )
  }

  /** Not kept: clients choose these addresses, and a table of them would grow without end. */
  #loose(address: string, port: number, tls: ClientTls): Endpoint {
    return new Endpoint(address, port, tls, endpointKey(address, port, tls), null)
  }
}

function placeless(
  name: string,
  kind: ClusterParts['kind'],
  port: number,
  connectTimeoutMs: number,
  endpoints: readonly Endpoint[],
  dialByName: boolean,
): Cluster {
  return new Cluster({
    name,
    kind,
    service: null,
    port,
    protocol: 'auto',
    connectTimeoutMs,
    endpoints,
    weights: null,
    loadBalancer: 'LEAST_REQUEST',
    maxConnections: null,
    maxPendingRequests: null,
    dialByName,
  })
}

/** The client's namespace first, then the oldest: who wins where two services claim the same. */
function precedence(namespace: string): (x: Service, y: Service) => number {
  const own = ({ meta }: Service): number => (meta.namespace === namespace ? 0 : 1)
  return (x, y) =>
    own(x) - own(y) ||
    x.meta.createdAt - y.meta.createdAt ||
    compareText(x.meta.namespace + x.meta.name, y.meta.namespace + y.meta.name)
}

const compareText = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0)
