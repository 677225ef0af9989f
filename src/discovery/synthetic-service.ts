/**
 * A service with its endpoints as the ServiceEntry that carries it over discovery, and back, whole: what a ServiceEntry
 * cannot say stands in one annotation. Entries without it are other people's and none of this file's business.
 */
import type { RawResource, ResourceMeta } from '../policy/resource.ts'
import type { PortProtocol, Service, ServiceEndpoint } from '../policy/service.ts'

/** JSON of `Rest`. */
export const serviceAnnotation = 'sallyport.dev/service'

/** What a ServiceEntry has no field for, or a field that means less. */
interface Rest {
  readonly name: string
  readonly headless: boolean
  readonly resolution: Service['resolution']
  readonly protocols: readonly PortProtocol[]
  readonly portNames: readonly string[]
  /** Positions of endpoints that are not ready. */
  readonly notReady: readonly number[]
}

interface EntrySpec {
  readonly hosts?: readonly string[]
  readonly addresses?: readonly string[]
  readonly ports?: readonly { readonly number?: number; readonly name?: string }[]
  readonly location?: Service['location']
  readonly endpoints?: readonly EntryEndpoint[]
  readonly exportTo?: readonly string[]
  readonly subjectAltNames?: readonly string[]
}

interface EntryEndpoint {
  readonly address?: string
  readonly ports?: Readonly<Record<string, number>>
  readonly labels?: Readonly<Record<string, string>>
  readonly weight?: number
  readonly serviceAccount?: string
}

const protocolNames: Readonly<Record<PortProtocol, string>> = {
  http: 'HTTP',
  http2: 'HTTP2',
  grpc: 'GRPC',
  tcp: 'TCP',
  tls: 'TLS',
  auto: '',
}

export interface SyntheticEntry {
  readonly meta: ResourceMeta
  readonly spec: Readonly<Record<string, unknown>>
  readonly notes: Readonly<Record<string, string>>
}

export function toServiceEntry(service: Service): SyntheticEntry {
  const { meta, ports, endpoints } = service
  const nameOf = (number: number) => `port-${number}`
  const spec = {
    hosts: [service.hostname],
    addresses: service.addresses,
    ports: ports.map((port) => ({
      number: port.number,
      name: nameOf(port.number),
      protocol: protocolNames[port.protocol],
    })),
    location: service.location,
    resolution: service.resolution === 'DNS' ? 'DNS' : 'STATIC',
    endpoints: endpoints.map((endpoint) => ({
      address: endpoint.address,
      ports: Object.fromEntries(
        Object.entries(endpoint.ports).map(([port, target]) => [`port-${port}`, target]),
      ),
      labels: endpoint.labels,
      weight: endpoint.weight,
      serviceAccount: endpoint.serviceAccount,
    })),
    exportTo: service.exportTo,
    subjectAltNames: service.subjectAltNames,
  }
  const rest: Rest = {
    name: meta.name,
    headless: service.headless,
    resolution: service.resolution,
    protocols: ports.map((port) => port.protocol),
    portNames: ports.map((port) => port.name),
    notReady: endpoints.flatMap((endpoint, at) => (endpoint.ready ? [] : [at])),
  }
  // One object of several hosts becomes several services; a host names one of them in its namespace.
  return {
    meta: { ...meta, name: service.hostname },
    spec,
    notes: { [serviceAnnotation]: JSON.stringify(rest) },
  }
}

/** The service that `toServiceEntry` was given; null when the document is no such entry or is damaged. */
export function fromServiceEntry(raw: RawResource, meta: ResourceMeta): Service | null {
  const text = meta.annotations[serviceAnnotation]
  const rest = text === undefined ? null : parseRest(text)
  if (rest === null) return null
  const spec = (raw.object['spec'] ?? {}) as EntrySpec
  const hostname = spec.hosts?.[0]
  const ports = spec.ports ?? []
  if (hostname === undefined || rest.protocols.length !== ports.length) return null
  const { [serviceAnnotation]: _rest, ...annotations } = meta.annotations
  return {
    meta: { ...meta, name: rest.name, annotations },
    hostname,
    addresses: spec.addresses ?? [],
    ports: ports.map((port, at) => ({
      number: port.number ?? 0,
      name: rest.portNames[at] ?? '',
      protocol: rest.protocols[at] ?? 'tcp',
    })),
    endpoints: (spec.endpoints ?? []).map((entry, at) => endpoint(entry, meta, !rest.notReady.includes(at))),
    resolution: rest.resolution,
    location: spec.location ?? 'MESH_EXTERNAL',
    headless: rest.headless,
    subjectAltNames: spec.subjectAltNames ?? [],
    exportTo: spec.exportTo ?? [],
  }
}

function endpoint(entry: EntryEndpoint, meta: ResourceMeta, ready: boolean): ServiceEndpoint {
  const ports = Object.entries(entry.ports ?? {}).map(([name, target]) => [
    name.replace(/^port-/, ''),
    target,
  ])
  return {
    address: entry.address ?? '',
    ports: Object.fromEntries(ports) as Record<string, number>,
    labels: entry.labels ?? {},
    namespace: meta.namespace,
    serviceAccount: entry.serviceAccount ?? null,
    weight: entry.weight ?? 0,
    ready,
  }
}

function parseRest(text: string): Rest | null {
  try {
    const rest = JSON.parse(text) as Partial<Rest>
    const whole =
      typeof rest.name === 'string' &&
      typeof rest.headless === 'boolean' &&
      ['NONE', 'STATIC', 'DNS'].includes(rest.resolution ?? '') &&
      Array.isArray(rest.protocols) &&
      rest.protocols.every((protocol) => Object.hasOwn(protocolNames, protocol as string)) &&
      Array.isArray(rest.portNames) &&
      Array.isArray(rest.notReady)
    return whole ? (rest as Rest) : null
  } catch {
    return null
  }
}
