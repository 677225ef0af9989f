/**
 * Holds back a stream's last word until it is known whether another follows, so that the end of a message rides on its
 * last frame instead of an empty one of its own. It knows neither requests nor responses.
 */
import type { ErrorCode } from '../../http2/frame.ts'
import type { Http2Session } from '../../http2/session.ts'
import type { Http2Stream } from '../../http2/stream.ts'

export class PendingOutput {
  readonly #session: Http2Session
  readonly #stream: Http2Stream
  #head: readonly string[] | null = null
  #chunk: Buffer | null = null

  constructor(session: Http2Session, stream: Http2Stream) {
    this.#session = session
    this.#stream = stream
  }

  head(fields: readonly string[]): void {
    this.#head = fields
  }

  /** The chunk is written or copied by the next call. */
  body(chunk: Buffer): void {
    this.flush()
    if (chunk.length > 0) this.#chunk = chunk
  }

  end(trailers: readonly string[] | null): void {
    const chunk = this.#chunk
    if (trailers !== null) {
      this.flush()
      this.#session.end(this.#stream, trailers)
    } else if (chunk !== null) {
      this.#sendHead(false)
      this.#chunk = null
      this.#session.data(this.#stream, chunk, true)
    } else if (this.#head !== null) this.#sendHead(true)
    else this.#session.end(this.#stream, null)
  }

  /** What is known so far goes to the session; its end is not known. */
  flush(): void {
    this.#sendHead(false)
    const chunk = this.#chunk
    if (chunk === null) return
    this.#chunk = null
    this.#session.data(this.#stream, chunk, false)
  }

  reset(code: ErrorCode): void {
    this.#head = null
    this.#chunk = null
    this.#session.reset(this.#stream, code)
  }

  #sendHead(end: boolean): void {
    const head = this.#head
    if (head === null) return
    this.#head = null
    this.#session.headers(this.#stream, head, end)
  }
}
