/**
 * Turns the bytes of a connection's client side into requests, one at a time, strictly by RFC 9112. It does no I/O, and
 * what follows a request stays with the caller.
 */
import { BodyReader } from './body-reader.ts'
import { CR, LF } from './byte-classes.ts'
import type { CodecRefusal, Http1Limits, RequestHandler, RequestHead } from './message.ts'
import { Framing } from './message.ts'
import { refusals } from './refusals.ts'
import { RequestHeadGrammar } from './request-head.ts'
import { SplitSection } from './split-section.ts'

const Phase = { Head: 0, Body: 1, Tunnel: 2 } as const
type Phase = (typeof Phase)[keyof typeof Phase]

// The one empty line tolerated in front of a request (RFC 9112 §2.2).
const Empty = { Allowed: 0, HalfRead: 1, Spent: 2 } as const
type Empty = (typeof Empty)[keyof typeof Empty]

export class RequestParser {
  /** Set once, for ever. */
  refusal: CodecRefusal | null = null
  readonly #handler: RequestHandler
  readonly #grammar: RequestHeadGrammar
  readonly #head: SplitSection
  readonly #body: BodyReader
  #phase: Phase = Phase.Head
  #empty: Empty = Empty.Allowed

  constructor(limits: Http1Limits, handler: RequestHandler) {
    this.#handler = handler
    this.#grammar = new RequestHeadGrammar(limits)
    this.#head = new SplitSection(this.#grammar, limits.maxHeadBytes)
    this.#body = new BodyReader(limits, handler)
  }

  /** True between the first byte of a head and the end of its message; for ever behind CONNECT. */
  get busy(): boolean {
    return this.#phase !== Phase.Head || this.#head.begun
  }

  /** How many bytes were consumed; see message.ts. */
  execute(chunk: Buffer): number {
    if (this.refusal !== null || chunk.length === 0) return 0
    let at = 0
    if (this.#phase === Phase.Head) {
      if (!this.#head.begun) at = this.#skipEmptyLine(chunk)
      if (this.refusal !== null || at === chunk.length) return at
      at = this.#head.feed(chunk, at)
      if (this.#head.refusal !== null) return this.#refuse(this.#head.refusal, at)
      if (!this.#head.done) return at
      if (this.#begin(this.#grammar.head as RequestHead)) return at
    }
    if (this.#phase === Phase.Tunnel) return at
    at = this.#body.read(chunk, at)
    if (this.#body.refusal !== null) return this.#refuse(this.#body.refusal, at)
    if (this.#body.done) this.#end()
    return at
  }

  /** The client ended its side: null at a message boundary and in a tunnel. */
  finish(): CodecRefusal | null {
    if (this.refusal !== null || this.#phase === Phase.Tunnel) return this.refusal
    if (this.#phase === Phase.Body) this.refusal = this.#body.fault()
    else if (this.#head.begun || this.#empty === Empty.HalfRead) {
      this.refusal = this.#head.fault() ?? refusals.truncatedHead
    }
    return this.refusal
  }

  // True when the message ends with its head.
  #begin(head: RequestHead): boolean {
    this.#grammar.head = null
    this.#empty = Empty.Allowed
    if (head.framing === Framing.Tunnel) {
      this.#phase = Phase.Tunnel
      this.#handler.onHead(head)
      return true
    }
    this.#body.start(head.framing, head.contentLength)
    this.#phase = Phase.Body
    this.#handler.onHead(head)
    if (!this.#body.done) return false
    this.#end()
    return true
  }

  #end(): void {
    this.#phase = Phase.Head
    this.#handler.onEnd()
  }

  #skipEmptyLine(chunk: Buffer): number {
    let at = 0
    if (this.#empty === Empty.Allowed && chunk[0] === CR) {
      this.#empty = Empty.HalfRead
      if (++at === chunk.length) return at
    }
    if (this.#empty === Empty.HalfRead) {
      if (chunk[at] !== LF) return this.#refuse(refusals.bareCr, at)
      this.#empty = Empty.Spent
      at++
    }
    return at
  }

  #refuse(refusal: CodecRefusal, at: number): number {
    this.refusal = refusal
    return at
  }
}
