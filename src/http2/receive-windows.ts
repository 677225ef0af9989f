/**
 * What the peer may still send us (RFC 9113 §5.2, §6.9): a window for each stream and one for all. Bytes are given back
 * when their reader took them, in few frames. It writes WINDOW_UPDATEs and knows no bodies.
 */
import type { ByteWriter } from './byte-writer.ts'
import { defaultWindowBytes } from './frame.ts'
import type { Http2Limits } from './frame.ts'
import type { Http2Stream } from './stream.ts'
import { writeWindowUpdate } from './write-frame.ts'

export class ReceiveWindows {
  readonly #out: ByteWriter
  readonly #limits: Http2Limits
  #left = defaultWindowBytes
  #owed = 0

  constructor(out: ByteWriter, limits: Http2Limits) {
    this.#out = out
    this.#limits = limits
  }

  /** After the preface and SETTINGS: the connection's window only grows by WINDOW_UPDATE. */
  open(): void {
    const more = this.#limits.connectionWindowBytes - defaultWindowBytes
    if (more <= 0) return
    writeWindowUpdate(this.#out, 0, more)
    this.#left += more
  }

  /** False: the peer sent more than the connection admits. */
  take(bytes: number): boolean {
    this.#left -= bytes
    return this.#left >= 0
  }

  /** False: more than the stream admits. */
  takeFor(stream: Http2Stream, bytes: number): boolean {
    stream.receiveWindow -= bytes
    return stream.receiveWindow >= 0
  }

  /** The stream's reader has taken `bytes`, or will when it goes on. */
  read(stream: Http2Stream, bytes: number): void {
    stream.owed += bytes
    if (stream.paused) stream.withheld += bytes
    else {
      this.giveBack(bytes)
      this.#update(stream)
    }
  }

  resume(stream: Http2Stream): void {
    stream.paused = false
    if (!stream.live) return
    this.release(stream)
    this.#update(stream)
  }

  /** The stream is over: what it kept from the connection goes back. */
  release(stream: Http2Stream): void {
    const bytes = stream.withheld
    stream.withheld = 0
    if (bytes > 0) this.giveBack(bytes)
  }

  /** To the connection alone. */
  giveBack(bytes: number): void {
    this.#owed += bytes
    if (this.#owed * 2 < this.#limits.connectionWindowBytes) return
    writeWindowUpdate(this.#out, 0, this.#owed)
    this.#left += this.#owed
    this.#owed = 0
  }

  #update(stream: Http2Stream): void {
    if (!stream.remoteOpen || stream.owed * 2 < this.#limits.streamWindowBytes) return
    writeWindowUpdate(this.#out, stream.id, stream.owed)
    stream.receiveWindow += stream.owed
    stream.owed = 0
  }
}
