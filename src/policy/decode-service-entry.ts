/** ServiceEntry and WorkloadEntry, unknown to typed; making services of them is `assemble-services.ts`'s work. */
import { parseCidr } from '../address/cidr.ts'
import { formatIp, parseIp } from '../address/ip.ts'
import { DecodeProblem, expected, quoted } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { integer, items, mapOf, nonEmptyString, oneOf, optional, port } from '../decode/decode.ts'
import { record, required, string, strings } from '../decode/decode.ts'
import type { Decoder, Fields } from '../decode/decode.ts'
import { specFields } from './decode-meta.ts'
import { decodeLabelSelector } from './decode-selector.ts'
import { decodeExportTo, hostPattern, isHost } from './names.ts'
import { namedProtocol, portProtocol } from './port-protocol.ts'
import type { RawResource, ResourceMeta } from './resource.ts'
import type { ServiceEntry, ServiceEntryPort, WorkloadEntry } from './service-source.ts'

const workloadFields = ['address', 'ports', 'labels', 'network', 'locality', 'weight', 'serviceAccount']

export function decodeWorkloadEntry(raw: RawResource, meta: ResourceMeta): WorkloadEntry {
  const workload = decodeWorkload(specFields(raw, workloadFields), 'spec')
  return { meta, ...workload, labels: { ...meta.labels, ...workload.labels } }
}

function decodeWorkload(fields: Fields, at: Path): Omit<WorkloadEntry, 'meta'> {
  return {
    address: required(fields, 'address', at, endpointAddress),
    ports: optional(fields, 'ports', at, mapOf(port)) ?? {},
    labels: optional(fields, 'labels', at, strings) ?? {},
    serviceAccount: optional(fields, 'serviceAccount', at, string) || null,
    weight: optional(fields, 'weight', at, integer(0, 2 ** 32 - 1)) || 1,
  }
}

function endpointAddress(input: unknown, at: Path): string {
  const text = string(input, at)
  if (text.startsWith('unix://')) throw new DecodeProblem(at, 'unix:// addresses are not supported')
  const ip = parseIp(text)
  if (ip !== null) return formatIp(ip)
  // Four numbers that are no address (999.1.1.1) are a slip, not a name.
  if (!isHost(text.toLowerCase(), false) || /^[\d.]+$/.test(text)) {
    throw expected('an IP address or a host name', input, at)
  }
  return text.toLowerCase()
}

export function decodeServiceEntry(raw: RawResource, meta: ResourceMeta): ServiceEntry {
  const spec = specFields(raw, [
    'hosts',
    'addresses',
    'ports',
    'location',
    'resolution',
    'endpoints',
    'workloadSelector',
    'exportTo',
    'subjectAltNames',
  ])
  const at = 'spec'
  const entry: ServiceEntry = {
    meta,
    hosts: items(spec, 'hosts', at, serviceHost),
    addresses: items(spec, 'addresses', at, serviceAddress),
    ports: servicePorts(spec, at),
    location: optional(spec, 'location', at, oneOf(['MESH_EXTERNAL', 'MESH_INTERNAL'])) ?? 'MESH_EXTERNAL',
    resolution: optional(spec, 'resolution', at, resolution) ?? 'NONE',
    endpoints: items(spec, 'endpoints', at, (input, path) =>
      decodeWorkload(record(input, path, workloadFields), path),
    ),
    workloadSelector: optional(spec, 'workloadSelector', at, decodeLabelSelector),
    subjectAltNames: items(spec, 'subjectAltNames', at, nonEmptyString),
    exportTo:
      optional(spec, 'exportTo', at, (input, path) => decodeExportTo(input, path, meta.namespace)) ?? [],
  }
  refuseContradictions(entry)
  return entry
}

function serviceHost(input: unknown, at: Path): string {
  const host = hostPattern(input, at)
  if (host === '*') throw expected('a host name more specific than "*"', input, at)
  return host
}

function serviceAddress(input: unknown, at: Path): string {
  const text = string(input, at)
  const ip = parseIp(text)
  if (ip !== null) return formatIp(ip)
  if (parseCidr(text) === null) throw expected('an IP address or CIDR', input, at)
  return text
}

const resolution: Decoder<ServiceEntry['resolution']> = (input, at) => {
  if (input === 'DYNAMIC_DNS') throw new DecodeProblem(at, 'DYNAMIC_DNS is not supported')
  const named = oneOf(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN'])(input, at)
  return named === 'DNS_ROUND_ROBIN' ? 'DNS' : named
}

function servicePorts(spec: Fields, at: Path): readonly ServiceEntryPort[] {
  const numbers = new Set<number>()
  const names = new Set<string>()
  const ports = items(spec, 'ports', at, (input, path) => {
    const fields = record(input, path, ['number', 'protocol', 'name', 'targetPort'])
    const number = required(fields, 'number', path, port)
    const name = required(fields, 'name', path, nonEmptyString)
    if (numbers.has(number)) throw new DecodeProblem(`${path}.number`, `port ${number} is given twice`)
    if (names.has(name)) throw new DecodeProblem(`${path}.name`, `${quoted(name)} is given twice`)
    numbers.add(number)
    names.add(name)
    const protocol = optional(fields, 'protocol', path, string) ?? ''
    if (protocol.toUpperCase() === 'UDP') return null
    return {
      name,
      number,
      target: optional(fields, 'targetPort', path, port) ?? number,
      protocol: (protocol === '' ? null : namedProtocol(protocol)) ?? portProtocol(null, name, number),
    }
  })
  return ports.filter((entry) => entry !== null)
}

function refuseContradictions(entry: ServiceEntry): void {
  if (entry.hosts.length === 0) throw new DecodeProblem('spec.hosts', 'must not be empty')
  if (entry.workloadSelector !== null && entry.endpoints.length > 0) {
    throw new DecodeProblem('spec', 'only one of endpoints and workloadSelector can be set')
  }
  if (entry.resolution === 'NONE' && entry.endpoints.length > 0) {
    throw new DecodeProblem('spec.endpoints', 'must not be set with resolution NONE')
  }
  if (entry.resolution === 'STATIC') {
    entry.endpoints.forEach(({ address }, index) => {
      if (parseIp(address) === null) {
        throw expected('an IP address with resolution STATIC', address, `spec.endpoints[${index}].address`)
      }
    })
  }
  if (entry.resolution === 'DNS' && entry.endpoints.length === 0 && entry.workloadSelector === null) {
    const wild = entry.hosts.findIndex((host) => host.startsWith('*'))
    if (wild >= 0)
      throw new DecodeProblem(`spec.hosts[${wild}]`, 'a wildcard cannot be resolved by DNS without endpoints')
  }
}
