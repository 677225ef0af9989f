/**
 * The access log of one sidecar as it is written: each line parsed once, kept for those who look back, handed to those
 * who listen. It reads no file; `live-lines.ts` makes the lines readable.
 */
import { createWriteStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createInterface } from 'node:readline'

/** The keys of a line that the demo reads; there are more. */
export interface AccessLine {
  readonly start_time: string
  readonly direction: 'inbound' | 'outbound'
  readonly method: string | null
  readonly path: string | null
  readonly authority: string | null
  readonly response_code: number
  readonly response_flags: string | null
  readonly response_code_details: string | null
  readonly connection_termination_details: string | null
  readonly upstream_transport_failure_reason: string | null
  readonly upstream_cluster: string | null
  readonly upstream_host: string | null
  readonly upstream_local_address: string | null
  readonly downstream_remote_address: string | null
  readonly downstream_local_address: string | null
  readonly bytes_received: number
  readonly bytes_sent: number
  readonly duration: number
  readonly peer_principal: string | null
  readonly local_principal: string | null
  readonly policy: string | null
  readonly rule: number | null
  readonly decision: string | null
  /** What dry-run policies would have said. */
  readonly shadow: string | null
}

/** Enough for every check of the tour; a demo left running for days must not fill its memory. */
const mostKept = 20_000

export class AccessLines {
  readonly #lines: AccessLine[] = []
  readonly #listeners = new Set<(line: AccessLine) => void>()

  /** `stream` is the sidecar's standard output; `file` receives a copy. */
  constructor(stream: Readable, file: string) {
    stream.pipe(createWriteStream(file, { flags: 'a', mode: 0o600 }))
    createInterface({ input: stream }).on('line', (text) => this.#add(text))
  }

  subscribe(listener: (line: AccessLine) => void): void {
    this.#listeners.add(listener)
  }

  /** Those matching, oldest first. */
  filter(matches: (line: AccessLine) => boolean): AccessLine[] {
    return this.#lines.filter(matches)
  }

  #add(text: string): void {
    let line: AccessLine
    try {
      line = JSON.parse(text) as AccessLine
    } catch {
      // Somebody else's output: in the file for those who look, of no use here.
      return
    }
    if (this.#lines.push(line) > mostKept) this.#lines.splice(0, mostKept / 2)
    for (const listener of this.#listeners) listener(line)
  }
}
