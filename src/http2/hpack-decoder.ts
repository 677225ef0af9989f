/**
 * Reads header blocks (RFC 7541 §6) into flat lists of names and values, within bounds and to the letter. It judges the
 * coding alone: which fields HTTP/2 allows, and in which order, is for whoever gets the list.
 */
import { BlockReader, Fault } from './hpack-block-reader.ts'
import { DynamicTable, entryOverhead } from './hpack-dynamic-table.ts'
import { firstDynamicIndex, staticNames, staticValues } from './hpack-static-table.ts'

/** `compression` ends the connection, as both tables are out of step; `list-too-large` is about one list. */
export type DecodedFields =
  | { readonly ok: true; readonly fields: string[] }
  | { readonly ok: false; readonly error: 'compression' | 'list-too-large'; readonly reason: string }

export interface HpackDecoderOptions {
  /** The SETTINGS_HEADER_TABLE_SIZE that we announce. */
  readonly maxTableBytes: number
  /** Of one list, each field counting 32 beyond its name and value (RFC 9113 §6.5.2). */
  readonly maxListBytes: number
  readonly maxFields: number
}

/** After a change of capacity the smallest it had and the last: never more than two (RFC 7541 §4.2). */
const mostSizeUpdates = 2

export class HpackDecoder {
  readonly #options: HpackDecoderOptions
  readonly #table = new DynamicTable()
  readonly #reader = new BlockReader()
  #fields: string[] = []
  #listBytes = 0
  #count = 0
  #tooLarge = false
  #reductionDue = false
  /** Once the tables are out of step every list is refused. */
  #dead: DecodedFields | null = null

  constructor(options: HpackDecoderOptions) {
    this.#options = options
  }

  /**
   * The peer has acknowledged our SETTINGS: when its table is larger than we allow, its next block begins with making it
   * smaller (RFC 7541 §4.2).
   */
  acknowledged(): void {
    this.#reductionDue = this.#table.capacity > this.#options.maxTableBytes
  }

  decode(block: Buffer): DecodedFields {
    if (this.#dead !== null) return this.#dead
    const reader = this.#reader
    this.#fields = []
    this.#listBytes = 0
    this.#count = 0
    this.#tooLarge = false
    reader.start(block)
    const whole = this.#sizeUpdates() && this.#representations()
    reader.end()
    if (!whole) {
      this.#dead = { ok: false, error: 'compression', reason: reader.fault }
      this.#table.resize(0)
      return this.#dead
    }
    return this.#tooLarge ? tooLarge : { ok: true, fields: this.#fields }
  }

  #sizeUpdates(): boolean {
    const reader = this.#reader
    const bytes = reader.bytes
    let updates = 0
    while (reader.at < bytes.length && ((bytes[reader.at] as number) & 0xe0) === 0x20) {
      if (updates++ === mostSizeUpdates) return reader.refuse('too_many_size_updates')
      const capacity = reader.integer(0x1f)
      if (capacity === Fault) return false
      if (capacity > this.#options.maxTableBytes) return reader.refuse('table_too_large')
      this.#table.resize(capacity)
      this.#reductionDue = false
    }
    return !this.#reductionDue || reader.refuse('size_update_missing')
  }

  #representations(): boolean {
    const reader = this.#reader
    const bytes = reader.bytes
    while (reader.at < bytes.length) {
      const first = bytes[reader.at] as number
      if (first >= 0x80) {
        if (!this.#indexed()) return false
      } else if (first >= 0x40) {
        if (!this.#literal(0x3f, true)) return false
      } else if (first >= 0x20) return reader.refuse('late_size_update')
      // Never indexed or just not: to us the same, as nothing is sent on from here.
      else if (!this.#literal(0x0f, false)) return false
    }
    return true
  }

  #indexed(): boolean {
    const index = this.#reader.integer(0x7f)
    if (index === Fault) return false
    if (index < firstDynamicIndex) {
      if (index === 0) return this.#reader.refuse('index_zero')
      this.#add(staticNames[index] as string, staticValues[index] as string)
      return true
    }
    const age = index - firstDynamicIndex
    if (age >= this.#table.count) return this.#reader.refuse('index_beyond_table')
    this.#add(this.#table.name(age), this.#table.value(age))
    return true
  }

  #literal(mask: number, indexing: boolean): boolean {
    const reader = this.#reader
    const name = this.#literalName(mask)
    if (name === null || !reader.string()) return false
    const bytes = name.length + reader.length + entryOverhead
    const fits = this.#fits(bytes)
    if (indexing && this.#table.makeRoom(bytes)) {
      const value = reader.text()
      this.#table.add(name, value, bytes)
      if (fits) this.#fields.push(name, value)
    } else if (fits) this.#fields.push(name, reader.text())
    return true
  }

  #literalName(mask: number): string | null {
    const reader = this.#reader
    const index = reader.integer(mask)
    if (index === Fault) return null
    if (index === 0) return reader.string() ? reader.text() : null
    if (index < firstDynamicIndex) return staticNames[index] as string
    const age = index - firstDynamicIndex
    if (age < this.#table.count) return this.#table.name(age)
    reader.refuse('index_beyond_table')
    return null
  }

  #add(name: string, value: string): void {
    if (this.#fits(name.length + value.length + entryOverhead)) this.#fields.push(name, value)
  }

  /** Counts a field. From the first that is too much on the list is dropped, and only the table is kept right. */
  #fits(bytes: number): boolean {
    this.#listBytes += bytes
    this.#count++
    if (this.#listBytes > this.#options.maxListBytes || this.#count > this.#options.maxFields) {
      this.#tooLarge = true
      this.#fields = []
    }
    return !this.#tooLarge
  }
}

const tooLarge: DecodedFields = { ok: false, error: 'list-too-large', reason: 'header_list_too_large' }
