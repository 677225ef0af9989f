/**
 * A folder of configuration files, watched: says what is in it now and whenever that changes. It decodes nothing, and
 * while it runs an unreadable folder is reported and what was read last stands.
 */
import { watch, type FSWatcher } from 'chokidar'
import type { Clock, Timer } from '../lifecycle/clock.ts'
import { Debounce, pushDebounce, type DebounceOptions } from './debounce.ts'
import { DiscoveryError } from './discovery-error.ts'
import { FolderReader, type ConfigFile } from './read-folder.ts'

export interface ConfigFolderOptions {
  readonly debounce?: DebounceOptions
  /** Milliseconds between attempts to read a folder that became unreadable or cannot be watched. */
  readonly retryMs?: number
}

export interface ConfigFolderDeps {
  readonly clock: Clock
  /** Called with the files after every change that is one, never twice at once. */
  readonly changed: (files: readonly ConfigFile[]) => void
  /** Called when the folder became unreadable (a reason) or readable again (null). */
  readonly trouble: (reason: string | null) => void
}

export class ConfigFolder {
  readonly #root: string
  readonly #deps: ConfigFolderDeps
  readonly #reader: FolderReader
  readonly #debounce: Debounce
  readonly #retryMs: number
  #files: readonly ConfigFile[]
  #watcher: FSWatcher | null = null
  #retry: Timer | null = null
  #reading: Promise<void> | null = null
  #again = false
  #closed = false

  private constructor(
    root: string,
    reader: FolderReader,
    files: readonly ConfigFile[],
    deps: ConfigFolderDeps,
    options: ConfigFolderOptions,
  ) {
    this.#root = root
    this.#reader = reader
    this.#files = files
    this.#deps = deps
    this.#retryMs = options.retryMs ?? 2_000
    this.#debounce = new Debounce(deps.clock, options.debounce ?? pushDebounce, () => this.#refresh())
  }

  /** Resolves when the folder has been read and is being watched; rejects when it cannot be read. */
  static async open(
    root: string,
    deps: ConfigFolderDeps,
    options: ConfigFolderOptions = {},
  ): Promise<ConfigFolder> {
    const reader = new FolderReader(root)
    const files = await reader.read().catch((error: unknown) => {
      throw unreadable(root, error)
    })
    const folder = new ConfigFolder(root, reader, files, deps, options)
    await folder.#watch()
    // What changed between the first reading and the first watch would be missed otherwise.
    folder.#refresh()
    await folder.#reading
    return folder
  }

  /** The files as last read. */
  get files(): readonly ConfigFile[] {
    return this.#files
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#debounce.cancel()
    this.#retry?.cancel()
    await this.#watcher?.close()
    await this.#reading
  }

  async #watch(): Promise<void> {
    await this.#watcher?.close()
    if (this.#closed) return
    // Folders are watched, never a file's inode: a swapped link or a renamed file is an event of its folder.
    const watcher = watch(this.#root, { ignoreInitial: true, followSymlinks: true, depth: 32 })
    this.#watcher = watcher
    const touch = () => {
      if (!this.#closed) this.#debounce.touch()
    }
    watcher.on('all', touch)
    // Raw events too: the swap of `..data` changes no entry that the watcher itself would name.
    watcher.on('raw', touch)
    watcher.on('error', (error) => {
      this.#deps.trouble(`${this.#root} cannot be watched: ${reasonOf(error)}`)
      this.#retryLater()
    })
    await new Promise<void>((resolve) => {
      watcher.once('ready', () => resolve())
      watcher.once('error', () => resolve())
    })
  }

  #refresh(): void {
    if (this.#closed) return
    if (this.#reading !== null) {
      this.#again = true
      return
    }
    this.#reading = this.#read().finally(() => {
      this.#reading = null
      if (this.#again && !this.#closed) {
        this.#again = false
        this.#refresh()
      }
    })
  }

  async #read(): Promise<void> {
    let files: readonly ConfigFile[]
    try {
      files = await this.#reader.read()
    } catch (error) {
      if (this.#closed) return
      this.#deps.trouble(`${this.#root} cannot be read: ${reasonOf(error)}`)
      this.#retryLater()
      return
    }
    if (this.#closed) return
    if (this.#retry !== null) {
      // The folder was away: the old watch may hang on an inode that is no longer there.
      this.#retry.cancel()
      this.#retry = null
      await this.#watch()
      this.#deps.trouble(null)
      this.#again = true
    }
    if (same(files, this.#files)) return
    this.#files = files
    this.#deps.changed(files)
  }

  #retryLater(): void {
    this.#retry?.cancel()
    this.#retry = this.#deps.clock.after(this.#retryMs, () => this.#refresh())
  }
}

/** Unchanged files are the same values (FolderReader); files that cannot be read are compared by what is wrong. */
function same(a: readonly ConfigFile[], b: readonly ConfigFile[]): boolean {
  return (
    a.length === b.length &&
    a.every((file, at) => {
      const other = b[at]
      if (file === other) return true
      if (other === undefined || file.resources.length > 0 || other.resources.length > 0) return false
      return file.file === other.file && JSON.stringify(file.problems) === JSON.stringify(other.problems)
    })
  )
}

function unreadable(root: string, error: unknown): DiscoveryError {
  const missing = ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
  return new DiscoveryError(
    missing ? 'ERR_DISCOVERY_FOLDER_MISSING' : 'ERR_DISCOVERY_FOLDER_UNREADABLE',
    `configuration folder ${root} cannot be read (${reasonOf(error)})`,
    missing ? 'name an existing folder' : 'let this user list the folder and read its files',
    { cause: error },
  )
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error))
}
