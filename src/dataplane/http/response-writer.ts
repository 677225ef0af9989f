/**
 * Writes responses to one client in the framing its HTTP version understands, through an outbox that leaves in few
 * writes. It knows no request but its version, and decides only what framing itself decides: whether this is the last.
 */
import type { Duplex } from 'node:stream'
import { Framing } from '../../http1/message.ts'
import { chunkHead, lastChunk } from '../../http1/write-body.ts'
import { HeadWriter } from '../../http1/head-writer.ts'
import { Outbox } from './outbox.ts'

export class ResponseWriter {
  readonly #out: Outbox
  readonly #heads = new HeadWriter()
  #chunked = false

  constructor(stream: Duplex) {
    this.#out = new Outbox(stream)
  }

  /** A head without body framing of its own: 1xx, and the 101 of a tunnel. */
  bare(status: number, reason: string, headers: string[]): void {
    this.#chunked = false
    this.#out.text(this.#heads.response(status, reason, headers))
  }

  /** Completes the headers with framing and connection fields; true when the connection ends with this response. */
  head(
    version: number,
    last: boolean,
    status: number,
    reason: string,
    headers: string[],
    framing: Framing,
  ): boolean {
    const old = version === 10
    let ends = last
    this.#chunked = false
    if (framing === Framing.Chunked || framing === Framing.UntilClose) {
      // An HTTP/1.0 client knows no chunks: the end of the connection is the end of the body.
      if (old) ends = true
      else {
        this.#chunked = true
        headers.push('transfer-encoding', 'chunked')
      }
    }
    if (ends) headers.push('connection', 'close')
    else if (old) headers.push('connection', 'keep-alive')
    this.#out.text(this.#heads.response(status, reason, headers))
    return ends
  }

  text(text: string): void {
    this.#out.text(text)
  }

  body(chunk: Buffer): void {
    if (!this.#chunked) {
      this.#out.chunk(chunk)
      return
    }
    this.#out.text(chunkHead(chunk.length))
    this.#out.chunk(chunk)
    this.#out.text('\r\n')
  }

  end(trailers: readonly string[] | null): void {
    if (this.#chunked) this.#out.text(lastChunk(trailers))
  }

  /** Bytes and characters waiting for a flush. */
  get size(): number {
    return this.#out.size
  }

  /** False when the client does not keep up. */
  flush(): boolean {
    return this.#out.flush()
  }
}
