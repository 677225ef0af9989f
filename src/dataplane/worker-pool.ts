/**
 * The control thread's side of the data workers: starts them, hands each the latest snapshot and secrets, replaces one
 * that dies, gathers their answers. It touches no traffic.
 */
import { Worker } from 'node:worker_threads'
import type { SocketAddress } from '../address/socket-address.ts'
import type { Snapshot } from '../discovery/snapshot.ts'
import { MeshError } from '../error.ts'
import type { SecretSet } from '../identity/svid.ts'
import type { KeySets } from '../jwt/key-source.ts'
import type { Clock } from '../lifecycle/clock.ts'
import type { DataplaneSettings } from './dataplane-settings.ts'
import { packSnapshot } from './packed-snapshot.ts'
import type { PackedSnapshot } from './packed-snapshot.ts'
import type { FromWorker, Question, ToWorker, WorkerInit } from './worker-protocol.ts'

class WorkerError extends MeshError<'ERR_WORKER_START'> {}

export interface WorkerPoolEvents {
  onListening(direction: 'inbound' | 'outbound', address: SocketAddress): void
  onApplied(generation: number): void
  /** `written` once the bytes are needed no more. */
  onAccessLog(lines: Uint8Array, written: () => void): void
  /** `taken` is called once these lines are written or lost: the thread sends no more than it is owed answers for. */
  onDecisions(lines: Uint8Array, count: number, taken: () => void): void
  /** A data thread wants an issuer's keys fetched anew. */
  onRefetchKeys(source: string): void
  onNotice(level: 'info' | 'warn', message: string): void
}

interface Member {
  readonly worker: Worker
  readonly index: number
  readonly replacement: boolean
  generation: number
  ready: boolean
  onClosed: () => void
}

export class WorkerPool {
  readonly #settings: DataplaneSettings
  readonly #events: WorkerPoolEvents
  readonly #clock: Clock
  readonly #decisionKey: Uint8Array | null
  readonly #members: Member[] = []
  readonly #answers = new Map<number, (answer: unknown) => void>()
  /** Told of each thread that has drained a direction, or died (null). */
  readonly #drained = new Set<(member: Member, direction: string | null) => void>()
  #snapshot: PackedSnapshot | null = null
  #secrets: SecretSet | null = null
  #keySets: KeySets | null = null
  #nextQuestion = 1
  #closing = false
  /** Workers that died and were replaced. */
  replaced = 0

  private constructor(
    settings: DataplaneSettings,
    clock: Clock,
    events: WorkerPoolEvents,
    decisionKey: Uint8Array | null,
  ) {
    this.#decisionKey = decisionKey
    this.#settings = settings
    this.#clock = clock
    this.#events = events
  }

  /** Resolves when every worker's listeners are bound; rejects with the first worker's own error line. */
  static async start(
    count: number,
    settings: DataplaneSettings,
    clock: Clock,
    events: WorkerPoolEvents,
    /** For digests in decision records. */
    decisionKey: Uint8Array | null = null,
  ): Promise<WorkerPool> {
    const pool = new WorkerPool(settings, clock, events, decisionKey)
    try {
      await Promise.all(Array.from({ length: count }, (_, index) => pool.#spawn(index)))
    } catch (error) {
      await pool.close()
      throw error
    }
    return pool
  }

  setSnapshot(snapshot: Snapshot): void {
    this.#snapshot = packSnapshot(snapshot, this.#snapshot)
    this.#post({ type: 'snapshot', snapshot: this.#snapshot })
  }

  setSecrets(secrets: SecretSet): void {
    this.#secrets = secrets
    this.#post({ type: 'secrets', secrets })
  }

  setKeySets(sets: KeySets): void {
    this.#keySets = sets
    this.#post({ type: 'key-sets', sets })
  }

  /** The oldest generation in force in any worker; 0 before the first. */
  get generation(): number {
    if (this.#members.length === 0) return 0
    return Math.min(...this.#members.map((member) => member.generation))
  }

  /** One answer a worker; a worker that does not answer within `deadlineMs` is left out. */
  ask(question: Question, deadlineMs = 1000): Promise<unknown[]> {
    return Promise.all(this.#members.map((member) => this.#askOne(member, question, deadlineMs))).then(
      (answers) => answers.filter((answer) => answer !== null),
    )
  }

  /** Resolves when all workers have no such connection left. */
  drain(direction: 'inbound' | 'outbound'): Promise<void> {
    const left = new Set(this.#members)
    return new Promise((resolve) => {
      const onDrained = (member: Member, which: string | null): void => {
        if (which === null || which === direction) left.delete(member)
        if (left.size > 0) return
        this.#drained.delete(onDrained)
        resolve()
      }
      if (left.size === 0) return resolve()
      this.#drained.add(onDrained)
      this.#post({ type: 'drain', direction })
    })
  }

  /** Cuts what is left, lets each thread flush its log, then ends it; a thread that does not answer is ended anyway. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all(this.#members.map((member) => this.#end(member)))
  }

  destroy(): void {
    void this.close()
  }

  async #end(member: Member): Promise<void> {
    const flushed = Promise.withResolvers<void>()
    const timer = this.#clock.after(1000, () => flushed.resolve())
    member.onClosed = () => flushed.resolve()
    member.worker.postMessage({ type: 'close' } satisfies ToWorker)
    await flushed.promise
    timer.cancel()
    await member.worker.terminate()
  }

  #post(message: ToWorker): void {
    for (const member of this.#members) member.worker.postMessage(message)
  }

  #askOne(member: Member, question: Question, deadlineMs: number): Promise<unknown> {
    const id = this.#nextQuestion++
    return new Promise((resolve) => {
      const timer = this.#clock.after(deadlineMs, () => settle(null))
      const settle = (answer: unknown): void => {
        timer.cancel()
        this.#answers.delete(id)
        resolve(answer)
      }
      this.#answers.set(id, settle)
      member.worker.postMessage({ type: 'ask', id, question } satisfies ToWorker)
    })
  }

  #spawn(index: number, replacement = false): Promise<void> {
    const init: WorkerInit = { index, settings: this.#settings, decisionKey: this.#decisionKey }
    // Sources run as .ts, the built package as .js: a worker starts from whichever this file is.
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'
    const worker = new Worker(new URL(file, import.meta.url), { workerData: init, name: `data-${index}` })
    const member: Member = {
      worker,
      index,
      replacement,
      generation: 0,
      ready: false,
      onClosed: () => undefined,
    }
    this.#members.push(member)
    // Keys first: the snapshot's rules then find them.
    if (this.#keySets !== null) worker.postMessage({ type: 'key-sets', sets: this.#keySets })
    if (this.#snapshot !== null) worker.postMessage({ type: 'snapshot', snapshot: this.#snapshot })
    if (this.#secrets !== null) worker.postMessage({ type: 'secrets', secrets: this.#secrets })
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'ready') {
          member.ready = true
          resolve()
        } else if (message.type === 'failed') {
          reject(startError(message.message, message.code, message.mend))
          // Listeners it did bind would still take their share of connections, and serve none.
          void worker.terminate()
        } else this.#hear(member, message)
      })
      worker.on('error', (cause) => {
        this.#events.onNotice(
          'warn',
          `data worker ${index} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
        )
        reject(startError(cause instanceof Error ? cause.message : String(cause)))
      })
      worker.on('exit', () => {
        member.onClosed()
        this.#replace(member)
      })
    })
  }

  #replace(member: Member): void {
    const at = this.#members.indexOf(member)
    if (at >= 0) this.#members.splice(at, 1)
    for (const listener of [...this.#drained]) listener(member, null)
    // A first start that fails is its caller's to hear of; a replacement that does is tried again.
    if (this.#closing || !(member.ready || member.replacement)) return
    this.replaced += 1
    this.#events.onNotice('warn', `data worker ${member.index} ended; a new one takes its place`)
    // At most one start a second, should it die at once again.
    this.#clock.after(1000, () => {
      if (!this.#closing)
        this.#spawn(member.index, true).catch((error: unknown) =>
          this.#events.onNotice('warn', String(error)),
        )
    })
  }

  #hear(member: Member, message: FromWorker): void {
    switch (message.type) {
      case 'listening':
        this.#events.onListening(message.direction, message.address)
        break
      case 'applied':
        member.generation = message.generation
        this.#events.onApplied(this.generation)
        break
      case 'answer':
        this.#answers.get(message.id)?.(message.answer)
        break
      case 'access-log':
        this.#log(member, message.lines)
        break
      case 'decisions': {
        const bytes = message.lines.byteLength
        this.#events.onDecisions(message.lines, message.count, () =>
          member.worker.postMessage({ type: 'decisions-taken', bytes } satisfies ToWorker),
        )
        break
      }
      case 'notice':
        this.#events.onNotice(message.level, message.message)
        break
      case 'refetch-keys':
        this.#events.onRefetchKeys(message.source)
        break
      case 'closed':
        member.onClosed()
        break
      case 'drained':
        for (const listener of [...this.#drained]) listener(member, message.direction)
        break
      default:
        break
    }
  }

  // The buffer goes back where it is filled: a new one for each batch would keep both threads collecting.
  #log({ worker }: Member, lines: Uint8Array<ArrayBuffer>): void {
    const { buffer } = lines
    this.#events.onAccessLog(lines, () => {
      if (!buffer.detached) worker.postMessage({ type: 'written', buffer } satisfies ToWorker, [buffer])
    })
  }
}

// An error with a code of its own, a port in use say, is the reader's as it is.
function startError(what: string, code: string | null = null, mend: string | null = null): MeshError {
  if (code !== null && mend !== null) return new MeshError(code, what, mend)
  return new WorkerError('ERR_WORKER_START', what, 'see the cause in this line and mend it')
}
