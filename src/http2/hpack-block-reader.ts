/**
 * A cursor over one header block: reads HPACK's integers and strings (RFC 7541 §5) and remembers the first fault. It
 * knows no tables and no field representations.
 */
import { mostTextBytes, readHuffman } from './hpack-huffman-reader.ts'

/** What `integer` and `text` answer besides what they read; `fault` says why. */
export const Fault = -1

/** Continuation bytes read: numbers below 2^28, and none of our lengths comes near. */
const mostContinuations = 4

const noBytes = Buffer.alloc(0)

export class BlockReader {
  bytes: Buffer = noBytes
  at = 0
  fault = ''
  /** Of the last string read: where it stands, in `bytes` or, when `coded`, in the text decoded from it. */
  from = 0
  length = 0
  #coded = false

  start(block: Buffer): void {
    this.bytes = block
    this.at = 0
    this.fault = ''
  }

  /** Lets go of the block. */
  end(): void {
    this.bytes = noBytes
  }

  /** A number whose first byte stands at the cursor and whose prefix is the bits of `mask`; -1 is a fault. */
  integer(mask: number): number {
    const bytes = this.bytes
    if (this.at >= bytes.length) return this.#fail('truncated')
    let value = (bytes[this.at++] as number) & mask
    if (value < mask) return value
    for (let i = 0; i < mostContinuations; i++) {
      if (this.at >= bytes.length) return this.#fail('truncated')
      const byte = bytes[this.at++] as number
      value += (byte & 0x7f) << (7 * i)
      if (byte < 0x80) return value
    }
    return this.#fail('integer_too_large')
  }

  /** Reads a string so far that its `length` is known and its coding checked; false is a fault. */
  string(): boolean {
    const bytes = this.bytes
    const coded = this.at < bytes.length && (bytes[this.at] as number) >= 0x80
    const length = this.integer(0x7f)
    if (length === Fault) return false
    if (length > bytes.length - this.at) return this.refuse('truncated')
    this.from = this.at
    this.length = length
    this.at += length
    this.#coded = coded
    return !coded || this.#decode()
  }

  /** The string last read, as text of its own. */
  text(): string {
    if (this.#coded) return latin1(decoded, 0, this.length)
    return latin1(this.bytes, this.from, this.length)
  }

  #decode(): boolean {
    const most = mostTextBytes(this.length)
    if (most > decoded.length) decoded = Buffer.allocUnsafeSlow(most)
    this.length = readHuffman(this.bytes, this.from, this.at, decoded)
    return this.length >= 0 || this.refuse('bad_huffman')
  }

  /** Always false. */
  refuse(fault: string): false {
    this.fault = fault
    return false
  }

  #fail(fault: string): typeof Fault {
    this.fault = fault
    return Fault
  }
}

/** Where Huffman-coded text is decoded to; valid until the next string, for all readers of the thread. */
let decoded = Buffer.allocUnsafeSlow(1024)

function latin1(bytes: Buffer, from: number, length: number): string {
  return bytes.toString('latin1', from, from + length)
}
