/**
 * The processes of a bench run: each is started here, remembered, and ended by its own id, whatever happens to the run.
 * It knows nothing of what they do.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { processTree } from './process-usage.ts'

export interface Child {
  readonly name: string
  readonly pid: number
  readonly process: ChildProcess
  /** Itself and what it started. */
  tree(): readonly number[]
  /** Standard output and error, the last of it, on one line. */
  said(): string
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>
  /** File for standard output; else it goes where standard error goes. */
  readonly stdout?: string
  readonly channel?: boolean
}

const graceMs = 3000

export class Children {
  readonly #folder: string
  readonly #running = new Set<Child>()
  #ending = false

  /** `folder` holds what the processes say. */
  constructor(folder: string) {
    this.#folder = folder
    process.on('exit', () => this.#killAll())
  }

  async start(
    name: string,
    command: string,
    args: readonly string[],
    options: SpawnOptions = {},
  ): Promise<Child> {
    if (this.#ending) throw new Error('the bench is ending')
    const log = `${this.#folder}/${name}.out`
    const err = openSync(log, 'a')
    const out = options.stdout === undefined ? err : openSync(options.stdout, 'a')
    const started = spawn(command, args, {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', out, err, ...(options.channel ? (['ipc'] as const) : [])],
    })
    await new Promise<void>((resolve, reject) => started.once('spawn', resolve).once('error', reject))
    closeSync(err)
    if (out !== err) closeSync(out)
    const pid = started.pid as number
    const child: Child = {
      name,
      pid,
      process: started,
      tree: () => processTree(pid),
      said: () => readFileSync(log, 'utf8').trim().slice(-600).replaceAll('\n', ' | '),
    }
    this.#running.add(child)
    started.once('exit', () => this.#running.delete(child))
    return child
  }

  /** Nothing is started after this. */
  async endAll(): Promise<void> {
    this.#ending = true
    await Promise.all([...this.#running].map((child) => this.end(child)))
  }

  async end(child: Child): Promise<void> {
    const { process: ending } = child
    if (ending.exitCode !== null || ending.signalCode !== null) return
    const tree = child.tree()
    const gone = new Promise<void>((resolve) => ending.once('exit', () => resolve()))
    ending.kill('SIGTERM')
    const late = setTimeout(() => tree.forEach(kill), graceMs)
    await gone
    clearTimeout(late)
  }

  // The last resort: nothing can be waited for any more, so a parent's own children go with it.
  #killAll(): void {
    for (const child of this.#running) child.tree().forEach(kill)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already, which is what was wanted.
  }
}
