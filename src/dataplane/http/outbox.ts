/**
 * Collects what a turn of the event loop has to say to one socket and says it in one write: every write is a system call
 * and, under TLS, a record. It keeps no policy about when to flush; its owner calls `flush` when the turn's input is used up.
 */
import type { Duplex } from 'node:stream'

/** Up to this many bytes are copied together; above it the parts go out as one gathered write without a copy. */
const copyLimit = 16 * 1024

export class Outbox {
  readonly #stream: Duplex
  #text = ''
  readonly #parts: (string | Buffer)[] = []
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
    this.#parts.push(chunk)
    this.#bytes += chunk.length
  }

  /** Bytes waiting for `flush`. */
  get size(): number {
    return this.#bytes + this.#text.length
  }

  /** False when the stream is full: wait for its `drain`. */
  flush(): boolean {
    const parts = this.#parts
    const stream = this.#stream
    if (parts.length === 0) {
      if (this.#text === '') return !stream.writableNeedDrain
      const text = this.#text
      this.#text = ''
      return stream.write(text, 'latin1')
    }
    if (this.#text !== '') this.#takeText()
    let room: boolean
    if (parts.length === 1) {
      room = stream.write(parts[0])
    } else if (this.#bytes <= copyLimit) {
      room = stream.write(this.#joined())
    } else {
      stream.cork()
      for (const part of parts) stream.write(part, 'latin1')
      stream.uncork()
      room = !stream.writableNeedDrain
    }
    parts.length = 0
    this.#bytes = 0
    return room
  }

  #takeText(): void {
    this.#parts.push(this.#text)
    this.#bytes += this.#text.length
    this.#text = ''
  }

  #joined(): Buffer {
    const all = Buffer.allocUnsafe(this.#bytes)
    let at = 0
    for (const part of this.#parts)
      at += typeof part === 'string' ? all.write(part, at, 'latin1') : part.copy(all, at)
    return all
  }
}
