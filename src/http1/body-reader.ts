/**
 * Reads the body of one message after another, of any framing (RFC 9112 §6–7), handing out views of the fed bytes. It
 * buffers nothing but a trailer section that came in pieces.
 */
import { CR, LF } from './byte-classes.ts'
import { ChunkLine } from './chunk-line.ts'
import { Refused } from './field-section.ts'
import type { CodecRefusal, Http1Limits } from './message.ts'
import { Framing } from './message.ts'
import { refusals } from './refusals.ts'
import { SplitSection } from './split-section.ts'
import { TrailerGrammar } from './trailer-section.ts'

/** What both kinds of handler have in common. */
export interface BodyHandler {
  onBody(chunk: Buffer): void
  onTrailers(trailers: string[]): void
}

const State = {
  Done: 0,
  Length: 1,
  UntilClose: 2,
  Line: 3,
  Data: 4,
  DataCr: 5,
  DataLf: 6,
  TrailerStart: 7,
  TrailerLf: 8,
  Trailers: 9,
} as const
type State = (typeof State)[keyof typeof State]

export class BodyReader {
  refusal: CodecRefusal | null = null
  readonly #handler: BodyHandler
  readonly #limits: Http1Limits
  readonly #line: ChunkLine
  #trailers: TrailerGrammar | null = null
  #section: SplitSection | null = null
  #state: State = State.Done
  /** Bytes of the body or chunk still to come. */
  #left = 0

  constructor(limits: Http1Limits, handler: BodyHandler) {
    this.#handler = handler
    this.#limits = limits
    this.#line = new ChunkLine(limits.maxChunkExtensionBytes)
  }

  get done(): boolean {
    return this.#state === State.Done
  }

  /** It ends when the peer ends. */
  get untilClose(): boolean {
    return this.#state === State.UntilClose
  }

  start(framing: Framing, contentLength: number): void {
    this.#left = contentLength
    if (framing === Framing.Length && contentLength > 0) this.#state = State.Length
    else if (framing === Framing.UntilClose) this.#state = State.UntilClose
    else if (framing === Framing.Chunked) {
      this.#line.startBody()
      this.#state = State.Line
    } else this.#state = State.Done
  }

  /** How far `chunk` was read: behind the body when `done`, up to the fault when refused, else to its end. */
  read(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length) {
      switch (this.#state) {
        case State.Done:
          return at
        case State.Length:
          at = this.#data(chunk, at, State.Done)
          break
        case State.Data:
          at = this.#data(chunk, at, State.DataCr)
          break
        case State.UntilClose:
          this.#handler.onBody(at === 0 ? chunk : chunk.subarray(at))
          return chunk.length
        case State.Line: {
          const next = this.#line.read(chunk, at)
          if (next === Refused) return this.#refuse(this.#line.refusal, at)
          if (next < 0) return chunk.length
          at = next
          this.#left = this.#line.size
          this.#state = this.#left === 0 ? State.TrailerStart : State.Data
          break
        }
        case State.DataCr:
          if (chunk[at] !== CR) return this.#refuse(refusals.badChunkEnd, at)
          at++
          this.#state = State.DataLf
          break
        case State.DataLf:
          if (chunk[at] !== LF) return this.#refuse(refusals.badChunkEnd, at)
          at++
          this.#line.start()
          this.#state = State.Line
          break
        case State.TrailerStart:
          // Most bodies have no trailers: their last CRLF needs no section.
          if (chunk[at] === CR) {
            at++
            this.#state = State.TrailerLf
          } else this.#state = State.Trailers
          break
        case State.TrailerLf:
          if (chunk[at] !== LF) return this.#refuse(refusals.bareCr, at)
          this.#state = State.Done
          return at + 1
        case State.Trailers:
          return this.#readTrailers(chunk, at)
      }
    }
    return at
  }

  #data(chunk: Buffer, at: number, next: State): number {
    const end = Math.min(chunk.length, at + this.#left)
    this.#left -= end - at
    if (this.#left === 0) this.#state = next
    this.#handler.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
    return end
  }

  #readTrailers(chunk: Buffer, at: number): number {
    const trailers = (this.#trailers ??= new TrailerGrammar(this.#limits))
    const section = (this.#section ??= new SplitSection(trailers, this.#limits.maxTrailerBytes))
    const end = section.feed(chunk, at)
    if (section.refusal !== null) return this.#refuse(section.refusal, at)
    if (section.done) {
      this.#state = State.Done
      if (trailers.trailers.length > 0) this.#handler.onTrailers(trailers.trailers)
    }
    return end
  }

  /** The peer left in the middle. */
  fault(): CodecRefusal {
    return this.#section?.fault() ?? refusals.truncatedBody
  }

  #refuse(refusal: CodecRefusal | null, at: number): number {
    this.refusal = refusal
    return at
  }
}
