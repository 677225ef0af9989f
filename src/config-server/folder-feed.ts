/**
 * The mesh's configuration folder as the source of a resource store: read, watched, decoded, the last good versions
 * kept. Proxies are no concern of it.
 */
import { assembleConfig } from '../discovery/assemble-config.ts'
import { ConfigFolder, type ConfigFolderOptions } from '../discovery/config-folder.ts'
import { loadLastGood, saveLastGood } from '../discovery/last-good.ts'
import type { ConfigFile } from '../discovery/read-folder.ts'
import { ResourceState, type ConfigState } from '../discovery/resource-state.ts'
import type { Clock } from '../lifecycle/clock.ts'
import { Latest } from '../lifecycle/latest.ts'
import type { MeshConfig } from '../policy/mesh-config.ts'
import type { ResourceStore } from './resource-store.ts'

export type FeedEvent = 'folder-trouble' | 'folder-back' | 'last-good-refused' | 'last-good-not-kept'

export interface FolderFeedDeps {
  readonly clock: Clock
  readonly store: ResourceStore
  readonly report?: (event: FeedEvent, detail: string) => void
}

export interface FolderFeedOptions extends ConfigFolderOptions {
  /** File that keeps last good versions across restarts, or null. */
  readonly lastGood: string | null
}

/** A control plane's copy is no workload's. */
const owner = 'mesh'

export class FolderFeed {
  /** What is in force, for status and for what else the control plane derives from it (the CA's trust domain). */
  readonly states = new Latest<ConfigState>()
  readonly #deps: FolderFeedDeps
  readonly #lastGood: string | null
  readonly #state = new ResourceState()
  #folder: ConfigFolder | null = null
  #saving: Promise<void> = Promise.resolve()

  private constructor(deps: FolderFeedDeps, lastGood: string | null) {
    this.#deps = deps
    this.#lastGood = lastGood
  }

  /** Resolves when the store holds the folder's content; rejects with ERR_DISCOVERY_FOLDER_* when it cannot be read. */
  static async open(root: string, deps: FolderFeedDeps, options: FolderFeedOptions): Promise<FolderFeed> {
    const feed = new FolderFeed(deps, options.lastGood)
    await feed.#restore()
    feed.#folder = await ConfigFolder.open(
      root,
      {
        clock: deps.clock,
        changed: (files) => feed.#apply(files),
        trouble: (reason) =>
          deps.report?.(reason === null ? 'folder-back' : 'folder-trouble', reason ?? root),
      },
      options,
    )
    try {
      feed.#apply(feed.#folder.files)
    } catch (error) {
      // A watch left open would keep a failed program alive.
      await feed.close()
      throw error
    }
    return feed
  }

  get mesh(): MeshConfig | null {
    return this.states.value?.mesh ?? null
  }

  async close(): Promise<void> {
    await this.#folder?.close()
    await this.#saving
  }

  #apply(files: readonly ConfigFile[]): void {
    const state = this.#state.apply(files)
    this.#deps.store.update(state, assembleConfig(state, []))
    this.states.set(state)
    const path = this.#lastGood
    if (path === null) return
    const kept = this.#state.kept()
    this.#saving = this.#saving
      .then(() => saveLastGood(path, owner, kept, this.#deps.clock.now()))
      .catch((error: unknown) => {
        const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
        this.#deps.report?.('last-good-not-kept', `${path}: ${code}`)
      })
  }

  async #restore(): Promise<void> {
    if (this.#lastGood === null) return
    const loaded = await loadLastGood(this.#lastGood, owner)
    if (loaded.ok) this.#state.restore(loaded.resources)
    else if (!loaded.reason.endsWith('ENOENT')) this.#deps.report?.('last-good-refused', loaded.reason)
  }
}
