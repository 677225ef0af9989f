/**
 * Scans `method SP target SP version CRLF` (RFC 9112 §3) and remembers where its parts stand. Which form of target fits
 * which method is judged in request-target.ts.
 */
import { CR, LF, SP, targetByte, tokenLower } from './byte-classes.ts'
import { NeedMore, Refused } from './field-section.ts'
import { readVersion, Unsupported, versionLength } from './http-version.ts'
import type { CodecRefusal } from './message.ts'
import { refusals } from './refusals.ts'

export class RequestLine {
  refusal: CodecRefusal | null = null
  methodEnd = 0
  targetEnd = 0
  version = 11

  /** The position behind the line, NeedMore (start again with more) or Refused. Single blanks, as written. */
  scan(bytes: Buffer, from: number, end: number): number {
    let i = from
    while (i < end && tokenLower[bytes[i] as number] !== 0) i++
    if (i >= end) return NeedMore
    if (i === from || bytes[i] !== SP) return this.#refuse(refusals.badMethod)
    this.methodEnd = i
    const targetStart = ++i
    while (i < end && targetByte[bytes[i] as number] === 1) i++
    if (i >= end) return NeedMore
    if (i === targetStart || bytes[i] !== SP) {
      return this.#refuse(bytes[i] === 0x23 ? refusals.fragmentInTarget : refusals.badTarget)
    }
    this.targetEnd = i
    const version = readVersion(bytes, i + 1, end)
    if (version < 0) {
      if (version === NeedMore) return NeedMore
      return this.#refuse(version === Unsupported ? refusals.unsupportedVersion : refusals.badVersion)
    }
    this.version = version
    i += 1 + versionLength
    if (i >= end) return NeedMore
    if (bytes[i] !== CR) return this.#refuse(bytes[i] === LF ? refusals.bareLf : refusals.badVersion)
    if (i + 1 >= end) return NeedMore
    return bytes[i + 1] === LF ? i + 2 : this.#refuse(refusals.bareCr)
  }

  #refuse(refusal: CodecRefusal): number {
    this.refusal = refusal
    return Refused
  }
}
