/**
 * Turns the bytes of an upstream connection into responses, one for each request it was told of, strictly by RFC 9112.
 * It does no I/O, and bytes that answer no request are refused.
 */
import { BodyReader } from './body-reader.ts'
import type { CodecRefusal, Http1Limits, ResponseHandler, ResponseHead } from './message.ts'
import { Framing } from './message.ts'
import { refusals } from './refusals.ts'
import { ResponseHeadGrammar } from './response-head.ts'
import { SplitSection } from './split-section.ts'

const Phase = { Idle: 0, Head: 1, Body: 2, Tunnel: 3 } as const
type Phase = (typeof Phase)[keyof typeof Phase]

export class ResponseParser {
  /** Set once, for ever. */
  refusal: CodecRefusal | null = null
  readonly #handler: ResponseHandler
  readonly #grammar: ResponseHeadGrammar
  readonly #head: SplitSection
  readonly #body: BodyReader
  #phase: Phase = Phase.Idle

  constructor(limits: Http1Limits, handler: ResponseHandler) {
    this.#handler = handler
    this.#grammar = new ResponseHeadGrammar(limits)
    this.#head = new SplitSection(this.#grammar, limits.maxHeadBytes)
    this.#body = new BodyReader(limits, handler)
  }

  /** True between the first byte of a head and the end of its message; for ever in a tunnel. */
  get busy(): boolean {
    return this.#phase > Phase.Head || this.#head.begun
  }

  /** A request of this method was sent: the next final response answers it. */
  expect(method: string): void {
    this.#grammar.method = method
    if (this.#phase === Phase.Idle) this.#phase = Phase.Head
  }

  /** How many bytes were consumed; see message.ts. Interim responses are passed over to reach the final one. */
  execute(chunk: Buffer): number {
    if (this.refusal !== null || chunk.length === 0) return 0
    if (this.#phase === Phase.Idle) return this.#refuse(refusals.unsolicitedResponse, 0)
    let at = 0
    while (this.#phase === Phase.Head) {
      if (at === chunk.length) return at
      at = this.#head.feed(chunk, at)
      if (this.#head.refusal !== null) return this.#refuse(this.#head.refusal, at)
      if (!this.#head.done) return at
      if (this.#begin(this.#grammar.head as ResponseHead)) return at
    }
    if (this.#phase === Phase.Tunnel) return at
    at = this.#body.read(chunk, at)
    if (this.#body.refusal !== null) return this.#refuse(this.#body.refusal, at)
    if (this.#body.done) this.#end()
    return at
  }

  /** The upstream ended its side: null at a message boundary, in a tunnel, and where that ends the body. */
  finish(): CodecRefusal | null {
    if (this.refusal !== null || this.#phase === Phase.Tunnel) return this.refusal
    if (this.#phase === Phase.Body) {
      if (this.#body.untilClose) {
        this.#body.start(Framing.None, -1)
        this.#end()
      } else this.refusal = this.#body.fault()
    } else if (this.#head.begun) this.refusal = this.#head.fault() ?? refusals.truncatedHead
    return this.refusal
  }

  // True when reading stops behind the head: the message has no body, or became a tunnel.
  #begin(head: ResponseHead): boolean {
    this.#grammar.head = null
    if (head.framing === Framing.Tunnel) {
      this.#phase = Phase.Tunnel
      this.#handler.onHead(head)
      return true
    }
    if (head.status < 200) {
      this.#handler.onHead(head)
      return false
    }
    this.#body.start(head.framing, head.contentLength)
    this.#phase = Phase.Body
    this.#handler.onHead(head)
    if (!this.#body.done) return false
    this.#end()
    return true
  }

  #end(): void {
    this.#phase = Phase.Idle
    this.#handler.onEnd()
  }

  #refuse(refusal: CodecRefusal, at: number): number {
    this.refusal = refusal
    return at
  }
}
