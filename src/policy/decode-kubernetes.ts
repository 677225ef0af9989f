/**
 * Service, Endpoints, EndpointSlice and Pod: the corner of each that services are assembled from. They are whole API
 * objects written by Kubernetes, so fields not read here are ignored, and a bad address is left out rather than fatal.
 */
import { formatIp, parseIp } from '../address/ip.ts'
import { DecodeProblem } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { boolean, corner, integer, items, map, oneOf, optional, port, required } from '../decode/decode.ts'
import { string, strings } from '../decode/decode.ts'
import type { Fields } from '../decode/decode.ts'
import { decodeExportTo, hostPattern } from './names.ts'
import { portProtocol } from './port-protocol.ts'
import type { RawResource, ResourceMeta } from './resource.ts'
import type {
  EndpointAddress,
  EndpointGroup,
  KubernetesService,
  KubernetesServicePort,
} from './service-source.ts'
import type { Pod, ServiceEndpoints } from './service-source.ts'

const part = (raw: RawResource, key: string, wanted: readonly string[]): Fields =>
  optional(new Map([[key, raw.object[key] ?? {}]]), key, '', (input, at) => corner(input, at, wanted)) ??
  new Map()

const text = (fields: Fields, key: string, at: Path): string => optional(fields, key, at, string) ?? ''

export function decodeService(raw: RawResource, meta: ResourceMeta): KubernetesService {
  const at = 'spec'
  const spec = part(raw, at, ['clusterIP', 'clusterIPs', 'ports', 'selector', 'type', 'externalName'])
  const written = [text(spec, 'clusterIP', at), ...items(spec, 'clusterIPs', at, string)]
  const external = text(spec, 'type', at) === 'ExternalName'
  const selector = optional(spec, 'selector', at, strings)
  return {
    meta,
    addresses: [...new Set(written.flatMap((address) => canonical(address)))],
    headless: written.includes('None'),
    ports: items(spec, 'ports', at, servicePort).filter((entry) => entry !== null),
    selector: selector === null || Object.keys(selector).length === 0 ? null : selector,
    externalName: external ? required(spec, 'externalName', at, hostPattern) : null,
    exportTo: exportToAnnotation(meta),
  }
}

function exportToAnnotation(meta: ResourceMeta): readonly string[] {
  const written = meta.annotations['networking.istio.io/exportTo'] ?? ''
  const names = written.split(',').map((name) => name.trim())
  const at = 'metadata.annotations["networking.istio.io/exportTo"]'
  return written.trim() === '' ? [] : decodeExportTo(names, at, meta.namespace)
}

function servicePort(input: unknown, at: Path): KubernetesServicePort | null {
  const fields = corner(input, at, ['name', 'port', 'targetPort', 'protocol', 'appProtocol'])
  if (!isTcp(fields, at)) return null
  const name = text(fields, 'name', at)
  const number = required(fields, 'port', at, port)
  return {
    name,
    number,
    target: optional(fields, 'targetPort', at, targetPort) || number,
    protocol: portProtocol(optional(fields, 'appProtocol', at, string), name, number),
  }
}

const targetPort = (input: unknown, at: Path): number | string =>
  typeof input === 'string' && !/^\d+$/.test(input) ? input : integer(0, 65535)(input, at)

const isTcp = (fields: Fields, at: Path): boolean => (text(fields, 'protocol', at) || 'TCP') === 'TCP'

const canonical = (address: string): string[] => {
  const ip = parseIp(address)
  return ip === null ? [] : [formatIp(ip)]
}

export function decodeEndpoints(raw: RawResource, meta: ResourceMeta): ServiceEndpoints {
  const fields = corner(raw.object, '', ['subsets'])
  const groups = items(fields, 'subsets', '', (input, at) => {
    const subset = corner(input, at, ['addresses', 'notReadyAddresses', 'ports'])
    const read = (key: string, ready: boolean): EndpointAddress[] =>
      items(subset, key, at, (entry, path) => {
        const one = corner(entry, path, ['ip', 'targetRef'])
        const pod = optional(one, 'targetRef', path, (ref, where) => podName(ref, where, meta.namespace))
        return canonical(required(one, 'ip', path, string)).map((address) => ({ address, ready, pod }))
      }).flat()
    return {
      addresses: [...read('addresses', true), ...read('notReadyAddresses', false)],
      ports: ports(subset, at),
    }
  })
  return { meta, service: meta.name, slice: false, groups }
}

export function decodeEndpointSlice(raw: RawResource, meta: ResourceMeta): ServiceEndpoints {
  const service = meta.labels['kubernetes.io/service-name'] ?? ''
  const fields = corner(raw.object, '', ['addressType', 'endpoints', 'ports'])
  const kind = required(fields, 'addressType', '', oneOf(['IPv4', 'IPv6', 'FQDN']))
  const addresses = items(fields, 'endpoints', '', (input, at) => {
    const endpoint = corner(input, at, ['addresses', 'conditions', 'targetRef'])
    const pod = optional(endpoint, 'targetRef', at, (ref, where) => podName(ref, where, meta.namespace))
    const ready = optional(endpoint, 'conditions', at, (conditions, where) =>
      optional(corner(conditions, where, ['ready']), 'ready', where, boolean),
    )
    // An unknown readiness is to be read as ready (Kubernetes API, EndpointConditions).
    const some = items(endpoint, 'addresses', at, string).flatMap((address) => canonical(address))
    return some.map((address) => ({ address, ready: ready ?? true, pod }))
  }).flat()
  // Names in a slice would need resolving on somebody's behalf; Istio leaves them out as well.
  const group: EndpointGroup = { addresses: kind === 'FQDN' ? [] : addresses, ports: ports(fields, '') }
  return { meta, service, slice: true, groups: [group] }
}

function ports(fields: Fields, at: Path): Record<string, number> {
  const result: Record<string, number> = {}
  items(fields, 'ports', at, (input, path) => {
    const one = corner(input, path, ['name', 'port', 'protocol'])
    const number = optional(one, 'port', path, port)
    const name = text(one, 'name', path)
    if (name === '__proto__') throw new DecodeProblem(path, 'the name "__proto__" is not allowed')
    if (isTcp(one, path) && number !== null) result[name] = number
  })
  return result
}

function podName(input: unknown, at: Path, namespace: string): string | null {
  const ref = corner(input, at, ['kind', 'name', 'namespace'])
  const own = (text(ref, 'namespace', at) || namespace) === namespace
  return text(ref, 'kind', at) === 'Pod' && own ? text(ref, 'name', at) || null : null
}

export function decodePod(raw: RawResource, meta: ResourceMeta): Pod {
  const spec = part(raw, 'spec', ['serviceAccountName', 'containers'])
  const status = part(raw, 'status', ['podIP', 'podIPs', 'conditions', 'phase'])
  const ips = items(status, 'podIPs', 'status', (input, at) => text(corner(input, at, ['ip']), 'ip', at))
  const named: Record<string, number> = {}
  items(spec, 'containers', 'spec', (container, at) =>
    items(corner(container, at, ['ports']), 'ports', at, (input, path) => {
      const one = corner(input, path, ['name', 'containerPort', 'protocol'])
      const name = text(one, 'name', path)
      if (name !== '' && name !== '__proto__' && isTcp(one, path)) {
        named[name] ??= required(one, 'containerPort', path, port)
      }
    }),
  )
  const phase = text(status, 'phase', 'status')
  // A pod that ended keeps its address in its status while somebody else may already have it.
  const ended = phase === 'Succeeded' || phase === 'Failed'
  const all = [text(status, 'podIP', 'status'), ...ips]
  return {
    meta,
    addresses: ended ? [] : [...new Set(all.flatMap((address) => canonical(address)))],
    serviceAccount: text(spec, 'serviceAccountName', 'spec') || 'default',
    ready: isReady(status),
    ports: named,
  }
}

/** Without a Ready condition (a hand-written pod has none) it is ready. */
function isReady(status: Fields): boolean {
  const conditions = items(status, 'conditions', 'status', (input, at) => map(input, at))
  const ready = conditions.find((condition) => condition['type'] === 'Ready')
  return ready === undefined || ready['status'] === 'True'
}
