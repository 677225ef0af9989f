/**
 * Service clusters by host name and port, as Istio's virtual hosts have them (dataplane §8.2). It reads the authority of
 * a request; what an unknown name means is `route.ts`'s answer.
 */
import { formatIp, parseIp } from '../address/ip.ts'
import type { Steps } from '../lifecycle/steps.ts'
import type { Service } from '../policy/service.ts'
import type { ServiceCluster } from './build-clusters.ts'

type ByPort = Map<number, ServiceCluster>

export class HostTable {
  readonly #exact = new Map<string, ByPort>()
  /** By what follows the star: `.example.com`; '' for `*`. */
  readonly #wildcard = new Map<string, ByPort>()

  private constructor() {}

  /** In order of precedence: the first cluster of a name and port stays. Each step is one name. */
  static *build(clusters: readonly ServiceCluster[], namespace: string, domain: string): Steps<HostTable> {
    const table = new HostTable()
    // Names as written first, so that a short form never takes a name from its owner.
    for (const entry of clusters) {
      const { hostname } = entry.service
      if (hostname.startsWith('*')) put(table.#wildcard, hostname.slice(1), entry)
      else put(table.#exact, hostname, entry)
      yield
    }
    for (const entry of clusters) {
      const { service } = entry
      for (const name of otherNames(service, namespace, domain)) put(table.#exact, name, entry)
      // Pods of a headless service have names of their own below it.
      if (service.headless) put(table.#wildcard, `.${service.hostname}`, entry)
      yield
    }
    return table
  }

  /** The longest name wins; the port written in the authority is ignored, `port` is the one dialled. */
  find(host: string, port: number): ServiceCluster | null {
    const name = host.endsWith('.') ? host.slice(0, -1) : host
    const exact = this.#exact.get(name)?.get(port) ?? this.#exact.get(canonicalIp(name))?.get(port)
    if (exact !== undefined) return exact
    if (this.#wildcard.size === 0) return null
    for (let dot = name.indexOf('.', 1); dot > 0; dot = name.indexOf('.', dot + 1)) {
      const found = this.#wildcard.get(name.slice(dot))?.get(port)
      if (found !== undefined) return found
    }
    return this.#wildcard.get('')?.get(port) ?? null
  }
}

/** Lower-case host of an authority without its port; IPv6 without brackets. */
export function hostOf(authority: string): string {
  const text = authority.toLowerCase()
  if (text.startsWith('[')) {
    const end = text.indexOf(']')
    return end < 0 ? text : text.slice(1, end)
  }
  const colon = text.indexOf(':')
  return colon < 0 || text.indexOf(':', colon + 1) >= 0 ? text : text.slice(0, colon)
}

function put(table: Map<string, ByPort>, name: string, entry: ServiceCluster): void {
  const ports = table.get(name) ?? new Map<number, ServiceCluster>()
  if (!ports.has(entry.cluster.port)) ports.set(entry.cluster.port, entry)
  table.set(name, ports)
}

/** Relative forms, the bare one only within the client's namespace, and the virtual addresses. */
function otherNames(service: Service, namespace: string, domain: string): string[] {
  const names = service.addresses.map(canonicalIp)
  const suffix = `.svc.${domain}`
  if (!service.hostname.endsWith(suffix)) return names
  const [name, owner, ...more] = service.hostname.slice(0, -suffix.length).split('.')
  if (name === undefined || name === '*' || owner === undefined || more.length > 0) return names
  if (owner === namespace) names.push(name)
  return [...names, `${name}.${owner}`, `${name}.${owner}.svc`]
}

function canonicalIp(text: string): string {
  const ip = parseIp(text)
  return ip === null ? text : formatIp(ip)
}
