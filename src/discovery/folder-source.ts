/**
 * Configuration from a folder, for a sidecar without a control plane: the folder's files, watched, as snapshots of one
 * workload. A folder that goes away later leaves the last snapshot in force.
 */
import type { Clock } from '../lifecycle/clock.ts'
import { Latest } from '../lifecycle/latest.ts'
import type { Workload } from '../policy/workload.ts'
import { ConfigFolder, type ConfigFolderOptions } from './config-folder.ts'
import type { ConfigSource, ConfigStatus } from './config-source.ts'
import type { ConfigState } from './resource-state.ts'
import type { Snapshot } from './snapshot.ts'
import { SnapshotBuilder, type BuilderEvent } from './snapshot-builder.ts'

export interface FolderSourceDeps {
  readonly clock: Clock
  readonly report?: (event: BuilderEvent | 'folder-trouble' | 'folder-back', detail: string) => void
}

export interface FolderSourceOptions extends ConfigFolderOptions {
  readonly workload: Workload
  /** File that keeps last good versions across restarts; null = they live as long as the process. */
  readonly lastGood: string | null
}

export class FolderSource implements ConfigSource {
  readonly snapshots: Latest<Snapshot>
  readonly #root: string
  readonly #builder: SnapshotBuilder
  #folder: ConfigFolder | null = null
  #trouble: string | null = null
  #rejected = 0

  private constructor(root: string, snapshots: Latest<Snapshot>, builder: SnapshotBuilder) {
    this.#root = root
    this.snapshots = snapshots
    this.#builder = builder
  }

  /** Resolves with the first snapshot published; rejects with ERR_DISCOVERY_FOLDER_* when the folder cannot be read. */
  static async open(
    root: string,
    deps: FolderSourceDeps,
    options: FolderSourceOptions,
  ): Promise<FolderSource> {
    const { clock, report = () => undefined } = deps
    const { workload, lastGood } = options
    const snapshots = new Latest<Snapshot>()
    const builder = new SnapshotBuilder(
      { clock, snapshots, report },
      { workload, lastGood, fromServer: false },
    )
    const source = new FolderSource(root, snapshots, builder)
    await builder.restoreLastGood()
    source.#folder = await ConfigFolder.open(
      root,
      {
        clock,
        changed: (files) => builder.apply(files),
        trouble: (reason) => {
          source.#trouble = reason
          if (reason !== null) source.#rejected += 1
          report(reason === null ? 'folder-back' : 'folder-trouble', reason ?? root)
        },
      },
      options,
    )
    try {
      builder.apply(source.#folder.files)
    } catch (error) {
      // A watch left open would keep a failed program alive.
      await source.close()
      throw error
    }
    return source
  }

  /** Objects in force, ignored ones and warnings, for status pages; null before the first. */
  get state(): ConfigState | null {
    return this.#builder.state
  }

  status(): ConfigStatus {
    return {
      source: this.#root,
      connected: this.#trouble === null,
      fromDisk: this.#builder.fromDisk,
      trouble: this.#trouble,
      changedAt: this.#builder.changedAt,
      rejected: this.#rejected,
    }
  }

  async close(): Promise<void> {
    await this.#folder?.close()
    await this.#builder.close()
  }
}
