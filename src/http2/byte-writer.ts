/**
 * A buffer that grows at its end: what one turn of the event loop has to say is put together here and leaves in one
 * write. It knows no format.
 */
export class ByteWriter {
  #bytes: Buffer
  #length = 0
  readonly #leastBytes: number

  /** `leastBytes`: room at the start, and the least after each `take`. */
  constructor(leastBytes = 2048) {
    this.#leastBytes = leastBytes
    this.#bytes = Buffer.allocUnsafe(leastBytes)
  }

  get length(): number {
    return this.#length
  }

  /** Makes room for `bytes` more and returns the buffer to write into from `length` on; say how many with `advance`. */
  reserve(bytes: number): Buffer {
    const needed = this.#length + bytes
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2, this.#leastBytes))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    return this.#bytes
  }

  advance(bytes: number): void {
    this.#length += bytes
  }

  byte(value: number): void {
    this.reserve(1)[this.#length] = value
    this.#length += 1
  }

  u16(value: number): void {
    const to = this.reserve(2)
    to[this.#length] = value >>> 8
    to[this.#length + 1] = value
    this.#length += 2
  }

  u32(value: number): void {
    const to = this.reserve(4)
    to[this.#length] = value >>> 24
    to[this.#length + 1] = value >>> 16
    to[this.#length + 2] = value >>> 8
    to[this.#length + 3] = value
    this.#length += 4
  }

  /** Latin-1: one byte a character, whose code must not be above 255. */
  latin1(text: string): void {
    const to = this.reserve(text.length)
    to.write(text, this.#length, 'latin1')
    this.#length += text.length
  }

  bytes(chunk: Uint8Array, from = 0, to = chunk.length): void {
    const room = this.reserve(to - from)
    if (from === 0 && to === chunk.length) room.set(chunk, this.#length)
    else room.set(chunk.subarray(from, to), this.#length)
    this.#length += to - from
  }

  /** What was written at `at` and after, as a view; valid until the next write. */
  view(at = 0): Buffer {
    return this.#bytes.subarray(at, this.#length)
  }

  /** Forgets everything behind `length`. */
  truncate(length: number): void {
    this.#length = length
  }

  /** Everything written, for the caller to keep; the writer begins anew. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length)
    // The rest of a large enough buffer is used on: what was taken is never written to again.
    const left = this.#bytes.length - this.#length
    const next = Math.min(Math.max(taken.length * 2, this.#leastBytes), mostBytes)
    this.#bytes = left * 4 >= next ? this.#bytes.subarray(this.#length) : Buffer.allocUnsafe(next)
    this.#length = 0
    return taken
  }

  /** Nothing is to be written for a while: holds no memory meanwhile. */
  rest(): void {
    if (this.#length === 0) this.#bytes = none
  }
}

/** A busy writer's next buffer is twice what the last turn took, up to this. */
const mostBytes = 64 * 1024
const none = Buffer.alloc(0)
