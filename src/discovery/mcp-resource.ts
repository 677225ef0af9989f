/**
 * One configuration object in its envelope (istio.mcp.v1alpha1.Resource inside an Any, dataplane §10.4) and back to the
 * raw document it was. It decodes no spec; what stands in for a refused object is told by annotations.
 */
import type { AnyMessage } from '../proto/discovery-messages.ts'
import { loadProto } from '../proto/load-proto.ts'
import type { RawResource, ResourceMeta } from '../policy/resource.ts'
import { attachedAnnotation } from './legacy-annotation.ts'
import { decodeSpec, encodeSpec } from './proto-json.ts'
import { meshConfigType, policyType, type ResourceType } from './resource-type.ts'

/** On the stub of a refused object: why. Its body has a selector at most. */
export const quarantinedAnnotation = 'sallyport.dev/quarantined'
/** On a stub whose selector could not be read: it covers all that it may have been meant for. */
export const unknownScopeAnnotation = 'sallyport.dev/quarantined-scope'
/** On an object in force although a newer version of it was refused: why. */
export const newerRefusedAnnotation = 'sallyport.dev/newer-refused'

const resourceUrl = 'type.googleapis.com/istio.mcp.v1alpha1.Resource'

interface ResourceMessage {
  readonly metadata: {
    readonly name: string
    readonly create_time: { readonly seconds: number; readonly nanos: number } | null
    readonly version?: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  } | null
  readonly body: AnyMessage | null
}

export type Enveloped =
  { readonly ok: true; readonly any: AnyMessage } | { readonly ok: false; readonly reason: string }

/** `notes` are annotations of ours; the author's own of the same names do not travel. */
export function envelope(
  type: ResourceType,
  meta: ResourceMeta,
  spec: Readonly<Record<string, unknown>>,
  notes: Readonly<Record<string, string>>,
): Enveloped {
  const body = encodeSpec(type, spec)
  if (!body.ok) return body
  const bodyAny = { type_url: `type.googleapis.com/${type.message}`, value: body.bytes }
  if (type === meshConfigType) return { ok: true, any: bodyAny }
  const annotations: Record<string, string> = {}
  for (const [key, value] of Object.entries(meta.annotations)) {
    // The last applied text repeats the whole object, as it was written.
    if (key.startsWith('sallyport.dev/') || key.startsWith('kubectl.kubernetes.io/')) continue
    annotations[key] = value
  }
  const message: ResourceMessage = {
    metadata: {
      name: `${meta.namespace}/${meta.name}`,
      create_time: meta.createdAt === 0 ? null : timestamp(meta.createdAt),
      labels: meta.labels,
      annotations: { ...annotations, ...notes },
    },
    body: bodyAny,
  }
  return { ok: true, any: { type_url: resourceUrl, value: codec().encode(message) } }
}

/** The raw document of one resource of a response, or what is wrong with it. `origin` names the server. */
export function openEnvelope(type: ResourceType, any: AnyMessage, origin: string): RawResource | string {
  try {
    const wanted = `type.googleapis.com/${type.message}`
    if (type === meshConfigType) {
      if (any.type_url !== wanted) return `expected ${wanted}, got ${any.type_url}`
      const meta = { name: 'istio', namespace: '', labels: {}, annotations: {}, createdAt: 0, origin }
      return raw(type, meta, decodeSpec(type, any.value))
    }
    if (any.type_url !== resourceUrl) return `expected ${resourceUrl}, got ${any.type_url}`
    const { metadata, body } = codec().decode(any.value)
    if (metadata === null || body === null) return 'resource: expected metadata and body'
    if (body.type_url !== wanted) return `body: expected ${wanted}, got ${body.type_url}`
    const slash = metadata.name.indexOf('/')
    if (slash < 0) return 'metadata.name: expected NAMESPACE/NAME'
    const time = metadata.create_time
    const meta: ResourceMeta = {
      name: metadata.name.slice(slash + 1),
      namespace: metadata.name.slice(0, slash),
      labels: metadata.labels,
      // Targets of a policy are looked up by the control plane; one that does not tell what it found has said nothing.
      annotations: { ...(type === policyType ? { [attachedAnnotation]: '' } : {}), ...metadata.annotations },
      createdAt: time === null ? 0 : time.seconds * 1000 + Math.floor(time.nanos / 1e6),
      origin,
    }
    return raw(type, meta, decodeSpec(type, body.value))
  } catch (error) {
    return `resource: ${error instanceof Error ? error.message : String(error)}`
  }
}

function raw(type: ResourceType, meta: ResourceMeta, spec: Record<string, unknown>): RawResource {
  if (type === meshConfigType) {
    return { apiVersion: type.apiVersion, kind: type.kind, meta, object: spec }
  }
  const { name, namespace, labels, annotations, createdAt } = meta
  const creationTimestamp = createdAt === 0 ? {} : { creationTimestamp: new Date(createdAt).toISOString() }
  const metadata = { name, namespace, labels, annotations, ...creationTimestamp }
  const object = { apiVersion: type.apiVersion, kind: type.kind, metadata, spec }
  const unread =
    annotations[unknownScopeAnnotation] === undefined ? {} : { damage: 'scope could not be read' }
  return { apiVersion: type.apiVersion, kind: type.kind, meta, object, ...unread }
}

function timestamp(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanos: (ms - seconds * 1000) * 1e6 }
}

function codec() {
  return loadProto('mcp.proto').message<ResourceMessage>('istio.mcp.v1alpha1.Resource')
}
