/**
 * Collects what a turn of the event loop has to say to one socket and says it in one write: every write is a system call
 * and, under TLS, a record. It keeps no policy about when to flush; its owner calls `flush` when the turn's input is used up.
 */
import { Buffer } from 'node:buffer'
import type { Duplex } from 'node:stream'

/** Up to this many bytes are copied together; above it the parts go out as one gathered write without a copy. */
const copyLimit = 16 * 1024

export class Outbox {
  readonly #stream: Duplex
  #text = ''
  // The list keeps its length: setting that back costs more than all else here.
  readonly #parts: (string | Buffer)[] = []
  #count = 0
  #bytes = 0

  constructor(stream: Duplex) {
    this.#stream = stream
  }

  /** Latin-1: one byte a character. */
  text(text: string): void {
    this.#text += text
  }

  /** The chunk is written or copied by the next `flush`; it must not change until then. */
  chunk(chunk: Buffer): void {
    if (this.#text !== '') this.#takeText()
    this.#parts[this.#count++] = chunk
    this.#bytes += chunk.length
  }

  /** Bytes waiting for `flush`. */
  get size(): number {
    return this.#bytes + this.#text.length
  }

  /** False when the stream is full: wait for its `drain`. */
  flush(): boolean {
    const stream = this.#stream
    if (this.#count === 0) {
      if (this.#text === '') return !stream.writableNeedDrain
      const text = this.#text
      this.#text = ''
      return stream.write(text, 'latin1')
    }
    if (this.#text !== '') this.#takeText()
    const parts = this.#parts
    const count = this.#count
    let room: boolean
    if (count === 1) {
      room = stream.write(parts[0])
    } else if (this.#bytes <= copyLimit) {
      room = stream.write(this.#joined())
    } else {
      stream.cork()
      for (let i = 0; i < count; i += 1) stream.write(parts[i], 'latin1')
      stream.uncork()
      room = !stream.writableNeedDrain
    }
    // What was written is not to be held on to; nor is a list that a slow reader let grow.
    if (count > mostKept) this.#parts.length = 0
    else for (let i = 0; i < count; i += 1) parts[i] = ''
    this.#count = 0
    this.#bytes = 0
    return room
  }

  #takeText(): void {
    this.#parts[this.#count++] = this.#text
    this.#bytes += this.#text.length
    this.#text = ''
  }

  #joined(): Buffer {
    const all = Buffer.allocUnsafe(this.#bytes)
    let at = 0
    for (let i = 0; i < this.#count; i += 1) {
      const part = this.#parts[i] as string | Buffer
      at += typeof part === 'string' ? all.write(part, at, 'latin1') : part.copy(all, at)
    }
    return all
  }
}

const mostKept = 16
