/**
 * What is distributed, by type and caller, ready to send: the objects in force in their envelopes, refused ones as
 * stubs. It says when something changed; who asks and whether he may is settled before.
 */
import { contentHash, type DecodedConfig } from '../discovery/build-snapshot.ts'
import { attachedAnnotation, attachedText } from '../discovery/legacy-annotation.ts'
import { legacySpec } from '../discovery/legacy-policy-spec.ts'
import { envelope, newerRefusedAnnotation } from '../discovery/mcp-resource.ts'
import { meshConfigSpec } from '../discovery/mesh-config-spec.ts'
import type { Entry } from '../discovery/entry.ts'
import type { ConfigState } from '../discovery/resource-state.ts'
import {
  meshConfigType,
  resourceTypes,
  serviceEntryType,
  type ResourceType,
} from '../discovery/resource-type.ts'
import { toServiceEntry } from '../discovery/synthetic-service.ts'
import { visibleTo } from '../discovery/visibility.ts'
import { failClosed } from '../policy/fail-closed.ts'
import type { Quarantined, ResourceMeta } from '../policy/resource.ts'
import type { AnyMessage } from '../proto/discovery-messages.ts'
import { mayKnow, rulePart } from './audience.ts'
import { stubEnvelope } from './stub-envelope.ts'
import type { TypeView } from './watch-stream.ts'

/** One resource and who may have it. */
interface Item {
  readonly any: AnyMessage
  readonly hash: string
  readonly seenBy: (namespace: string) => boolean
}

const nothing: TypeView = { version: 'empty', resources: [] }

export class ResourceStore {
  #items = new Map<string, readonly Item[]>()
  /** Views by namespace and type, made when asked for. */
  #views = new Map<string, TypeView>()
  #unsendable: readonly Quarantined[] = []
  readonly #listeners = new Set<() => void>()

  /** Objects in force that no message can carry: their stubs are sent (a reader of this list tells the operator). */
  get unsendable(): readonly Quarantined[] {
    return this.#unsendable
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  update(state: ConfigState, config: DecodedConfig): void {
    const unsendable: Quarantined[] = []
    const items = new Map<string, Item[]>()
    for (const type of resourceTypes) {
      items.set(
        type.typeUrl,
        type === meshConfigType
          ? meshItems(config)
          : type === serviceEntryType
            ? serviceItems(config, unsendable)
            : entryItems(type, state, config.mesh.rootNamespace, unsendable),
      )
    }
    this.#items = items
    this.#views = new Map()
    this.#unsendable = unsendable
    for (const listener of [...this.#listeners]) listener()
  }

  /** All that a caller of this namespace may see of a type; nothing of a type that is not distributed. */
  view(typeUrl: string, namespace: string): TypeView {
    const items = this.#items.get(typeUrl)
    if (items === undefined) return nothing
    const key = `${namespace}|${typeUrl}`
    const known = this.#views.get(key)
    if (known !== undefined) return known
    const seen = items.filter((item) => item.seenBy(namespace))
    const view = {
      version: contentHash(seen.map((item) => item.hash)),
      resources: seen.map((item) => item.any),
    }
    this.#views.set(key, view)
    return view
  }
}

function item(any: AnyMessage, seenBy: Item['seenBy']): Item {
  return { any, hash: contentHash([any.type_url, any.value.toString('base64')]), seenBy }
}

function meshItems(config: DecodedConfig): Item[] {
  const meta: ResourceMeta = {
    name: 'istio',
    namespace: '',
    labels: {},
    annotations: {},
    createdAt: 0,
    origin: '',
  }
  const made = envelope(meshConfigType, meta, meshConfigSpec(config.mesh), {})
  // meshConfigSpec writes only what the message has; failing to say it must not look like an empty mesh.
  if (!made.ok) throw new TypeError(made.reason)
  return [item(made.any, () => true)]
}

function serviceItems(config: DecodedConfig, unsendable: Quarantined[]): Item[] {
  return config.services.flatMap((service) => {
    const { meta, spec, notes } = toServiceEntry(service)
    const made = envelope(serviceEntryType, meta, spec, notes)
    if (!made.ok) {
      const { namespace, origin } = meta
      unsendable.push({
        kind: 'Service',
        namespace,
        name: meta.name,
        origin,
        reason: made.reason,
        lastGood: false,
      })
      return []
    }
    return [item(made.any, (namespace) => visibleTo(service.exportTo, meta.namespace, namespace))]
  })
}

function entryItems(type: ResourceType, state: ConfigState, root: string, unsendable: Quarantined[]): Item[] {
  const items: Item[] = []
  for (const entry of state.entries) {
    if (entry.raw.kind !== type.kind) continue
    const any = entryAny(type, entry, state, unsendable)
    if (any !== null) items.push(item(any, mayKnow(entry, root)))
    const part = partForOthers(type, entry, state)
    if (part !== null) items.push(part)
  }
  return items
}

/** What is left of an object for those who may not have all of it. */
function partForOthers(type: ResourceType, { key, decoded }: Entry, state: ConfigState): Item | null {
  if (decoded.kind === 'DestinationRule') {
    const { meta, host, exportTo } = decoded.value
    const bare = envelope(type, meta, { host, exportTo }, {})
    return bare.ok ? item(bare.any, (asking) => rulePart(decoded.value, asking) === 'host') : null
  }
  if (decoded.kind !== 'Policy') return null
  const { meta } = decoded.value
  const bare = envelope(type, meta, legacySpec(decoded.value, 'peers'), attachedNote(key, state))
  return bare.ok ? item(bare.any, (asking) => asking !== meta.namespace) : null
}

/** Where a legacy policy is in force: its receivers have no Services to look its targets up in. */
function attachedNote(key: string, { legacy }: ConfigState): Readonly<Record<string, string>> {
  const attached = legacy.get(key)
  return attached === undefined ? {} : { [attachedAnnotation]: attachedText(attached.attachments) }
}

function entryAny(
  type: ResourceType,
  { key, decoded, raw, quarantined }: Entry,
  state: ConfigState,
  unsendable: Quarantined[],
): AnyMessage | null {
  const attached = attachedNote(key, state)
  if (decoded.kind === 'refused')
    return stubEnvelope(type, decoded.stub, raw.meta, decoded.quarantined.reason, attached)
  const { meta } = decoded.value as { readonly meta: ResourceMeta }
  const spec =
    decoded.kind === 'Policy' || decoded.kind === 'MeshPolicy'
      ? legacySpec(decoded.value, 'all')
      : ((raw.object['spec'] ?? {}) as Readonly<Record<string, unknown>>)
  const notes = quarantined === null ? {} : { [newerRefusedAnnotation]: quarantined.reason }
  const made = envelope(type, meta, spec, { ...notes, ...attached })
  if (made.ok) return made.any
  const { name, namespace, origin } = meta
  unsendable.push({ kind: raw.kind, namespace, name, origin, reason: made.reason, lastGood: false })
  return stubEnvelope(
    type,
    failClosed(raw, meta, made.reason, state.mesh.domain),
    meta,
    made.reason,
    attached,
  )
}
