/**
 * Which version of each object is in force: the newest that decodes, else the last good one, else its fail-closed stub
 * (architecture §4). It remembers across changes; where documents come from and what is built of them is not its affair.
 */
import { decodeResource, type Decoded, type Refused } from '../policy/decode-resource.ts'
import { defaultMeshConfig } from '../policy/decode-mesh-config.ts'
import { failClosed } from '../policy/fail-closed.ts'
import type { MeshConfig } from '../policy/mesh-config.ts'
import type { Quarantined, RawResource } from '../policy/resource.ts'
import type { AttachedPolicy } from '../policy/legacy-attachment.ts'
import type { Entry } from './entry.ts'
import type { KeptResource } from './last-good.ts'
import { legacyInForce } from './legacy-in-force.ts'
import { newerRefusedAnnotation, quarantinedAnnotation } from './mcp-resource.ts'
import type { ConfigFile } from './read-folder.ts'

export interface ConfigState {
  readonly mesh: MeshConfig
  readonly entries: readonly Entry[]
  readonly quarantine: readonly Quarantined[]
  readonly ignored: readonly { readonly what: string; readonly origin: string }[]
  /** `origin: warning`. */
  readonly warnings: readonly string[]
  /** Legacy policies with the places they are in force at, by the entry's key. */
  readonly legacy: ReadonlyMap<string, AttachedPolicy>
}

interface Document {
  readonly source: string
  readonly raw: RawResource
}

const meshKey = 'MeshConfig'

export class ResourceState {
  /** The document of every object in force; of a stub the refused one, so that a stub outlives its file's breaking. */
  #held = new Map<string, Document>()
  #mesh: MeshConfig = defaultMeshConfig
  #decoded = new WeakMap<RawResource, { readonly mesh: MeshConfig; readonly decoded: Decoded }>()

  /** Takes over what an earlier process had in force; it counts as an earlier version of each object. */
  restore(kept: readonly KeptResource[]): void {
    for (const { source, resource } of kept) {
      const key = keyOf(resource)
      if (!this.#held.has(key)) this.#held.set(key, { source, raw: resource })
    }
  }

  /** The documents in force, for keeping; those of stubs too, or a restart would open what they close. */
  kept(): KeptResource[] {
    return [...this.#held.values()].map(({ source, raw }) => ({ source, resource: raw }))
  }

  apply(files: readonly ConfigFile[]): ConfigState {
    const quarantine: Quarantined[] = []
    const documents = this.#collect(files, quarantine)
    const held = new Map<string, Document>()
    const ignored: { what: string; origin: string }[] = []
    const warnings: string[] = []
    this.#mesh = this.#meshOf(documents)
    const entries: Entry[] = []
    for (const [key, document] of documents) {
      const decoded = this.#decode(document.raw, this.#mesh)
      if (decoded.kind === 'ignored') {
        ignored.push({ what: decoded.what, origin: decoded.origin })
      } else if (decoded.kind === 'refused') {
        const entry = this.#fallBack(key, document, decoded)
        held.set(key, entry)
        if (entry.quarantined !== null) quarantine.push(entry.quarantined)
        entries.push(entry)
      } else {
        held.set(key, document)
        warnings.push(...decoded.warnings.map((warning) => `${document.raw.meta.origin}: ${warning}`))
        entries.push({ key, ...document, decoded, quarantined: this.#newerRefused(document.raw, quarantine) })
      }
    }
    this.#held = held
    const legacy = legacyInForce(entries, this.#mesh.domain)
    quarantine.push(...legacy.quarantine)
    warnings.push(...legacy.warnings)
    return { mesh: this.#mesh, entries, quarantine, ignored, warnings, legacy: legacy.policies }
  }

  /** Every object's newest document; of a file with unreadable parts also those in force that are not to be seen. */
  #collect(files: readonly ConfigFile[], quarantine: Quarantined[]): Map<string, Document> {
    const documents = new Map<string, Document>()
    for (const { file, resources } of files) {
      for (const raw of resources) {
        const key = keyOf(raw)
        const before = documents.get(key)
        // As with `kubectl apply`, the later of two documents of one object wins; but not in silence.
        if (before !== undefined) {
          const reason = `declared again at ${raw.meta.origin}, which is in force`
          quarantine.push({ ...place(before.raw), reason, lastGood: true })
        }
        documents.set(key, { source: file, raw })
      }
    }
    for (const { file, problems } of files) {
      let carried = false
      if (problems.length > 0) {
        for (const [key, document] of this.#held) {
          if (document.source !== file || documents.has(key)) continue
          documents.set(key, document)
          carried = true
        }
      }
      for (const { origin, reason } of problems) {
        quarantine.push({ kind: 'Document', namespace: '', name: file, origin, reason, lastGood: carried })
      }
    }
    return documents
  }

  #meshOf(documents: ReadonlyMap<string, Document>): MeshConfig {
    const document = documents.get(meshKey)
    const tried = [document?.raw, this.#held.get(meshKey)?.raw]
    for (const raw of document === undefined ? [] : tried) {
      const decoded = raw === undefined ? null : this.#decode(raw, defaultMeshConfig)
      if (decoded?.kind === 'MeshConfig') return this.#same(decoded.value)
    }
    // A mesh.yaml that never was good has no good version to fall back to: what is in force stays.
    return document === undefined ? this.#same(defaultMeshConfig) : this.#mesh
  }

  /** The value in force when it is equal, so that what was decoded under it need not be decoded again. */
  #same(mesh: MeshConfig): MeshConfig {
    return JSON.stringify(mesh) === JSON.stringify(this.#mesh) ? this.#mesh : mesh
  }

  #fallBack(key: string, document: Document, refused: Refused): Entry {
    const held = this.#held.get(key)
    const decoded = held === undefined ? null : this.#decode(held.raw, this.#mesh)
    if (held === undefined || decoded === null || decoded.kind === 'ignored' || decoded.kind === 'refused') {
      return { key, ...document, decoded: refused, quarantined: refused.quarantined }
    }
    return {
      key,
      source: document.source,
      raw: held.raw,
      decoded,
      quarantined: { ...refused.quarantined, lastGood: true },
    }
  }

  /** A server says of an object that a newer version of it was refused. */
  #newerRefused(raw: RawResource, quarantine: Quarantined[]): Quarantined | null {
    const reason = raw.meta.annotations[newerRefusedAnnotation]
    if (reason === undefined) return null
    const quarantined = { ...place(raw), reason, lastGood: true }
    quarantine.push(quarantined)
    return quarantined
  }

  #decode(raw: RawResource, mesh: MeshConfig): Decoded {
    const known = this.#decoded.get(raw)
    if (known?.mesh === mesh) return known.decoded
    const decoded = refusedByServer(raw, mesh) ?? decodeResource(raw, mesh)
    this.#decoded.set(raw, { mesh, decoded })
    return decoded
  }
}

/**
 * A server's word that it refused the object; the body it sends serves the stub's scope only. Documents from files have
 * no annotations at this stage (raw-resource.ts), so nobody but a server can say it.
 */
function refusedByServer(raw: RawResource, mesh: MeshConfig): Refused | null {
  const reason = raw.meta.annotations[quarantinedAnnotation]
  if (reason === undefined) return null
  const quarantined = { ...place(raw), reason, lastGood: false }
  return { kind: 'refused', quarantined, stub: failClosed(raw, raw.meta, reason, mesh.domain) }
}

function place(raw: RawResource): Omit<Quarantined, 'reason' | 'lastGood'> {
  const { name, namespace, origin } = raw.meta
  return { kind: raw.kind, namespace, name, origin }
}

/** One object, whatever version of its API it is written in; the two ways to write a MeshConfig are one object. */
function keyOf(raw: RawResource): string {
  const { name, namespace } = raw.meta
  if (raw.kind === meshKey && raw.apiVersion === '') return meshKey
  if (raw.kind === 'ConfigMap' && name === 'istio') return meshKey
  const slash = raw.apiVersion.indexOf('/')
  return `${slash < 0 ? '' : raw.apiVersion.slice(0, slash)}/${raw.kind}/${namespace}/${name}`
}
