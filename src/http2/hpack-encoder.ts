/**
 * Writes flat lists of names and values as header blocks (RFC 7541 §6), so that lists that come again cost little. It
 * takes lists as they are: which fields HTTP/2 allows is checked before they come here.
 */
import { MeshError } from '../error.ts'
import { defaultTableBytes } from './hpack-dynamic-table.ts'
import { EncoderTable } from './hpack-encoder-table.ts'
import { Remember } from './hpack-field-policy.ts'
import { huffmanBytes, writeHuffman } from './hpack-huffman-writer.ts'
import { mostIntegerBytes, writeInteger } from './hpack-integer.ts'

/** Where blocks are written: a `ByteWriter`, as far as it is needed. */
export interface HeaderSink {
  readonly length: number
  /** Makes room for so many bytes and gives the buffer to write into from `length` on. */
  reserve(bytes: number): Buffer
  advance(bytes: number): void
}

export interface HpackEncoderOptions {
  /** Of the dynamic table, whatever more the peer offers. */
  readonly maxTableBytes: number
  /** Whether strings are Huffman-coded where that is shorter: fewer bytes, more work, see docs/decisions/0010. */
  readonly huffman?: boolean
}

export type Http2WriteErrorCode = 'ERR_HTTP2_UNSAFE_HEADER'

/** Raised for text that is not latin1: a fault of our own code, as fields are checked on arrival. */
export class Http2WriteError extends MeshError<Http2WriteErrorCode> {}

export class HpackEncoder {
  readonly #maxTableBytes: number
  readonly #huffman: boolean
  readonly #table = new EncoderTable()
  /** The capacity to have at the next block, and the smallest that was asked for since the last (RFC 7541 §4.2). */
  #capacity: number
  #smallest: number
  #broken = false

  constructor(options: HpackEncoderOptions) {
    this.#maxTableBytes = options.maxTableBytes
    this.#huffman = options.huffman ?? false
    this.#capacity = Math.min(options.maxTableBytes, defaultTableBytes)
    this.#smallest = this.#capacity
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableSize(bytes: number): void {
    this.#capacity = Math.min(this.#maxTableBytes, bytes)
    this.#smallest = Math.min(this.#smallest, this.#capacity)
  }

  /** Appends one block. Whoever asked for it has to send it, before the next: the table knows of it already. */
  encode(fields: readonly string[], out: HeaderSink): void {
    if (this.#broken) throw unsafe()
    let most = 2 * mostIntegerBytes
    for (let i = 0; i < fields.length; i += 2)
      most += (fields[i] as string).length + (fields[i + 1] as string).length + 3 * mostIntegerBytes
    const to = out.reserve(most)
    const from = out.length
    let at = from
    if (this.#capacity !== this.#table.capacity || this.#smallest < this.#table.capacity)
      at = this.#sizeUpdates(to, at)
    for (let i = 0; i < fields.length; i += 2)
      at = this.#field(to, at, fields[i] as string, fields[i + 1] as string)
    out.advance(at - from)
  }

  #sizeUpdates(to: Buffer, from: number): number {
    let at = from
    if (this.#smallest < this.#capacity && this.#smallest < this.#table.capacity) {
      at = writeInteger(to, at, 0x20, 0x1f, this.#smallest)
      this.#table.resize(this.#smallest)
    }
    at = writeInteger(to, at, 0x20, 0x1f, this.#capacity)
    this.#table.resize(this.#capacity)
    this.#smallest = this.#capacity
    return at
  }

  #field(to: Buffer, at: number, name: string, value: string): number {
    const table = this.#table
    const record = table.record(name)
    if (record.remember === Remember.Learned) {
      const index = table.find(record, value)
      if (index > 0) return writeInteger(to, at, 0x80, 0x7f, index)
    }
    const nameIndex = table.findName(record)
    let next: number
    if (record.remember === Remember.Secret) next = writeInteger(to, at, 0x10, 0x0f, nameIndex)
    else if (table.deservesEntry(record, value)) {
      next = writeInteger(to, at, 0x40, 0x3f, nameIndex)
      table.add(record, value)
    } else next = writeInteger(to, at, 0, 0x0f, nameIndex)
    if (nameIndex === 0) next = this.#string(to, next, name)
    return this.#string(to, next, value)
  }

  #string(to: Buffer, at: number, text: string): number {
    const { length } = text
    // Lengths are in characters: anything but latin1 would put the block out of step with what it says.
    if (beyondLatin1.test(text)) {
      this.#broken = true
      throw unsafe()
    }
    if (this.#huffman) {
      const bytes = huffmanBytes(text)
      if (bytes < length) return writeHuffman(to, writeInteger(to, at, 0x80, 0x7f, bytes), text)
    }
    const start = writeInteger(to, at, 0, 0x7f, length)
    to.write(text, start, 'latin1')
    return start + length
  }
}

const beyondLatin1 = /[^\0-\xff]/

function unsafe(): Http2WriteError {
  return new Http2WriteError(
    'ERR_HTTP2_UNSAFE_HEADER',
    'refused to write a field with a character beyond latin1, and whatever comes after it on that connection',
    'report it: heads are checked on arrival',
  )
}
