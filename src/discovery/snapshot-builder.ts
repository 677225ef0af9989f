/**
 * From documents to published snapshots: which versions are in force, what they come to, whether that is a change; and
 * the copy on disk. Where the documents come from is the source's affair.
 */
import type { Clock } from '../lifecycle/clock.ts'
import type { Latest } from '../lifecycle/latest.ts'
import type { RawResource } from '../policy/resource.ts'
import type { Service } from '../policy/service.ts'
import type { Workload } from '../policy/workload.ts'
import { buildSnapshot } from './build-snapshot.ts'
import { assembleConfig } from './assemble-config.ts'
import { loadLastGood, saveLastGood, type KeptResource } from './last-good.ts'
import type { ConfigFile } from './read-folder.ts'
import { ResourceState, type ConfigState } from './resource-state.ts'
import type { Snapshot } from './snapshot.ts'
import { fromServiceEntry } from './synthetic-service.ts'

export type BuilderEvent = 'last-good-used' | 'last-good-refused' | 'last-good-not-kept'

export interface SnapshotBuilderDeps {
  readonly clock: Clock
  readonly snapshots: Latest<Snapshot>
  readonly report: (event: BuilderEvent, detail: string) => void
}

export interface SnapshotBuilderOptions {
  readonly workload: Workload
  /** Path of the copy on disk, or null. */
  readonly lastGood: string | null
  /** Documents come from a discovery server: services arrive assembled. */
  readonly fromServer: boolean
}

export class SnapshotBuilder {
  readonly #deps: SnapshotBuilderDeps
  readonly #options: SnapshotBuilderOptions
  readonly #state = new ResourceState()
  #snapshot: Snapshot | null = null
  #applied: ConfigState | null = null
  #fresh = false
  #fromDisk = false
  #changedAt = 0
  #saving: Promise<void> | null = null
  #unsaved: readonly KeptResource[] | null = null

  constructor(deps: SnapshotBuilderDeps, options: SnapshotBuilderOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** Whether documents of the source itself have been applied. */
  get fresh(): boolean {
    return this.#fresh
  }

  get fromDisk(): boolean {
    return this.#fromDisk
  }

  /** What the snapshot in force was built of: ignored objects and warnings too. */
  get state(): ConfigState | null {
    return this.#applied
  }

  get changedAt(): number {
    return this.#changedAt
  }

  /** All documents of the source as they are now. */
  apply(files: readonly ConfigFile[]): void {
    this.#fresh = true
    this.#fromDisk = false
    const changed = this.#publish(files)
    if (changed && this.#options.lastGood !== null) this.#save([...this.#state.kept(), ...synthetic(files)])
  }

  /** Publishes what an earlier process kept, unless the source was faster. */
  async useLastGood(): Promise<void> {
    const kept = await this.#load()
    if (kept === null || this.#fresh || this.#fromDisk) return
    this.#fromDisk = true
    const bySource = Map.groupBy(kept, ({ source }) => source)
    const files = [...bySource].map(([file, entries]) => ({
      file,
      resources: entries.map(({ resource }) => resource),
      problems: [],
    }))
    this.#publish(files)
    this.#deps.report('last-good-used', `${kept.length} objects`)
  }

  /** Makes what an earlier process kept the earlier version of each object; publishes nothing. */
  async restoreLastGood(): Promise<void> {
    const kept = await this.#load()
    if (kept !== null) this.#state.restore(kept)
  }

  async close(): Promise<void> {
    await this.#saving
  }

  #publish(files: readonly ConfigFile[]): boolean {
    const services: Service[] = []
    const others = files.map((file) => ({
      ...file,
      resources: file.resources.filter((raw) => {
        const service = this.#options.fromServer ? serviceOf(raw) : null
        if (service !== null) services.push(service)
        return service === null
      }),
    }))
    const state = this.#state.apply(others)
    this.#applied = state
    const config = assembleConfig(state, services)
    const snapshot = buildSnapshot(config, this.#options.workload, this.#snapshot)
    if (snapshot === this.#snapshot) return false
    this.#snapshot = snapshot
    this.#changedAt = this.#deps.clock.now()
    this.#deps.snapshots.set(snapshot)
    return true
  }

  async #load(): Promise<readonly KeptResource[] | null> {
    const path = this.#options.lastGood
    if (path === null) return null
    const loaded = await loadLastGood(path, this.#owner())
    if (loaded.ok) return loaded.resources
    if (!loaded.reason.endsWith('ENOENT')) this.#deps.report('last-good-refused', loaded.reason)
    return null
  }

  /** One write at a time, the newest content last. */
  #save(kept: readonly KeptResource[]): void {
    this.#unsaved = kept
    this.#saving ??= this.#saveAll().finally(() => (this.#saving = null))
  }

  async #saveAll(): Promise<void> {
    const path = this.#options.lastGood
    while (path !== null && this.#unsaved !== null) {
      const kept = this.#unsaved
      this.#unsaved = null
      try {
        await saveLastGood(path, this.#owner(), kept, this.#deps.clock.now())
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
        this.#deps.report('last-good-not-kept', `${path}: ${code}`)
      }
    }
  }

  #owner(): string {
    const { namespace, serviceAccount } = this.#options.workload
    return `${namespace}/${serviceAccount}`
  }
}

function serviceOf(raw: RawResource): Service | null {
  return raw.kind === 'ServiceEntry' ? fromServiceEntry(raw, raw.meta) : null
}

function synthetic(files: readonly ConfigFile[]): KeptResource[] {
  return files.flatMap(({ file, resources }) =>
    resources.filter((raw) => serviceOf(raw) !== null).map((resource) => ({ source: file, resource })),
  )
}
