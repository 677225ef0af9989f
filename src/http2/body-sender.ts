/**
 * Sends bodies and their ends as far as the peer's windows admit (RFC 9113 §5.2, §6.9) and keeps the rest in order until
 * they do. What it keeps is copied: chunks are views into buffers that others go on using.
 */
import type { ByteWriter } from './byte-writer.ts'
import { defaultFrameBytes, defaultWindowBytes, maxWindowBytes } from './frame.ts'
import { Roster } from '../lifecycle/roster.ts'
import type { HpackEncoder } from './hpack-encoder.ts'
import type { Http2Stream } from './stream.ts'
import { writeData, writeHeaders } from './write-frame.ts'

export class BodySender {
  readonly #out: ByteWriter
  readonly #encoder: HpackEncoder
  readonly #ended: (stream: Http2Stream) => void
  readonly #blocked = new Roster<Http2Stream>()
  #window = defaultWindowBytes
  #first = 0
  /** Body bytes that left since the owner last looked: proof that the peer's window updates are of use. */
  progress = 0

  /** `ended`: our side of a stream is done. */
  constructor(out: ByteWriter, encoder: HpackEncoder, ended: (stream: Http2Stream) => void) {
    this.#out = out
    this.#encoder = encoder
    this.#ended = ended
  }

  /** `end`: these are the last bytes, and no trailers follow. */
  data(stream: Http2Stream, chunk: Buffer, end: boolean): void {
    if (!stream.localOpen) return
    let sent = 0
    if (!stream.blocked) {
      sent = this.#send(stream, chunk, 0, end)
      if (sent === chunk.length) {
        if (end) this.#ended(stream)
        return
      }
    }
    stream.waiting.push({ chunk: Buffer.from(chunk.subarray(sent)), sent: 0 })
    if (end) stream.ending = null
    this.#blocked.join(stream)
  }

  /** The end, with trailers or without. */
  end(stream: Http2Stream, trailers: readonly string[] | null): void {
    if (!stream.localOpen) return
    if (stream.blocked) {
      stream.ending = trailers
      return
    }
    if (trailers === null) writeData(this.#out, stream.id, none, 0, 0, true)
    else writeHeaders(this.#out, this.#encoder, stream.id, trailers, true, defaultFrameBytes)
    this.#ended(stream)
  }

  forget(stream: Http2Stream): void {
    stream.waiting.length = 0
    stream.ending = false
    this.#blocked.leave(stream)
  }

  /** False: the window would grow beyond what there is (RFC 9113 §6.9.1). */
  grow(increment: number): boolean {
    this.#window += increment
    if (this.#window > maxWindowBytes) return false
    const blocked = this.#blocked.list()
    // Another begins each time, so that one long body does not have the connection's window for itself.
    this.#first += 1
    for (let i = 0; i < blocked.length; i += 1)
      this.#goOn(blocked[(this.#first + i) % blocked.length] as Http2Stream)
    return true
  }

  growStream(stream: Http2Stream, increment: number): boolean {
    stream.sendWindow += increment
    if (stream.sendWindow > maxWindowBytes) return false
    if (stream.blocked) this.#goOn(stream)
    return true
  }

  #goOn(stream: Http2Stream): void {
    const { waiting } = stream
    if (waiting.length === 0) return
    while (waiting.length > 0) {
      const first = waiting[0] as (typeof waiting)[number]
      const last = waiting.length === 1 && stream.ending === null
      first.sent = this.#send(stream, first.chunk, first.sent, last)
      if (first.sent < first.chunk.length) return
      waiting.shift()
      if (last) {
        this.#blocked.leave(stream)
        this.#ended(stream)
        return
      }
    }
    this.#blocked.leave(stream)
    const { ending } = stream
    if (ending === false) stream.events?.onWritable()
    else this.end(stream, ending)
  }

  /** How much of `chunk` has left, counted from its start. */
  #send(stream: Http2Stream, chunk: Buffer, from: number, end: boolean): number {
    let at = from
    do {
      // Windows may be negative (RFC 9113 §6.9.2).
      const room = Math.max(
        0,
        Math.min(stream.sendWindow, this.#window, defaultFrameBytes, chunk.length - at),
      )
      if (room === 0 && at < chunk.length) break
      writeData(this.#out, stream.id, chunk, at, at + room, end && at + room === chunk.length)
      at += room
      stream.sendWindow -= room
      this.#window -= room
    } while (at < chunk.length)
    this.progress += at - from
    return at
  }
}

const none = Buffer.alloc(0)
