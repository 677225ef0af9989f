/**
 * Scans `version SP status [SP reason] CRLF` (RFC 9112 §4) and remembers where the reason stands. The blank before an
 * absent reason may be absent too, as many servers write it; nothing else is forgiven.
 */
import { CR, LF, SP, valueByte } from './byte-classes.ts'
import { NeedMore, Refused } from './field-section.ts'
import { readVersion, Unsupported, versionLength } from './http-version.ts'
import type { CodecRefusal } from './message.ts'
import { refusals } from './refusals.ts'

export class StatusLine {
  refusal: CodecRefusal | null = null
  version = 11
  status = 0
  reasonStart = 0
  reasonEnd = 0

  /** The position behind the line, NeedMore (start again with more) or Refused. */
  scan(bytes: Buffer, from: number, end: number): number {
    const version = readVersion(bytes, from, end)
    if (version < 0) {
      if (version === NeedMore) return NeedMore
      return this.#refuse(version === Unsupported ? refusals.unsupportedVersion : refusals.badVersion)
    }
    this.version = version
    let i = from + versionLength
    if (i >= end) return NeedMore
    if (bytes[i] !== SP) return this.#refuse(refusals.badStatusLine)
    let status = 0
    for (let digits = 0; digits < 3; digits++) {
      if (++i >= end) return NeedMore
      const digit = (bytes[i] as number) - 0x30
      if (digit < 0 || digit > 9) return this.#refuse(refusals.badStatusLine)
      status = status * 10 + digit
    }
    if (status < 100) return this.#refuse(refusals.badStatusLine)
    this.status = status
    if (++i >= end) return NeedMore
    if (bytes[i] === SP) i++
    else if (bytes[i] !== CR && bytes[i] !== LF) return this.#refuse(refusals.badStatusLine)
    this.reasonStart = i
    while (i < end && valueByte[bytes[i] as number] === 1) i++
    if (i >= end) return NeedMore
    this.reasonEnd = i
    if (bytes[i] !== CR) return this.#refuse(bytes[i] === LF ? refusals.bareLf : refusals.badStatusLine)
    if (i + 1 >= end) return NeedMore
    return bytes[i + 1] === LF ? i + 2 : this.#refuse(refusals.bareCr)
  }

  #refuse(refusal: CodecRefusal): number {
    this.refusal = refusal
    return Refused
  }
}
