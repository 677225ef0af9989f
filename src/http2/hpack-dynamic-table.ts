/**
 * The fields that the peer's encoder has added, newest first, the oldest giving way (RFC 7541 §2.3.2, §4). It keeps
 * within its capacity and knows no wire format; our own encoder has a table that can be searched.
 */

/** What an entry counts beyond its name and value (RFC 7541 §4.1). */
export const entryOverhead = 32

/** The capacity before anything was agreed on (RFC 9113 §6.5.2). */
export const defaultTableBytes = 4096

export class DynamicTable {
  count = 0
  #bytes = 0
  #capacity = defaultTableBytes
  /** How many were ever added; the newest stands at this number in the ring. */
  #added = 0
  /** Rings of a power of two, a field's place being the low bits of its number. */
  #names: string[]
  #values: string[]
  #mask: number

  constructor() {
    this.#names = new Array<string>(16).fill('')
    this.#values = new Array<string>(16).fill('')
    this.#mask = 15
  }

  get capacity(): number {
    return this.#capacity
  }

  /** `age`: 0 for the newest, less than `count`. */
  name(age: number): string {
    return this.#names[(this.#added - age) & this.#mask] as string
  }

  value(age: number): string {
    return this.#values[(this.#added - age) & this.#mask] as string
  }

  resize(capacity: number): void {
    this.#capacity = capacity
    this.#evictTo(capacity)
  }

  /** True when a field of that size has a place now. One larger than the table empties it, as the RFC has it (§4.4). */
  makeRoom(bytes: number): boolean {
    this.#evictTo(Math.max(0, this.#capacity - bytes))
    return bytes <= this.#capacity
  }

  /** After `makeRoom` of the same size. */
  add(name: string, value: string, bytes: number): void {
    if (this.count > this.#mask) this.#grow()
    this.#added++
    const slot = this.#added & this.#mask
    this.#names[slot] = name
    this.#values[slot] = value
    this.count++
    this.#bytes += bytes
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes) {
      this.count--
      const slot = (this.#added - this.count) & this.#mask
      this.#bytes -=
        (this.#names[slot] as string).length + (this.#values[slot] as string).length + entryOverhead
      // Not held on to until the ring comes round.
      this.#names[slot] = ''
      this.#values[slot] = ''
    }
  }

  #grow(): void {
    const size = 2 * (this.#mask + 1)
    const names = new Array<string>(size).fill('')
    const values = new Array<string>(size).fill('')
    for (let number = this.#added - this.count + 1; number <= this.#added; number++) {
      names[number & (size - 1)] = this.#names[number & this.#mask] as string
      values[number & (size - 1)] = this.#values[number & this.#mask] as string
    }
    this.#names = names
    this.#values = values
    this.#mask = size - 1
  }
}
