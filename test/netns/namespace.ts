/**
 * A network namespace of a test's own, with its links and the programs started in it. It never touches the namespace the test
 * runs in, and ends everything it began.
 */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Who runs a program: user and group id. The right to read the checkout, wherever it lies, is kept. */
export interface RunAs {
  readonly user: number
  readonly group: number
}

export const asApplication: RunAs = { user: 1000, group: 1000 }
export const asProxy: RunAs = { user: 1337, group: 1337 }
export const repository = new URL('../../', import.meta.url).pathname

let made = 0
const existing = new Set<Namespace>()
// A file that runs out of time is told to end: it must not leave namespaces and programs behind.
process.once('SIGTERM', () => process.exit(143))
process.once('exit', () => existing.forEach((namespace) => namespace.abandon()))

export class Namespace {
  readonly name: string
  readonly #running = new Set<ChildProcess>()

  constructor() {
    made += 1
    this.name = `sally-${process.pid}-${made}`
    must('ip', ['netns', 'add', this.name])
    existing.add(this)
    this.ip('link set lo up')
  }

  /** `ip` within this namespace. */
  ip(words: string): void {
    must('ip', ['-n', this.name, ...words.split(' ')])
  }

  /** Runs to the end; whatever the exit code. */
  run(
    file: string,
    args: readonly string[],
    options: { as?: RunAs; input?: string; env?: Record<string, string> } = {},
  ): Finished {
    const [program, ...words] = this.#command(file, args, options.as)
    const { status, stdout, stderr } = spawnSync(program, words, {
      input: options.input ?? '',
      encoding: 'utf8',
      timeout: 30_000,
      cwd: repository,
      env: { ...environment(), ...options.env },
    })
    return { code: status, stdout, stderr }
  }

  /** Runs the program of this repository. */
  sallyport(...args: string[]): Finished {
    return this.run(process.execPath, ['--no-warnings', 'src/main.ts', ...args])
  }

  iptablesSave(program = 'iptables-nft-save'): string {
    // Counters of packets and the time of day differ from one reading to the next.
    return this.run(program, [])
      .stdout.replace(/^#.*\n/gm, '')
      .replace(/\[\d+:\d+\]/g, '[0:0]')
  }

  /** Starts a program and waits until it prints a line with `ready`; it ends with the namespace at the latest. */
  async start(
    file: string,
    args: readonly string[],
    ready: string,
    as?: RunAs,
    env: Record<string, string> = {},
  ): Promise<Running> {
    const [program, ...words] = this.#command(file, args, as)
    const child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: repository,
      env: { ...environment(), ...env },
    })
    this.#running.add(child)
    const running = new Running(child)
    await running.printed(ready)
    return running
  }

  async remove(): Promise<void> {
    for (const child of this.#running) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    existing.delete(this)
    must('ip', ['netns', 'del', this.name])
  }

  /** Ends it without waiting, when the process is ending. */
  abandon(): void {
    for (const child of this.#running) child.kill('SIGKILL')
    spawnSync('ip', ['netns', 'del', this.name], { timeout: 5000 })
  }

  #command(file: string, args: readonly string[], as?: RunAs): [string, ...string[]] {
    // `ip netns exec` and setpriv both become the program: the child's id is the program's.
    const privileges =
      as === undefined
        ? []
        : [
            'setpriv',
            '--reuid',
            String(as.user),
            '--regid',
            String(as.group),
            '--clear-groups',
            '--inh-caps',
            '+dac_override',
            '--ambient-caps',
            '+dac_override',
            '--',
          ]
    return ['ip', 'netns', 'exec', this.name, ...privileges, file, ...args]
  }
}

/** A started program and all it printed. */
export class Running {
  readonly child: ChildProcess
  output = ''

  constructor(child: ChildProcess) {
    this.child = child
    const append = (chunk: Buffer): void => void (this.output += chunk.toString())
    child.stdout?.on('data', append)
    child.stderr?.on('data', append)
  }

  /** Resolves when `text` was printed; fails when the program ends before, or after 20 s. */
  async printed(text: string): Promise<void> {
    const deadline = AbortSignal.timeout(20_000)
    while (!this.output.includes(text)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`it ended before printing ${text}:\n${this.output}`)
      const more = new AbortController()
      const signal = AbortSignal.any([deadline, more.signal])
      try {
        await Promise.race([
          once(this.child.stdout as NodeJS.EventEmitter, 'data', { signal }),
          once(this.child.stderr as NodeJS.EventEmitter, 'data', { signal }),
          once(this.child, 'exit', { signal }),
        ])
      } catch (error) {
        throw new Error(`it did not print ${text}:\n${this.output}`, { cause: error })
      } finally {
        more.abort()
      }
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    await ended
  }
}

/** A veth pair, `eth0` in `x`; each is the way to everything for the other, unless `y` is a `router` between several. */
export function link(x: Namespace, xAddress: string, y: Namespace, yAddress: string, router?: string): void {
  const name = router ?? 'eth0'
  x.ip(`link add eth0 type veth peer name ${name} netns ${y.name}`)
  x.ip(`addr add ${xAddress}/24 dev eth0`)
  y.ip(`addr add ${yAddress}/24 dev ${name}`)
  x.ip('link set eth0 up')
  y.ip(`link set ${name} up`)
  x.ip(`route replace default via ${yAddress}`)
  if (router === undefined) y.ip(`route replace default via ${xAddress}`)
}

// The variables that are options of `sallyport iptables` must not come in from outside.
function environment(): Record<string, string> {
  return { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`, HOME: '/tmp' }
}

function must(file: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(file, args, { encoding: 'utf8', timeout: 20_000 })
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${error?.message ?? stderr}`)
}
