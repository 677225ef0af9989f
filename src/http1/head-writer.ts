/**
 * Writes the heads of one connection as latin1 text. What one head repeats of the last, in the same place, was looked at
 * when it was written first and is pasted as it stands; all else goes through the checks of write-head.ts.
 */
import { assertName, assertValue } from './unsafe-header.ts'
import { fieldLine, requestLine, statusLine } from './write-head.ts'

/** A slot whose field keeps changing is left alone after this many. */
const mostChanges = 8
/** Bytes of a value that is worth keeping for a connection's life. */
const longestKept = 512

class Slot {
  name = ''
  value = ''
  /** '' = nothing kept. */
  line = ''
  changes = 0
}

export class HeadWriter {
  readonly #slots: Slot[] = []
  #method = ''
  #status = 0
  #reason = ''
  #statusLine = ''

  /** `headers` is a flat list: name, value, ... */
  request(method: string, target: string, headers: readonly string[]): string {
    if (method !== this.#method) {
      assertName(method)
      this.#method = method
    }
    return requestLine(method, target) + this.#fields(headers) + '\r\n'
  }

  response(status: number, reason: string, headers: readonly string[]): string {
    if (status !== this.#status || reason !== this.#reason) {
      assertValue(reason)
      this.#status = status
      this.#reason = whole(reason)
      this.#statusLine = whole(statusLine(status, reason))
    }
    return this.#statusLine + this.#fields(headers) + '\r\n'
  }

  #fields(headers: readonly string[]): string {
    const slots = this.#slots
    let lines = ''
    for (let i = 0, at = 0; i < headers.length; i += 2, at += 1) {
      const name = headers[i] as string
      const value = headers[i + 1] as string
      const slot = at < slots.length ? (slots[at] as Slot) : null
      if (slot !== null && slot.line !== '' && name === slot.name && value === slot.value) lines += slot.line
      else lines += this.#line(slot, name, value)
    }
    return lines
  }

  #line(slot: Slot | null, name: string, value: string): string {
    const line = fieldLine(name, value)
    let kept = slot
    if (kept === null) this.#slots.push((kept = new Slot()))
    if (kept.changes < mostChanges) {
      kept.changes += 1
      kept.line = ''
      if (kept.changes < mostChanges && value.length <= longestKept && !secret.has(name)) {
        kept.name = name
        kept.value = whole(value)
        kept.line = whole(line)
      }
    }
    return line
  }
}

/** Not kept for longer than they are needed. */
const secret = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'])

/** As a piece of its own: it keeps no head alive that it was cut from, and is copied in one go when it is pasted. */
function whole(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
