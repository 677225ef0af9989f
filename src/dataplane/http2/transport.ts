/**
 * Ties one HTTP/2 session to one stream of bytes: input is fed, and what a turn of the event loop has to say leaves in
 * one write, so that requests side by side share a TLS record and a system call. It knows no requests.
 */
import type { Duplex } from 'node:stream'
import type { Http2Session } from '../../http2/session.ts'
import type { StreamOwner } from '../http/stream-events.ts'
import { own } from '../http/stream-events.ts'

export interface TransportOwner {
  /** The input at hand is used up; what is said now still leaves with it. */
  onTurn(): void
  /** There is room to write again. */
  onRoomToWrite(): void
  /** The peer broke the protocol: it was told, our side has ended, and nothing more is read. `onLost` follows. */
  onFault(): void
  /** The stream of bytes is over: an error's code, '' without one. Called once. */
  onLost(code: string): void
}

/** Output beyond this makes producers wait for the peer; beyond the second it reads nothing and is cut. */
const fullBytes = 256 * 1024
const mostUnreadBytes = 32 * 1024 * 1024

export class Http2Transport implements StreamOwner {
  readonly stream: Duplex
  readonly session: Http2Session
  /** Input is being read: output leaves when it is used up. */
  feeding = false
  #owner: TransportOwner
  #scheduled = false
  #over = false

  constructor(stream: Duplex, session: Http2Session, owner: TransportOwner) {
    this.stream = stream
    this.session = session
    this.#owner = owner
  }

  /** The owner is complete: bytes may come. */
  open(): void {
    own(this.stream, this)
    this.flush()
  }

  get over(): boolean {
    return this.#over
  }

  /** The peer does not keep up with what was written. */
  get full(): boolean {
    return this.stream.writableNeedDrain || this.session.out.length > fullBytes
  }

  /**
   * Something is to be sent. With one request under way nothing is gained by waiting; with several, the others whose
   * sockets are readable in this turn come along.
   */
  wantFlush(): void {
    if (this.feeding || this.#scheduled) return
    if (this.session.open <= 1) return this.flush()
    this.#scheduled = true
    setImmediate(flushScheduled, this)
  }

  flushNow(): void {
    this.#scheduled = false
    this.flush()
  }

  flush(): void {
    const { out } = this.session
    if (out.length === 0 || this.#over || this.stream.writableEnded) return
    if (this.stream.writableLength + out.length > mostUnreadBytes) return this.cut('peer_does_not_read')
    this.stream.write(out.take())
  }

  /** Sends what is left and ends our side. */
  end(): void {
    this.flush()
    this.stream.end()
  }

  cut(code: string): void {
    this.stream.destroy()
    this.lost(code)
  }

  // StreamOwner

  feed(chunk: Buffer): void {
    const { session } = this
    if (this.#over || session.fault !== null) return
    this.feeding = true
    session.execute(chunk)
    this.#owner.onTurn()
    this.feeding = false
    this.flush()
    if (session.fault !== null && !this.#over) this.#endAfterFault()
  }

  peerEnded(): void {
    this.cut('')
  }

  drained(): void {
    if (!this.#over) this.#owner.onRoomToWrite()
  }

  lost(code: string): void {
    if (this.#over) return
    this.#over = true
    this.#owner.onLost(this.session.fault === null ? code : this.session.fault.reason)
  }

  // Cut at once, the GOAWAY that says why would be lost with whatever else has not left yet.
  #endAfterFault(): void {
    this.stream.end()
    this.#owner.onFault()
  }
}

function flushScheduled(transport: Http2Transport): void {
  transport.flushNow()
}
