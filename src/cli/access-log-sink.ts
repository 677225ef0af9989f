/**
 * Where access log lines go: standard output, a file, or nowhere. A reader that does not keep up costs lines, which are
 * counted, never requests.
 */
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { BootstrapError } from '../bootstrap/bootstrap-error.ts'
import type { Logger } from '../telemetry/logger.ts'

export interface AccessLogSink {
  /** `written` is called once the bytes are needed no more, written or dropped. */
  write(lines: Uint8Array, written: () => void): void
  /** Lines lost since the start. */
  readonly dropped: number
  close(): Promise<void>
}

const newline = 0x0a
/** What may wait for a slow reader, bytes. */
const mostWaiting = 16 * 1024 * 1024

export async function openAccessLogSink(where: string, log: Logger): Promise<AccessLogSink> {
  if (where === 'off')
    return { write: (_lines, written) => written(), dropped: 0, close: () => Promise.resolve() }
  const stream = where === '-' ? process.stdout : await openFile(where)
  let dropped = 0
  let broken = false
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!broken) log.warn('access log cannot be written; lines are dropped', { reason: error.code })
    broken = true
  })
  return {
    get dropped() {
      return dropped
    },
    write(lines, written) {
      if (!broken && stream.writableLength <= mostWaiting) {
        stream.write(lines, written)
        return
      }
      dropped += countLines(lines)
      written()
    },
    close: () =>
      broken || where === '-' ? Promise.resolve() : new Promise((resolve) => stream.end(() => resolve())),
  }
}

function countLines(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) if (byte === newline) count += 1
  return count
}

function openFile(path: string): Promise<Writable> {
  const stream = createWriteStream(path, { flags: 'a', mode: 0o640 })
  return new Promise((resolve, reject) => {
    stream.once('open', () => resolve(stream))
    stream.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new BootstrapError(
          'ERR_BOOTSTRAP_FILE',
          `cannot write the access log ${path}: ${cause.code}`,
          'choose a writable file, - or off',
          { cause },
        ),
      ),
    )
  })
}
