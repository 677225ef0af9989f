/**
 * Keeps one secret fresh: renews at half life, retries for ever when that fails, and keeps the old one in force until
 * the new one is in hand (dataplane §6.4). It talks to no CA and no proxy: `issue` and the listeners do.
 */
import { errorLine } from '../error.ts'
import { Backoff } from '../lifecycle/backoff.ts'
import type { Clock, Timer } from '../lifecycle/clock.ts'
import { Latest } from '../lifecycle/latest.ts'
import type { Log } from '../lifecycle/log.ts'
import type { WorkloadSecret } from './workload-secret.ts'

export interface RotationDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  /** Makes a new key, has it signed; `current` is the secret in force. */
  readonly issue: (current: WorkloadSecret | null, signal: AbortSignal) => Promise<WorkloadSecret>
}

export interface RotationOptions {
  /** Of the lifetime, what is left when renewal starts. */
  readonly ratio?: number
  /** The ratio moves by up to this, evenly, so that a fleet does not renew in step. */
  readonly jitter?: number
}

/** Shares of the lifetime used up; crossing one while renewal fails is news, the failures between are not. */
const rungs = [0, 0.5, 0.75, 0.9, 1]
/** Timers of sleeping machines drift: look at the clock at least this often. */
const glanceMs = 15 * 60_000
const soonestMs = 1000

export class Rotation {
  readonly secret = new Latest<WorkloadSecret>()
  /** Plain counts since the start. */
  readonly counters = { issued: 0, failed: 0 }
  readonly #deps: RotationDeps
  readonly #ratio: number
  readonly #jitter: number
  readonly #backoff: Backoff
  readonly #abort = new AbortController()
  readonly #failureListeners = new Set<() => void>()
  #timer: Timer | null = null
  #alarmed = -1

  constructor(deps: RotationDeps, options: RotationOptions = {}) {
    this.#deps = deps
    this.#ratio = options.ratio ?? 0.5
    this.#jitter = options.jitter ?? 0.01
    this.#backoff = new Backoff({ baseMs: 500, maxMs: 60_000, random: deps.random })
  }

  /** `initial`: a secret of an earlier run, still in force. Without one, the first issuance begins at once. */
  start(initial: WorkloadSecret | null): void {
    if (initial === null) return void this.#renew()
    this.secret.set(initial)
    this.#waitUntil(this.#dueAt(initial))
  }

  /** Called after each issuance that failed; returns how to stop. */
  onFailure(listener: () => void): () => void {
    this.#failureListeners.add(listener)
    return () => this.#failureListeners.delete(listener)
  }

  close(): void {
    this.#abort.abort(new Error('the agent is closing'))
    this.#timer?.cancel()
  }

  #dueAt({ notAfter, receivedAt }: WorkloadSecret): number {
    const jittered = this.#ratio + (2 * this.#deps.random() - 1) * this.#jitter
    const ratio = Math.min(1, Math.max(0, jittered))
    return notAfter - ratio * (notAfter - receivedAt)
  }

  #waitUntil(due: number): void {
    const { clock } = this.#deps
    if (this.#abort.signal.aborted) return
    this.#timer = clock.after(Math.min(due - clock.now(), glanceMs), () => {
      if (clock.now() >= due) void this.#renew()
      else this.#waitUntil(due)
    })
  }

  async #renew(): Promise<void> {
    const { clock, issue } = this.#deps
    const { signal } = this.#abort
    let secret: WorkloadSecret
    try {
      secret = await issue(this.secret.value ?? null, signal)
    } catch (error) {
      if (!signal.aborted) this.#failed(error)
      return
    }
    if (signal.aborted) return
    this.counters.issued += 1
    this.#backoff.reset()
    this.#alarmed = -1
    // A CA that hands out moments must not be asked in a tight loop.
    this.#waitUntil(Math.max(this.#dueAt(secret), clock.now() + soonestMs))
    this.#deps.log.info('certificate issued', { notAfter: new Date(secret.notAfter).toISOString() })
    this.secret.set(secret)
  }

  #failed(error: unknown): void {
    this.counters.failed += 1
    this.#alarm(errorLine(error))
    this.#waitUntil(this.#deps.clock.now() + this.#backoff.next())
    for (const listener of [...this.#failureListeners]) listener()
  }

  #alarm(error: string): void {
    const { clock, log } = this.#deps
    const secret = this.secret.value
    if (secret === undefined) return log.warn('no certificate yet, trying again', { error })
    const lifetime = secret.notAfter - secret.receivedAt
    const used = (clock.now() - secret.receivedAt) / lifetime
    const rung = rungs.findLastIndex((share) => used >= share)
    if (rung <= this.#alarmed) return
    this.#alarmed = rung
    const fields = {
      error,
      usedPercent: Math.floor(used * 100),
      notAfter: new Date(secret.notAfter).toISOString(),
    }
    if (used >= 1) log.error('certificate has expired and cannot be renewed: peers will refuse it', fields)
    else if (used >= 0.9) log.error('certificate is about to expire and cannot be renewed', fields)
    else log.warn('certificate cannot be renewed, the old one stays in force', fields)
  }
}
