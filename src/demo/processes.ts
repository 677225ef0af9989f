/**
 * The child processes of the demo: started, watched, and ended by their own ids. What they are told to do comes from
 * `start-mesh.ts`; their log goes to a file, their standard output to whoever asks.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../lifecycle/clock.ts'
import { DemoError } from './demo-error.ts'

/** Sources run as they are, a build runs as built: both name their files alike but for the ending. */
const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const beside = (name: string): string => fileURLToPath(new URL(`${name}.${ending}`, import.meta.url))

export const programs = { sallyport: beside('../main'), application: beside('./app') } as const

/** Milliseconds between asking a process to end and ending it. */
const patienceMs = 4000

interface Running {
  readonly name: string
  readonly child: ChildProcess
  readonly logFile: string
  readonly ended: Promise<void>
}

export class Processes {
  readonly #running: Running[] = []
  readonly #failure = Promise.withResolvers<never>()
  #stopping = false

  constructor() {
    this.#failure.promise.catch(() => undefined)
  }

  /** Rejects when a process ends that was not asked to; never resolves. */
  get failure(): Promise<never> {
    return this.#failure.promise
  }

  /** Milliseconds and answers of a start are the caller's to check; this only starts. */
  start(name: string, program: string, args: readonly string[], logFile: string): Readable {
    const log = openSync(logFile, 'a', 0o600)
    const child = spawn(
      process.execPath,
      // Sources announce type stripping on older runtimes; that is no news to anybody here.
      [
        '--no-warnings',
        '--single-threaded-gc',
        '--import',
        new URL(`./leash.${ending}`, import.meta.url).href,
        program,
        ...args,
      ],
      // A group of its own: Ctrl-C reaches the demo alone, which ends the rest in order.
      { stdio: ['ignore', 'pipe', log, 'ipc'], detached: true },
    )
    closeSync(log)
    const ended = new Promise<void>((resolve) => {
      child.once('error', (error) => this.#lost(name, error.message, logFile, resolve))
      child.once('exit', (code, signal) => this.#lost(name, `${signal ?? `code ${code}`}`, logFile, resolve))
    })
    this.#running.push({ name, child, logFile, ended })
    return child.stdout as Readable
  }

  /** In reverse order of their start, those of the same tier together; resolves when all are gone. */
  async stop(): Promise<void> {
    this.#stopping = true
    const [control, ...others] = this.#running
    await Promise.all(others.map((running) => this.#end(running)))
    if (control !== undefined) await this.#end(control)
  }

  /** At once, without asking. */
  kill(): void {
    this.#stopping = true
    for (const { child } of this.#running) child.kill('SIGKILL')
  }

  async #end({ child, ended }: Running): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const timer = systemClock.after(patienceMs, () => child.kill('SIGKILL'))
    await ended
    timer.cancel()
  }

  #lost(name: string, how: string, logFile: string, gone: () => void): void {
    gone()
    if (this.#stopping) return
    this.#failure.reject(
      new DemoError(
        'ERR_DEMO_PROCESS',
        `${name} ended (${how}): ${lastLine(readFileSync(logFile, 'utf8'))}`,
        `read ${logFile}`,
      ),
    )
  }
}

/** What a log ends with, as text: most lines are JSON with a message. */
export function lastLine(log: string): string {
  const lines = log.trimEnd().split('\n')
  const line = (thrown(lines) ?? lines.at(-1) ?? '').slice(0, 1000)
  if (line === '') return 'it said nothing'
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown }
    return typeof msg === 'string' ? `it last said "${msg}"` : line
  } catch {
    return line
  }
}

// A program that dies of an error nobody caught ends with its stack and the runtime's version; what it died of is above.
function thrown(lines: readonly string[]): string | undefined {
  if (!/^Node\.js v\d/.test(lines.at(-1) ?? '')) return undefined
  return lines.findLast((line) => /^\w*Error\b.*: /.test(line))
}
