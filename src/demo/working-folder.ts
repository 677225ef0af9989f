/**
 * The demo's private folder: configuration, state, tokens, sockets and logs of everything it runs. Edits are renames,
 * as careful editors do them; it watches nothing.
 */
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { workloadEntry } from './configuration/services.ts'
import { startingFiles } from './configuration/starting-files.ts'
import type { Topology } from './topology.ts'

export class WorkingFolder {
  readonly path: string
  /** What the control plane watches. */
  readonly config: string
  readonly logs: string
  readonly #starting: ReadonlyMap<string, string>

  private constructor(path: string, starting: ReadonlyMap<string, string>) {
    this.path = path
    this.config = join(path, 'config')
    this.logs = join(path, 'logs')
    this.#starting = starting
  }

  /** Everything below it is for this user only (mkdtemp makes it 0700). */
  static async make(topology: Topology): Promise<WorkingFolder> {
    const path = await mkdtemp(join(tmpdir(), 'sallyport-demo-'))
    const folder = new WorkingFolder(path, startingFiles(topology))
    for (const name of ['config', 'logs', 'workloads', 'tokens', 'state', 'sds'])
      await mkdir(join(path, name), { mode: 0o700 })
    for (const [name, text] of folder.#starting) await writeFile(join(folder.config, name), text)
    for (const tier of topology.tiers) await writeFile(folder.workload(tier.name), workloadEntry(tier))
    return folder
  }

  workload(name: string): string {
    return join(this.path, 'workloads', `${name}.yaml`)
  }

  token(name: string): string {
    return join(this.path, 'tokens', name)
  }

  socket(name: string): string {
    return join(this.path, 'sds', name)
  }

  state(name: string): string {
    return join(this.path, 'state', name)
  }

  log(name: string): string {
    return join(this.logs, name)
  }

  writeToken(name: string, token: string): Promise<void> {
    return writeFile(this.token(name), `${token}\n`, { mode: 0o600 })
  }

  /** Puts a configuration file in place, whole. */
  async edit(name: string, text: string): Promise<void> {
    // Prepared outside the watched folder, so that nobody reads half a file.
    const draft = join(this.path, `draft-${name}`)
    await writeFile(draft, text)
    await rename(draft, join(this.config, name))
  }

  /** The file as the demo started with it, or no file. */
  async restore(name: string): Promise<void> {
    const text = this.#starting.get(name)
    if (text !== undefined) return this.edit(name, text)
    await rm(join(this.config, name), { force: true })
  }

  /** Every file as the demo started with it, and no others. */
  async restoreAll(): Promise<void> {
    for (const name of new Set([...(await readdir(this.config)), ...this.#starting.keys()]))
      await this.restore(name)
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true })
  }
}
