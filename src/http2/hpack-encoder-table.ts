/**
 * The encoder's copy of the peer's dynamic table (RFC 7541 §2.3.2, §4), searchable by name and value, together with what
 * was learned about each name. It adds and evicts exactly as a decoder does, and writes nothing.
 */
import { defaultTableBytes, entryOverhead } from './hpack-dynamic-table.ts'
import { Entry, knownNames, NameRecord, whole } from './hpack-name-record.ts'
import { firstDynamicIndex, staticValues } from './hpack-static-table.ts'

/** How many values of one name are compared, and how many when none came back of late: comparing is work, too. */
const mostCompared = 16
const fewCompared = 4
/** The share of the table that one field may take: a larger one would drive out too many others. */
const largestShare = 1 / 4

export class EncoderTable {
  #count = 0
  #bytes = 0
  #capacity = defaultTableBytes
  readonly #records = new Map<string, NameRecord>()
  /** A ring of a power of two; an entry's place is the low bits of its number. */
  #ring = new Array<Entry | null>(16).fill(null)
  #mask = 15
  /** How many were ever added: the number of the newest. */
  #added = 0

  get capacity(): number {
    return this.#capacity
  }

  resize(capacity: number): void {
    this.#capacity = capacity
    this.#evictTo(capacity)
  }

  record(name: string): NameRecord {
    const kept = this.#records.get(name)
    if (kept !== undefined) return kept
    const known = knownNames.get(name)
    const record = new NameRecord(name, known)
    // Of other names those that have an entry are kept, see `add`: a peer's inventions must not pile up.
    if (known !== undefined) this.#records.set(name, record)
    return record
  }

  /** The index of a field of this name and value, 0 when there is none. */
  find(record: NameRecord, value: string): number {
    if (value === record.hotValue) {
      const hot = record.hot
      if (hot < 0) return -hot
      if (hot > this.#added - this.#count) return this.#hit(record, hot)
    }
    for (let index = record.staticFrom; index < record.staticTo; index++) {
      if (staticValues[index] === value) {
        record.hotValue = staticValues[index] as string
        record.hot = -index
        return index
      }
    }
    let entry = record.newest
    const most = record.credit > 0 ? mostCompared : fewCompared
    for (let i = 0; i < most && entry !== null; i++) {
      if (entry.value === value) {
        record.hotValue = entry.value
        record.hot = entry.number
        return this.#hit(record, entry.number)
      }
      entry = entry.older
    }
    return 0
  }

  /** An index that stands for the name, 0 when there is none. */
  findName(record: NameRecord): number {
    if (record.staticFrom > 0) return record.staticFrom
    return record.newest === null ? 0 : this.#index(record.newest.number)
  }

  /** Whether a field that was not found should get an entry. Asking counts, see `NameRecord`. */
  deservesEntry(record: NameRecord, value: string): boolean {
    return fieldBytes(record.name, value) <= this.#capacity * largestShare && record.earnsEntry()
  }

  /** Adds a field, no larger than the table, as the peer's decoder will. */
  add(record: NameRecord, value: string): void {
    const bytes = fieldBytes(record.name, value)
    this.#evictTo(this.#capacity - bytes)
    if (this.#count > this.#mask) this.#grow()
    const number = ++this.#added
    const entry = new Entry(record, whole(value), number)
    if (record.newest !== null) record.newest.newer = entry
    else this.#records.set(record.name, record)
    record.newest = entry
    record.hotValue = entry.value
    record.hot = number
    this.#ring[number & this.#mask] = entry
    this.#count++
    this.#bytes += bytes
  }

  #hit(record: NameRecord, number: number): number {
    record.cameBack()
    return this.#index(number)
  }

  #index(number: number): number {
    return firstDynamicIndex + this.#added - number
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes) {
      this.#count--
      const slot = (this.#added - this.#count) & this.#mask
      const entry = this.#ring[slot] as Entry
      const { record } = entry
      this.#ring[slot] = null
      this.#bytes -= fieldBytes(record.name, entry.value)
      if (entry.newer !== null) entry.newer.older = null
      else {
        record.newest = null
        if (!knownNames.has(record.name)) this.#records.delete(record.name)
      }
    }
  }

  #grow(): void {
    const mask = 2 * this.#mask + 1
    const ring = new Array<Entry | null>(mask + 1).fill(null)
    for (const entry of this.#ring) if (entry !== null) ring[entry.number & mask] = entry
    this.#ring = ring
    this.#mask = mask
  }
}

function fieldBytes(name: string, value: string): number {
  return name.length + value.length + entryOverhead
}
