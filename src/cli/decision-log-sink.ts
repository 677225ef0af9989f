/**
 * Where decision lines go: a file, standard output, or nowhere. One write at a time; what cannot be written is dropped and
 * counted, and the next lines are tried again, since a disk that is full may be emptied. Nobody waits for it.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { BootstrapError } from '../bootstrap/bootstrap-error.ts'
import type { Clock } from '../lifecycle/clock.ts'
import type { Logger } from '../telemetry/logger.ts'

export interface DecisionLogSink {
  /** `taken` is called once the lines are written or lost. */
  write(lines: Uint8Array, count: number, taken: () => void): void
  readonly written: number
  readonly dropped: number
  close(): Promise<void>
}

/** Writes all of the bytes, or fails. */
type Put = (bytes: Uint8Array) => Promise<void>

/** A reader that stays away is said once in so many milliseconds. */
const sayAgainMs = 60_000

export async function openDecisionLogSink(
  where: string,
  deps: { readonly clock: Clock; readonly log: Pick<Logger, 'warn'> },
): Promise<DecisionLogSink> {
  if (where === 'off') return new Sink(() => Promise.resolve(), null, deps)
  if (where === '-') return new Sink(standardOutput(), null, deps)
  const handle = await open(where, 'a', 0o640).catch((cause: NodeJS.ErrnoException) => {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_FILE',
      `cannot write the decision log ${where}: ${cause.code}`,
      'choose a writable file, - or off',
      { cause },
    )
  })
  return new Sink(intoFile(handle), handle, deps)
}

class Sink implements DecisionLogSink {
  readonly #put: Put
  readonly #handle: FileHandle | null
  readonly #clock: Clock
  readonly #log: Pick<Logger, 'warn'>
  #last: Promise<void> = Promise.resolve()
  #saidAt = -Infinity
  written = 0
  dropped = 0

  constructor(
    put: Put,
    handle: FileHandle | null,
    { clock, log }: { readonly clock: Clock; readonly log: Pick<Logger, 'warn'> },
  ) {
    this.#put = put
    this.#handle = handle
    this.#clock = clock
    this.#log = log
  }

  write(lines: Uint8Array, count: number, taken: () => void): void {
    this.#last = this.#last
      .then(() => this.#put(lines))
      .then(
        () => void (this.written += count),
        (error: NodeJS.ErrnoException) => this.#lost(count, error),
      )
      .then(taken)
  }

  async close(): Promise<void> {
    await this.#last
    await this.#handle?.close()
  }

  #lost(count: number, error: NodeJS.ErrnoException): void {
    this.dropped += count
    const now = this.#clock.now()
    if (now - this.#saidAt < sayAgainMs) return
    this.#saidAt = now
    this.#log.warn('decision log cannot be written; lines are dropped', {
      reason: error.code ?? error.message,
      dropped: this.dropped,
    })
  }
}

/** A line that was cut by a full disk is ended before the next begins. */
function intoFile(handle: FileHandle): Put {
  let torn = false
  return async (bytes) => {
    let rest = torn ? Buffer.concat([newline, bytes]) : bytes
    let begun = false
    try {
      while (rest.length > 0) {
        const { bytesWritten } = await handle.write(rest)
        begun ||= bytesWritten > 0
        rest = rest.subarray(bytesWritten)
      }
      torn = false
    } catch (error) {
      torn ||= begun
      throw error
    }
  }
}

const newline = Buffer.from('\n')

function standardOutput(): Put {
  let broken: Error | null = null
  process.stdout.on('error', (error: Error) => (broken = error))
  return (bytes) =>
    broken === null
      ? new Promise((resolve, reject) =>
          process.stdout.write(bytes, (error) => (error ? reject(error) : resolve())),
        )
      : Promise.reject(broken)
}
