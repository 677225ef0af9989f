/**
 * Kubernetes Services with their endpoints, and ServiceEntries with theirs, to the one Service value clients see
 * (dataplane §8). Pure and deterministic: the order of its input does not show in its output.
 */
import type { Selector } from './resource.ts'
import type { Service, ServiceEndpoint } from './service.ts'
import type { KubernetesService, KubernetesServicePort, Pod, ServiceEndpoints } from './service-source.ts'
import type { ServiceEntry, ServiceEntryPort, WorkloadEntry } from './service-source.ts'
import { entryIdentity, podIdentity, WorkloadDirectory } from './workload-directory.ts'

export interface ServiceSources {
  readonly services: readonly KubernetesService[]
  /** Endpoints and EndpointSlices; where a service has slices, its Endpoints object is their mirror and left out. */
  readonly endpoints: readonly ServiceEndpoints[]
  readonly pods: readonly Pod[]
  readonly serviceEntries: readonly ServiceEntry[]
  readonly workloadEntries: readonly WorkloadEntry[]
}

/** `domain` is the mesh's DNS suffix. Of two services with one hostname in one namespace the older is kept. */
export function assembleServices(sources: ServiceSources, domain: string): Service[] {
  const directory = new WorkloadDirectory(sources.pods, sources.workloadEntries)
  const endpoints = Map.groupBy(sources.endpoints, ({ meta, service }) => `${meta.namespace}/${service}`)
  const all = [
    ...sources.services.map((service) => {
      const own = endpoints.get(`${service.meta.namespace}/${service.meta.name}`) ?? []
      return fromKubernetes(service, own, directory, domain)
    }),
    ...sources.serviceEntries.flatMap((entry) => fromServiceEntry(entry, directory)),
  ]
  const kept = new Map<string, Service>()
  for (const service of all.toSorted(byAge)) {
    const key = `${service.meta.namespace}/${service.hostname}`
    if (!kept.has(key)) kept.set(key, service)
  }
  return [...kept.values()].toSorted(
    (x, y) => order(x.hostname, y.hostname) || order(x.meta.namespace, y.meta.namespace),
  )
}

const order = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0)

// A Kubernetes service goes before a ServiceEntry of the same age: it was not written to shadow anything.
function byAge(x: Service, y: Service): number {
  return (
    x.meta.createdAt - y.meta.createdAt ||
    Number(x.location === 'MESH_EXTERNAL') - Number(y.location === 'MESH_EXTERNAL') ||
    order(x.meta.name, y.meta.name) ||
    order(x.meta.origin, y.meta.origin)
  )
}

function fromKubernetes(
  service: KubernetesService,
  listed: readonly ServiceEndpoints[],
  directory: WorkloadDirectory,
  domain: string,
): Service {
  const { meta, ports, externalName } = service
  const base = {
    meta,
    hostname: `${meta.name}.${meta.namespace}.svc.${domain}`.toLowerCase(),
    addresses: service.addresses,
    ports: ports.map(({ number, name, protocol }) => ({ number, name, protocol })),
    subjectAltNames: [],
    exportTo: service.exportTo,
  }
  if (externalName !== null) {
    const numbers = Object.fromEntries(ports.map(({ number }) => [String(number), number]))
    const endpoints = [nameEndpoint(externalName, meta.namespace, numbers)]
    return {
      ...base,
      addresses: [],
      endpoints,
      resolution: 'DNS',
      location: 'MESH_EXTERNAL',
      headless: false,
    }
  }
  const slices = listed.filter(({ slice }) => slice)
  const found = (slices.length > 0 ? slices : listed).flatMap((one) => listedEndpoints(one, ports, directory))
  if (service.selector !== null) {
    if (listed.length === 0) found.push(...podEndpoints(service, service.selector, directory))
    const entries = directory.entriesOf(meta.namespace, service.selector)
    found.push(...entries.map((entry) => entryEndpoint(entry, ports)))
  }
  const endpoints = merged(found)
  return { ...base, endpoints, resolution: 'STATIC', location: 'MESH_INTERNAL', headless: service.headless }
}

/** Service ports meet endpoint ports by name; the number in the endpoints is the resolved target port. */
function listedEndpoints(
  listed: ServiceEndpoints,
  ports: readonly KubernetesServicePort[],
  directory: WorkloadDirectory,
): ServiceEndpoint[] {
  const { namespace } = listed.meta
  return listed.groups.flatMap((group) => {
    const targets = portMap(ports, ({ name }) =>
      Object.hasOwn(group.ports, name) ? group.ports[name] : undefined,
    )
    return group.addresses.map(({ address, ready, pod }) => ({
      address,
      ports: targets,
      ...directory.identify(address, pod, namespace),
      ready,
    }))
  })
}

function podEndpoints(
  service: KubernetesService,
  selector: Selector,
  directory: WorkloadDirectory,
): ServiceEndpoint[] {
  return directory.podsOf(service.meta.namespace, selector).flatMap((pod) => {
    const ports = portMap(service.ports, ({ target }) =>
      typeof target === 'number' ? target : Object.hasOwn(pod.ports, target) ? pod.ports[target] : undefined,
    )
    return podAddresses(pod, ports)
  })
}

const podAddresses = (pod: Pod, ports: Readonly<Record<string, number>>): ServiceEndpoint[] =>
  pod.addresses.map((address) => ({ address, ports, ...podIdentity(pod), ready: pod.ready }))

function entryEndpoint(
  entry: WorkloadEntry,
  ports: readonly (KubernetesServicePort | ServiceEntryPort)[],
): ServiceEndpoint {
  const targets = portMap(ports, (port) => workloadPort(entry.ports, port))
  return { address: entry.address, ports: targets, ...entryIdentity(entry), ready: true }
}

/** The workload's own word for the port by its name, else the service's target, else the service port. */
function workloadPort(
  own: Readonly<Record<string, number>>,
  { name, number, target }: KubernetesServicePort | ServiceEntryPort,
): number | undefined {
  if (Object.hasOwn(own, name)) return own[name]
  return typeof target === 'number' ? target : number
}

function fromServiceEntry(entry: ServiceEntry, directory: WorkloadDirectory): Service[] {
  const { meta, ports, resolution } = entry
  const endpoints: ServiceEndpoint[] = entry.endpoints.map((endpoint) => ({
    address: endpoint.address,
    ports: portMap(ports, (port) => workloadPort(endpoint.ports, port)),
    labels: endpoint.labels,
    namespace: meta.namespace,
    serviceAccount: endpoint.serviceAccount,
    weight: endpoint.weight,
    ready: true,
  }))
  const { workloadSelector } = entry
  if (workloadSelector !== null && resolution !== 'NONE') {
    const targets = portMap(ports, ({ target }) => target)
    endpoints.push(
      ...directory.podsOf(meta.namespace, workloadSelector).flatMap((pod) => podAddresses(pod, targets)),
    )
    const entries = directory.entriesOf(meta.namespace, workloadSelector)
    endpoints.push(...entries.map((one) => entryEndpoint(one, ports)))
  }
  const named = resolution === 'DNS' && entry.endpoints.length === 0 && workloadSelector === null
  return entry.hosts.map((host) => ({
    meta,
    hostname: host,
    addresses: entry.addresses,
    ports: ports.map(({ number, name, protocol }) => ({ number, name, protocol })),
    endpoints: named
      ? [
          nameEndpoint(
            host,
            meta.namespace,
            portMap(ports, ({ target }) => target),
          ),
        ]
      : merged(endpoints),
    resolution,
    location: entry.location,
    headless: false,
    subjectAltNames: entry.subjectAltNames,
    exportTo: entry.exportTo,
  }))
}

/** The host itself, to be resolved by DNS: of no known identity. */
function nameEndpoint(
  address: string,
  namespace: string,
  ports: Readonly<Record<string, number>>,
): ServiceEndpoint {
  return { address, ports, labels: {}, namespace, serviceAccount: null, weight: 1, ready: true }
}

function portMap<P extends { readonly number: number }>(
  ports: readonly P[],
  target: (port: P) => number | undefined,
): Record<string, number> {
  const result: Record<string, number> = {}
  for (const port of ports) {
    const number = target(port)
    if (number !== undefined) result[String(port.number)] = number
  }
  return result
}

/**
 * One endpoint a server, sorted. An address listed twice with ports that fit together (subsets, overlapping slices) is
 * one server with the ports of both, ready when either says so; ports that contradict each other are two servers (a
 * laptop has everything on 127.0.0.1). When one port is claimed by two identities, it has none.
 */
function merged(endpoints: readonly ServiceEndpoint[]): readonly ServiceEndpoint[] {
  const byAddress = new Map<string, ServiceEndpoint[]>()
  // Sorted whole first, so that which of two equals speaks for both does not hang on the order of the input.
  const keyed = endpoints.map((endpoint) => ({ endpoint, key: JSON.stringify(endpoint) }))
  for (const { endpoint: next } of keyed.toSorted((x, y) => order(x.key, y.key))) {
    const servers = byAddress.get(next.address) ?? []
    byAddress.set(next.address, servers)
    const index = servers.findIndex((server) => isSameServer(server, next))
    const known = servers[index]
    if (known === undefined) servers.push(next)
    else servers[index] = union(known, next)
  }
  return [...byAddress.values()].flat()
}

const agree = (x: ServiceEndpoint, y: ServiceEndpoint): boolean =>
  x.serviceAccount === y.serviceAccount && x.namespace === y.namespace

function isSameServer(x: ServiceEndpoint, y: ServiceEndpoint): boolean {
  const shared = Object.keys(x.ports).filter((port) => y.ports[port] !== undefined)
  return shared.every((port) => x.ports[port] === y.ports[port]) && (shared.length > 0 || agree(x, y))
}

function union(x: ServiceEndpoint, y: ServiceEndpoint): ServiceEndpoint {
  return {
    ...x,
    ports: { ...x.ports, ...y.ports },
    serviceAccount: agree(x, y) ? x.serviceAccount : null,
    ready: x.ready || y.ready,
  }
}
