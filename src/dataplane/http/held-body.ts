/**
 * The part of a request's body that waits for its way to be open, in order. Many small pieces are copied together: a client
 * that sends byte by byte must not cost an object a byte. It sets no limit and stops no reading; whoever gathers does.
 */

/** Hears how much is there: each time more is, and once it is whole; true = read no further now. */
export type Gathering = (size: number, whole: boolean) => boolean

/** So many pieces are kept as they are, and of the later ones those of this size and more. */
const few = 8
const large = 4096
const blockSize = 16 * 1024

export class HeldBody {
  readonly #pieces: Buffer[] = []
  #block: Buffer | null = null
  #used = 0
  #gathering: Gathering | null = null
  /** Bytes held. */
  size = 0

  /** True while more is wanted. */
  gather(hear: Gathering, whole: boolean): boolean {
    this.#gathering = hear
    return this.#tell(whole)
  }

  /** True when more is wanted. */
  push(chunk: Buffer): boolean {
    this.#keep(chunk)
    return this.#tell(false)
  }

  /** There is no more. */
  end(): void {
    this.#tell(true)
  }

  #tell(whole: boolean): boolean {
    const hear = this.#gathering
    if (hear === null) return false
    const enough = hear(this.size, whole)
    // What it heard may have made somebody gather anew.
    if (enough && this.#gathering === hear) this.#gathering = null
    return this.#gathering !== null
  }

  #keep(chunk: Buffer): void {
    this.size += chunk.length
    if (this.#pieces.length < few || chunk.length >= large) {
      this.#seal()
      this.#pieces.push(chunk)
      return
    }
    if (this.#block === null || chunk.length > this.#block.length - this.#used) {
      this.#seal()
      this.#block = Buffer.allocUnsafeSlow(blockSize)
    }
    this.#used += chunk.copy(this.#block, this.#used)
  }

  /** A copy of at most the first `most` bytes. */
  first(most: number): Buffer {
    const tail = this.#block?.subarray(0, this.#used)
    return Buffer.concat(
      tail === undefined ? this.#pieces : [...this.#pieces, tail],
      Math.min(this.size, most),
    )
  }

  /** Hands all of it over, in order; nothing is held afterwards. */
  release(to: (piece: Buffer) => void): void {
    this.#seal()
    for (const piece of this.#pieces.splice(0)) to(piece)
    this.size = 0
  }

  #seal(): void {
    if (this.#block !== null && this.#used > 0) this.#pieces.push(this.#block.subarray(0, this.#used))
    this.#block = null
    this.#used = 0
  }
}
