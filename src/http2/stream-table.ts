/**
 * The open streams of a session by number. Numbers come in order and streams are short, so that nearly each has a place of
 * its own in a small ring; what finds its place taken by a long-lived one waits in a list. No Map: see roster.ts.
 */
import type { Http2Stream } from './stream.ts'

const places = 128

export class StreamTable {
  readonly #ring: (Http2Stream | null)[] = new Array<Http2Stream | null>(places).fill(null)
  readonly #others: Http2Stream[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  find(id: number): Http2Stream | null {
    const at = this.#ring[placeOf(id)] as Http2Stream | null
    if (at !== null && at.id === id) return at
    if (this.#others.length === 0) return null
    return this.#others.find((stream) => stream.id === id) ?? null
  }

  add(stream: Http2Stream): void {
    this.#size += 1
    const place = placeOf(stream.id)
    if (this.#ring[place] === null) this.#ring[place] = stream
    else this.#others.push(stream)
  }

  /** `stream` is in the table. */
  remove(stream: Http2Stream): void {
    this.#size -= 1
    const place = placeOf(stream.id)
    if (this.#ring[place] === stream) this.#ring[place] = null
    else this.#others.splice(this.#others.indexOf(stream), 1)
  }

  list(): Http2Stream[] {
    return [...this.#ring.filter((stream) => stream !== null), ...this.#others]
  }
}

function placeOf(id: number): number {
  return (id >>> 1) & (places - 1)
}
