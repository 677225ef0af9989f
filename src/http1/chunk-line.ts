/**
 * Reads `size [extensions] CRLF` in front of a chunk (RFC 9112 §7.1), byte by byte across cuts. Extensions must be well
 * formed, count against a limit, and mean nothing; blanks around them, which the RFC only tolerates, are refused.
 */
import { CR, hexValue, LF, quotedByte, Semicolon, tokenLower } from './byte-classes.ts'
import { NeedMore, Refused } from './field-section.ts'
import type { CodecRefusal } from './message.ts'
import { refusals } from './refusals.ts'

const State = {
  Size: 0,
  NameStart: 1,
  Name: 2,
  ValueStart: 3,
  Value: 4,
  Quoted: 5,
  Escaped: 6,
  QuotedEnd: 7,
  Lf: 8,
}

// 13 digits are 52 bits: a size is always an exact number.
const mostDigits = 13
const Equals = 0x3d
const Quote = 0x22
const Backslash = 0x5c

export class ChunkLine {
  size = 0
  refusal: CodecRefusal | null = null
  #state = State.Size
  #digits = 0
  #extensionBytes = 0
  readonly #maxExtensionBytes: number

  constructor(maxExtensionBytes: number) {
    this.#maxExtensionBytes = maxExtensionBytes
  }

  startBody(): void {
    this.#extensionBytes = 0
    this.start()
  }

  start(): void {
    this.size = 0
    this.#digits = 0
    this.#state = State.Size
  }

  /** The position behind the line, NeedMore (all was taken) or Refused. */
  read(bytes: Buffer, from: number): number {
    let at = from
    if (this.#state === State.Size) {
      for (; at < bytes.length; at++) {
        const digit = hexValue[bytes[at] as number] as number
        if (digit === 255) break
        if (this.#digits === mostDigits) return this.#refuse(refusals.badChunkSize)
        this.#digits++
        this.size = this.size * 16 + digit
      }
    }
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (this.#state === State.Lf) return byte === LF ? at + 1 : this.#refuse(refusals.badChunkEnd)
      const next = this.#next(byte)
      if (next < 0) {
        return this.#refuse(this.#state === State.Size ? refusals.badChunkSize : refusals.badChunkExtension)
      }
      if (next !== State.Lf && ++this.#extensionBytes > this.#maxExtensionBytes) {
        return this.#refuse(refusals.chunkExtensionsTooLong)
      }
      this.#state = next
    }
    return NeedMore
  }

  /** The state behind this byte, or -1. */
  #next(byte: number): number {
    const state = this.#state
    if (state === State.Quoted) {
      if (byte === Quote) return State.QuotedEnd
      if (byte === Backslash) return State.Escaped
      return quotedByte[byte] === 1 ? State.Quoted : -1
    }
    if (state === State.Escaped) {
      return quotedByte[byte] === 1 || byte === Quote || byte === Backslash ? State.Quoted : -1
    }
    if (state === State.NameStart) return tokenLower[byte] !== 0 ? State.Name : -1
    if (state === State.ValueStart) {
      return byte === Quote ? State.Quoted : tokenLower[byte] !== 0 ? State.Value : -1
    }
    if (state === State.Size && this.#digits === 0) return -1
    if (byte === CR) return State.Lf
    if (byte === Semicolon) return State.NameStart
    if (state === State.Name && byte === Equals) return State.ValueStart
    return (state === State.Name || state === State.Value) && tokenLower[byte] !== 0 ? state : -1
  }

  #refuse(refusal: CodecRefusal): number {
    this.refusal = refusal
    return Refused
  }
}
