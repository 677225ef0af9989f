/**
 * Service clusters by destination address: virtual IPs, the endpoints' own addresses, ranges, and ports that a service
 * without any address claims (dataplane §8.1). It knows no host names.
 */
import { formatIp, parseIp } from '../address/ip.ts'
import { parseCidr } from '../address/cidr.ts'
import type { SocketAddress } from '../address/socket-address.ts'
import type { Steps } from '../lifecycle/steps.ts'
import type { PortProtocol } from '../policy/service.ts'
import type { ServiceCluster } from './build-clusters.ts'
import type { Cluster } from './cluster.ts'

/** One destination; `protocol` is what all its claimants declare, `auto` when they differ. */
interface Claim {
  readonly entry: ServiceCluster
  protocol: PortProtocol
}

export interface DirectEndpoint {
  readonly entry: ServiceCluster
  /** Exactly the one endpoint. */
  readonly cluster: Cluster
}

/** Two steps rather than one composed key: nothing is built to look something up. */
class ByPort<T> {
  readonly #table = new Map<string, Map<number, T>>()

  get(address: string, port: number): T | undefined {
    return this.#table.get(address)?.get(port)
  }

  set(address: string, port: number, value: T): void {
    const ports = this.#table.get(address) ?? new Map<number, T>()
    this.#table.set(address, ports.set(port, value))
  }

  get isEmpty(): boolean {
    return this.#table.size === 0
  }
}

export class AddressTable {
  readonly #virtual = new ByPort<Claim>()
  readonly #direct = new ByPort<DirectEndpoint>()
  /** By `network/length`. */
  readonly #ranges = new ByPort<Claim>()
  /** Prefix lengths in use, longest first: a look-up costs one step for each. */
  #lengths: { readonly 4: readonly number[]; readonly 6: readonly number[] } = { 4: [], 6: [] }
  /** Services without any address take every unknown destination on their port. */
  readonly #anywhere = new Map<number, Claim>()
  /** What could be spoken to an unknown destination on a port that some service has. */
  readonly #ports = new Map<number, PortProtocol>()

  private constructor() {}

  /**
   * In order of precedence; `own` are the workload's addresses, calls to which are not routed. Each step is one cluster
   * or endpoint.
   */
  static *build(clusters: readonly ServiceCluster[], own: readonly string[]): Steps<AddressTable> {
    const table = new AddressTable()
    const lengths = { 4: new Set<number>(), 6: new Set<number>() }
    for (const entry of clusters) {
      const { service, cluster, known } = entry
      for (const address of service.addresses) {
        const range = parseCidr(address)
        if (range === null) continue
        const { network, length } = range
        if (length === (network.family === 4 ? 32 : 128)) {
          claim(table.#virtual, formatIp(network), entry)
        } else {
          lengths[network.family].add(length)
          claim(table.#ranges, `${formatIp(network)}/${length}`, entry)
        }
      }
      for (const endpoint of known) {
        const ip = parseIp(endpoint.address)
        if (ip === null || own.includes(formatIp(ip))) continue
        if (table.#direct.get(formatIp(ip), endpoint.port) !== undefined) continue
        table.#direct.set(formatIp(ip), endpoint.port, { entry, cluster: cluster.only(endpoint) })
        yield
      }
      table.#claimPort(entry)
      yield
    }
    const longestFirst = (set: ReadonlySet<number>): number[] => [...set].sort((x, y) => y - x)
    table.#lengths = { 4: longestFirst(lengths[4]), 6: longestFirst(lengths[6]) }
    return table
  }

  /** The service whose virtual address this is. */
  virtual(destination: SocketAddress): ServiceCluster | null {
    return this.#virtual.get(destination.address, destination.port)?.entry ?? null
  }

  /** The endpoint that lives there. */
  direct(destination: SocketAddress): DirectEndpoint | null {
    return this.#direct.get(destination.address, destination.port) ?? null
  }

  /** The service with the narrowest range around it. */
  range(destination: SocketAddress): ServiceCluster | null {
    return this.#rangeClaim(destination)?.entry ?? null
  }

  /** A service of no address on this port. */
  anywhere(port: number): ServiceCluster | null {
    return this.#anywhere.get(port)?.entry ?? null
  }

  protocol(destination: SocketAddress): PortProtocol {
    const claimed = this.#virtual.get(destination.address, destination.port)
    if (claimed !== undefined) return claimed.protocol
    const direct = this.direct(destination)
    if (direct !== null) return direct.cluster.protocol
    return this.#rangeClaim(destination)?.protocol ?? this.#ports.get(destination.port) ?? 'tcp'
  }

  #rangeClaim({ address, port }: SocketAddress): Claim | null {
    if (this.#ranges.isEmpty) return null
    const ip = parseIp(address)
    if (ip === null) return null
    for (const length of this.#lengths[ip.family]) {
      const range = parseCidr(`${address}/${length}`)
      const found = range && this.#ranges.get(`${formatIp(range.network)}/${length}`, port)
      if (found) return found
    }
    return null
  }

  #claimPort(entry: ServiceCluster): void {
    const { service, cluster } = entry
    const placeless = service.addresses.length === 0 && !service.headless
    if (placeless && (cluster.protocol === 'tcp' || cluster.protocol === 'auto')) {
      if (!this.#anywhere.has(cluster.port))
        this.#anywhere.set(cluster.port, { entry, protocol: cluster.protocol })
    }
    // Opaque ports with an address listen on that address alone; HTTP ones share the port with everybody, so an
    // unknown destination there is sniffed: HTTP goes by its Host, the rest passes through.
    const spoken = isHttp(cluster.protocol) ? 'auto' : placeless ? cluster.protocol : null
    if (spoken === null) return
    const before = this.#ports.get(cluster.port)
    this.#ports.set(cluster.port, before === undefined ? spoken : merged(before, spoken))
  }
}

function claim(table: ByPort<Claim>, address: string, entry: ServiceCluster): void {
  const { port, protocol } = entry.cluster
  const before = table.get(address, port)
  if (before === undefined) table.set(address, port, { entry, protocol })
  else before.protocol = merged(before.protocol, entry.cluster.protocol)
}

const isHttp = (protocol: PortProtocol): boolean =>
  protocol === 'http' || protocol === 'http2' || protocol === 'grpc'

/** Two services on one address and port: the listener sniffs, unless they agree (dataplane §8.1). */
function merged(x: PortProtocol, y: PortProtocol): PortProtocol {
  if (x === y) return x
  return isHttp(x) && isHttp(y) ? 'http' : 'auto'
}
