/**
 * Feeds a head or a trailer section to its grammar although its bytes may come in many pieces. In the common case the
 * whole section lies in one chunk and nothing is copied; it keeps its own copy of a part, never a view of a chunk.
 */
import { LF } from './byte-classes.ts'
import { NeedMore, Refused } from './field-section.ts'
import type { CodecRefusal } from './message.ts'

/** What knows how a section is written. Positions are those of the `bytes` of the same call. */
export interface SectionGrammar {
  readonly refusal: CodecRefusal | null
  /** Forget everything: the next scan begins a section (perhaps the same one again, elsewhere). */
  restart(): void
  /** Continues behind what was settled before; the position behind the section, NeedMore or Refused. */
  scan(bytes: Buffer, from: number, end: number): number
  /** The section is whole: read its meaning. False = refused. */
  complete(bytes: Buffer, from: number, to: number): boolean
  /** The section did not end within its limit. */
  tooLong(): CodecRefusal
}

export class SplitSection {
  refusal: CodecRefusal | null = null
  done = false
  readonly #grammar: SectionGrammar
  readonly #maxBytes: number
  #held: Buffer | null = null
  #length = 0

  constructor(grammar: SectionGrammar, maxBytes: number) {
    this.#grammar = grammar
    this.#maxBytes = maxBytes
  }

  get begun(): boolean {
    return this.#held !== null
  }

  /** Where reading goes on in `chunk`: behind the section when `done`, else at its end. Stands still on a refusal. */
  feed(chunk: Buffer, from: number): number {
    this.done = false
    if (this.#held !== null) return this.#feedHeld(this.#held, chunk, from)
    const limit = from + this.#maxBytes
    const end = chunk.length < limit ? chunk.length : limit
    this.#grammar.restart()
    const at = this.#grammar.scan(chunk, from, end)
    if (at >= 0) return this.#complete(chunk, from, at) ? at : from
    if (at === Refused) return this.#refuse(this.#grammar.refusal, from)
    if (end === limit) return this.#refuse(this.#grammar.tooLong(), from)
    if (end > from) {
      this.#held = Buffer.allocUnsafe(Math.min(Math.max(1024, 2 * (end - from)), this.#maxBytes))
      this.#length = chunk.copy(this.#held, 0, from, end)
      this.#grammar.restart()
    }
    return end
  }

  /** The peer left: the fault in what is held, if it shows already. */
  fault(): CodecRefusal | null {
    const held = this.#held
    if (held !== null && this.#grammar.scan(held, 0, this.#length) === Refused) return this.#grammar.refusal
    return null
  }

  #feedHeld(held: Buffer, chunk: Buffer, from: number): number {
    const before = this.#length
    const room = this.#maxBytes - before
    const taken = Math.min(room, chunk.length - from)
    const length = before + taken
    const bytes = length <= held.length ? held : grow(held, before, Math.min(2 * length, this.#maxBytes))
    chunk.copy(bytes, before, from, from + taken)
    this.#held = bytes
    this.#length = length
    // A line is scanned when its end is here, so that byte by byte costs no more than whole.
    const lineEnds = taken === 1 ? chunk[from] === LF : chunk.indexOf(LF, from) >= 0
    if (!lineEnds && taken < room) return from + taken
    const at = this.#grammar.scan(bytes, 0, length)
    if (at >= 0) return this.#complete(bytes, 0, at) ? from + at - before : from
    if (at === NeedMore) return taken < room ? from + taken : this.#refuse(this.#grammar.tooLong(), from)
    return this.#refuse(this.#grammar.refusal, from)
  }

  #complete(bytes: Buffer, from: number, to: number): boolean {
    if (!this.#grammar.complete(bytes, from, to)) {
      this.#refuse(this.#grammar.refusal, from)
      return false
    }
    this.#held = null
    this.#length = 0
    this.done = true
    return true
  }

  #refuse(refusal: CodecRefusal | null, from: number): number {
    this.refusal = refusal
    this.#held = null
    return from
  }
}

function grow(held: Buffer, length: number, size: number): Buffer {
  const larger = Buffer.allocUnsafe(size)
  held.copy(larger, 0, 0, length)
  return larger
}
