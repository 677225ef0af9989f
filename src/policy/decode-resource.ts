/**
 * The door of this room: one raw object in, one decoded value out, whatever the object is. It never throws; an object
 * that is refused comes back with its fail-closed stub, so that nobody has to invent one.
 */
import { attempt, DecodeProblem, quoted } from '../decode/decode-problem.ts'
import { corner, map, optional, string } from '../decode/decode.ts'
import type { AuthorizationPolicy } from './authorization-policy.ts'
import { decodeAuthorizationPolicy, dryRunAnnotation } from './decode-authorization-policy.ts'
import { decodeDestinationRule } from './decode-destination-rule.ts'
import { decodeEndpoints, decodeEndpointSlice, decodePod, decodeService } from './decode-kubernetes.ts'
import { decodeLegacyPolicy } from './decode-legacy-policy.ts'
import { decodeMeshConfig } from './decode-mesh-config.ts'
import { decodeMeta } from './decode-meta.ts'
import { decodePeerAuthentication } from './decode-peer-authentication.ts'
import { decodeRequestAuthentication } from './decode-request-authentication.ts'
import { decodeServiceEntry, decodeWorkloadEntry } from './decode-service-entry.ts'
import type { DestinationRule } from './destination-rule.ts'
import { failClosed } from './fail-closed.ts'
import type { Stub } from './fail-closed.ts'
import type { LegacyPolicy } from './legacy-policy.ts'
import type { MeshConfig } from './mesh-config.ts'
import { notEvaluated } from './not-evaluated.ts'
import type { PeerAuthentication } from './peer-authentication.ts'
import type { RequestAuthentication } from './request-authentication.ts'
import type { Quarantined, RawResource, ResourceMeta } from './resource.ts'
import type {
  KubernetesService,
  Pod,
  ServiceEndpoints,
  ServiceEntry,
  WorkloadEntry,
} from './service-source.ts'
import { readYaml } from './yaml-document.ts'

interface Of<Kind extends string, Value> {
  readonly kind: Kind
  readonly value: Value
  /** Legal and probably not meant, or accepted without effect here: `spec.selector: ...`. */
  readonly warnings: readonly string[]
}

export type Accepted =
  | Of<'AuthorizationPolicy', AuthorizationPolicy>
  | Of<'PeerAuthentication', PeerAuthentication>
  | Of<'RequestAuthentication', RequestAuthentication>
  | Of<'DestinationRule', DestinationRule>
  | Of<'Policy', LegacyPolicy>
  | Of<'MeshPolicy', LegacyPolicy>
  | Of<'ServiceEntry', ServiceEntry>
  | Of<'WorkloadEntry', WorkloadEntry>
  | Of<'Service', KubernetesService>
  | Of<'Endpoints', ServiceEndpoints>
  | Of<'EndpointSlice', ServiceEndpoints>
  | Of<'Pod', Pod>
  | Of<'MeshConfig', MeshConfig>

export interface Ignored {
  readonly kind: 'ignored'
  /** `apiVersion/kind` of the object. */
  readonly what: string
  readonly origin: string
}

export interface Refused {
  readonly kind: 'refused'
  readonly quarantined: Quarantined
  readonly stub: Stub | null
}

export type Decoded = Accepted | Ignored | Refused

const versions: Readonly<Record<string, readonly string[]>> = {
  'security.istio.io': ['v1', 'v1beta1'],
  'authentication.istio.io': ['v1alpha1'],
  'networking.istio.io': ['v1', 'v1beta1', 'v1alpha3'],
  'discovery.k8s.io': ['v1'],
  '': ['v1'],
}

type Decode = (raw: RawResource, meta: ResourceMeta, mesh: MeshConfig) => Accepted | Ignored

const kinds: ReadonlyMap<string, { readonly group: string; readonly decode: Decode }> = new Map(
  Object.entries({
    AuthorizationPolicy: { group: 'security.istio.io', decode: authorizationPolicy },
    PeerAuthentication: { group: 'security.istio.io', decode: peerAuthentication },
    RequestAuthentication: { group: 'security.istio.io', decode: requestAuthentication },
    Policy: { group: 'authentication.istio.io', decode: legacyPolicy },
    MeshPolicy: { group: 'authentication.istio.io', decode: legacyPolicy },
    DestinationRule: { group: 'networking.istio.io', decode: destinationRule },
    ServiceEntry: { group: 'networking.istio.io', decode: serviceEntry },
    WorkloadEntry: { group: 'networking.istio.io', decode: workloadEntry },
    Service: { group: '', decode: service },
    Endpoints: { group: '', decode: endpoints },
    Pod: { group: '', decode: pod },
    ConfigMap: { group: '', decode: configMap },
    EndpointSlice: { group: 'discovery.k8s.io', decode: endpointSlice },
  }),
)

/** `mesh` is read for the DNS domain that completes short hosts. */
export function decodeResource(raw: RawResource, mesh: MeshConfig): Decoded {
  try {
    return decide(raw, mesh)
  } catch (error) {
    // A defect of ours (or an exhausted stack) must close the object's scope like any other refusal.
    return refused(raw, raw.meta, `not decodable: ${quoted(String(error))}`, mesh)
  }
}

function decide(raw: RawResource, mesh: MeshConfig): Decoded {
  if (raw.kind === 'MeshConfig' && raw.apiVersion === '') return meshFile(raw, mesh)
  const known = kinds.get(raw.kind)
  const slash = raw.apiVersion.indexOf('/')
  const group = slash < 0 ? '' : raw.apiVersion.slice(0, slash)
  if (known === undefined || (group !== known.group && !misspelt(raw, group, known.group)))
    return ignored(raw)
  const read = attempt(() => decodeMeta(raw))
  const meta = read.ok ? read.value : raw.meta
  const refuse = (reason: string): Refused => refused(raw, meta, reason, mesh)
  if (raw.damage !== undefined) return refuse(raw.damage)
  if (group !== known.group || !(versions[group] ?? []).includes(raw.apiVersion.slice(slash + 1))) {
    const accepted = (versions[known.group] ?? []).map((version) =>
      `${known.group}/${version}`.replace(/^\//, ''),
    )
    return refuse(`apiVersion: expected one of ${accepted.join(', ')}, found ${quoted(raw.apiVersion)}`)
  }
  if (!read.ok) return refuse(read.reason)
  const decoded = attempt(() => known.decode(raw, meta, mesh))
  return decoded.ok ? decoded.value : refuse(decoded.reason)
}

// Other meshes have kinds of these names too; but a policy of nobody's group, or of a group that tries to be Istio's,
// is one of ours with a slip in it.
function misspelt(raw: RawResource, group: string, right: string): boolean {
  return right.endsWith('.istio.io') && (raw.apiVersion === '' || group === '' || group.includes('istio'))
}

function refused(raw: RawResource, meta: ResourceMeta, detail: string, mesh: MeshConfig): Refused {
  const { name, namespace, origin } = meta
  const reason =
    raw.kind === 'AuthorizationPolicy' ? `invalid policy ${name}.${namespace}: ${detail}` : detail
  return {
    kind: 'refused',
    quarantined: { kind: raw.kind, namespace, name, origin, reason, lastGood: false },
    stub: failClosed(raw, meta, reason, mesh.domain),
  }
}

const ignored = (raw: RawResource): Ignored => ({
  kind: 'ignored',
  what: `${raw.apiVersion}/${raw.kind}`.slice(0, 120),
  origin: raw.meta.origin,
})

const withoutEffect = (paths: readonly string[]): string[] =>
  paths.map((path) => `${path}: accepted without effect`)

function authorizationPolicy(raw: RawResource, meta: ResourceMeta): Accepted {
  const warnings: string[] = []
  const value = decodeAuthorizationPolicy(raw, meta, warnings)
  const [first, ...others] = notEvaluated(value)
  if (first !== undefined) {
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`
    throw new DecodeProblem('', `${first} is not evaluated yet${more}`)
  }
  return { kind: 'AuthorizationPolicy', value, warnings }
}

function peerAuthentication(raw: RawResource, meta: ResourceMeta): Accepted {
  refuseDryRun(meta)
  const warnings: string[] = []
  return { kind: 'PeerAuthentication', value: decodePeerAuthentication(raw, meta, warnings), warnings }
}

function requestAuthentication(raw: RawResource, meta: ResourceMeta): Accepted {
  refuseDryRun(meta)
  const warnings: string[] = []
  return { kind: 'RequestAuthentication', value: decodeRequestAuthentication(raw, meta, warnings), warnings }
}

function legacyPolicy(raw: RawResource, meta: ResourceMeta): Accepted {
  refuseDryRun(meta)
  const warnings: string[] = []
  const value = decodeLegacyPolicy(raw, meta, warnings)
  return { kind: raw.kind === 'MeshPolicy' ? 'MeshPolicy' : 'Policy', value, warnings }
}

function refuseDryRun(meta: ResourceMeta): void {
  if (meta.annotations[dryRunAnnotation] === undefined) return
  throw new DecodeProblem(`metadata.annotations["${dryRunAnnotation}"]`, 'is for AuthorizationPolicy only')
}

function destinationRule(raw: RawResource, meta: ResourceMeta, mesh: MeshConfig): Accepted {
  const warnings: string[] = []
  const value = decodeDestinationRule(raw, meta, mesh.domain, warnings)
  return {
    kind: 'DestinationRule',
    value,
    warnings: [...warnings, ...withoutEffect(value.notEvaluated ?? [])],
  }
}

function serviceEntry(raw: RawResource, meta: ResourceMeta): Accepted {
  return { kind: 'ServiceEntry', value: decodeServiceEntry(raw, meta), warnings: [] }
}

function workloadEntry(raw: RawResource, meta: ResourceMeta): Accepted {
  return { kind: 'WorkloadEntry', value: decodeWorkloadEntry(raw, meta), warnings: [] }
}

function service(raw: RawResource, meta: ResourceMeta): Accepted {
  return { kind: 'Service', value: decodeService(raw, meta), warnings: [] }
}

function endpoints(raw: RawResource, meta: ResourceMeta): Accepted {
  return { kind: 'Endpoints', value: decodeEndpoints(raw, meta), warnings: [] }
}

function endpointSlice(raw: RawResource, meta: ResourceMeta): Accepted {
  return { kind: 'EndpointSlice', value: decodeEndpointSlice(raw, meta), warnings: [] }
}

function pod(raw: RawResource, meta: ResourceMeta): Accepted {
  return { kind: 'Pod', value: decodePod(raw, meta), warnings: [] }
}

/** The ConfigMap `istio` with the key `mesh`; any other is none of our business. */
function configMap(raw: RawResource, meta: ResourceMeta): Accepted | Ignored {
  if (meta.name !== 'istio') return ignored(raw)
  const data = optional(corner(raw.object, '', ['data']), 'data', '', map) ?? {}
  if (data['mesh'] === undefined) return ignored(raw)
  const text = readYaml(string(data['mesh'], 'data.mesh'))
  if (text.problem !== null) {
    throw new DecodeProblem('data.mesh', `${text.problem.reason} (line ${text.problem.line + 1} of the text)`)
  }
  return meshConfig(text.value ?? {}, 'data.mesh')
}

function meshFile(raw: RawResource, mesh: MeshConfig): Decoded {
  const meta = { ...raw.meta, name: 'mesh' }
  if (raw.damage !== undefined) return refused(raw, meta, raw.damage, mesh)
  const decoded = attempt(() => meshConfig(raw.object, ''))
  return decoded.ok ? decoded.value : refused(raw, meta, decoded.reason, mesh)
}

function meshConfig(input: unknown, at: string): Accepted {
  const { value, notEvaluated: idle } = decodeMeshConfig(input, at)
  return { kind: 'MeshConfig', value, warnings: withoutEffect(idle) }
}
