/**
 * Scans field lines up to and including the empty line (RFC 9112 §5), remembering where names and values stand. It
 * makes no strings before the section is whole and knows no field's meaning, only which framing fields came how often.
 */
import { Colon, CR, HTAB, LF, SP, tokenLower, valueByte } from './byte-classes.ts'
import { Field, fieldNames, fieldNumber, hashStep } from './field-names.ts'
import type { CodecRefusal } from './message.ts'
import { refusals } from './refusals.ts'

/** What a scan answers instead of a position. */
export const NeedMore = -1
export const Refused = -2

/** Numbers kept for each field: its name's number, then name start, name end, value start, value end. */
const width = 5

export class FieldSection {
  refusal: CodecRefusal | null = null
  count = 0
  /** Bit sets over `Field`. */
  seen = 0
  repeated = 0
  /** Of the two length fields, those with a HTAB around their value, which readers trim or not. */
  tabbed = 0
  /** Where the first unfinished line starts. */
  #at = 0
  readonly #first = [0, 0, 0, 0, 0, 0]
  readonly #spans: number[] = []
  readonly #maxFields: number
  readonly #tooMany: CodecRefusal

  constructor(maxFields: number, tooMany: CodecRefusal) {
    this.#maxFields = maxFields
    this.#tooMany = tooMany
  }

  start(at: number): void {
    this.#at = at
    this.count = 0
    this.seen = 0
    this.repeated = 0
    this.tabbed = 0
  }

  /** The position behind the empty line, or NeedMore or Refused. Called again, it continues at the unfinished line. */
  scan(bytes: Buffer, end: number): number {
    let at = this.#at
    while (at < end) {
      let i = at
      let hash = 0
      let lower = tokenLower[bytes[i] as number] as number
      while (lower !== 0) {
        hash = hashStep(hash, lower)
        if (++i >= end) return this.#pause(at)
        lower = tokenLower[bytes[i] as number] as number
      }
      const nameEnd = i
      if (nameEnd === at || bytes[i] !== Colon) {
        if (nameEnd !== at || bytes[i] !== CR) return this.#refuse(nameFault(bytes, at, i))
        if (at + 1 >= end) return this.#pause(at)
        return bytes[at + 1] === LF ? at + 2 : this.#refuse(refusals.bareCr)
      }
      let byte = 0
      do {
        if (++i >= end) return this.#pause(at)
        byte = bytes[i] as number
      } while (byte === SP || byte === HTAB)
      const valueStart = i
      while (valueByte[byte] === 1) {
        if (++i >= end) return this.#pause(at)
        byte = bytes[i] as number
      }
      if (byte !== CR) return this.#refuse(byte === LF ? refusals.bareLf : refusals.badValue)
      if (i + 1 >= end) return this.#pause(at)
      if (bytes[i + 1] !== LF) return this.#refuse(refusals.bareCr)
      let valueEnd = i
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--
      if (this.count === this.#maxFields) return this.#refuse(this.#tooMany)
      const number = fieldNumber(bytes, at, nameEnd, hash)
      if (number === Field.ContentLength || number === Field.TransferEncoding) {
        if (hasTab(bytes, nameEnd, valueStart) || hasTab(bytes, valueEnd, i)) this.tabbed |= 1 << number
      }
      this.#add(number, at, nameEnd, valueStart, valueEnd)
      at = i + 2
    }
    return this.#pause(at)
  }

  /** `text` is the section (or head) as latin1, its first character standing at position `base`. */
  build(text: string, base: number): string[] {
    const spans = this.#spans
    const list = new Array<string>(2 * this.count)
    for (let i = 0, k = 0; i < this.count; i++, k += width) {
      const number = spans[k] as number
      const name =
        number >= 0
          ? (fieldNames[number] as string)
          : text.substring((spans[k + 1] as number) - base, (spans[k + 2] as number) - base).toLowerCase()
      list[2 * i] = name
      list[2 * i + 1] = text.substring((spans[k + 3] as number) - base, (spans[k + 4] as number) - base)
    }
    return list
  }

  has(field: number): boolean {
    return (this.seen & (1 << field)) !== 0
  }

  isTabbed(field: number): boolean {
    return (this.tabbed & (1 << field)) !== 0
  }

  isRepeated(field: number): boolean {
    return (this.repeated & (1 << field)) !== 0
  }

  /** The value of the first such field in a list made by `build`; only when `has`. */
  first(list: readonly string[], field: number): string {
    return list[2 * (this.#first[field] as number) + 1] as string
  }

  #add(number: number, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const spans = this.#spans
    const k = this.count * width
    spans[k] = number
    spans[k + 1] = nameStart
    spans[k + 2] = nameEnd
    spans[k + 3] = valueStart
    spans[k + 4] = valueEnd
    if (number >= 0 && number < Field.Other) {
      const bit = 1 << number
      if ((this.seen & bit) === 0) this.#first[number] = this.count
      else this.repeated |= bit
      this.seen |= bit
    }
    this.count++
  }

  #pause(at: number): number {
    this.#at = at
    return NeedMore
  }

  #refuse(refusal: CodecRefusal): number {
    this.refusal = refusal
    return Refused
  }
}

function hasTab(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] === HTAB) return true
  return false
}

/** Why the byte at `at` cannot follow the name that began at `start`. */
function nameFault(bytes: Buffer, start: number, at: number): CodecRefusal {
  const byte = bytes[at] as number
  if (byte === LF) return refusals.bareLf
  const blank = byte === SP || byte === HTAB
  if (at === start) return blank ? refusals.obsFold : byte === Colon ? refusals.emptyName : refusals.badName
  if (blank) return refusals.blankBeforeColon
  return byte === CR ? refusals.missingColon : refusals.badName
}
