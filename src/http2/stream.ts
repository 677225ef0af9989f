/**
 * One HTTP/2 stream as its session keeps it: which sides are still open, its windows, and body bytes that wait for the
 * peer's. It is written and read through the session and knows nothing of requests.
 */

/** Hears what comes on one stream, from inside the session's `execute()`. After `onReset`, nothing more. */
export interface StreamEvents {
  /** A header list (null: too large): the head, an interim head or the trailers; which, is told by what came before. */
  onFields(fields: string[] | null, end: boolean): void
  onData(chunk: Buffer, end: boolean): void
  /** The peer, or the end of the connection, has cut it. `unprocessed`: nothing of it was acted upon. */
  onReset(code: number, unprocessed: boolean): void
  /** The client ended its side of whatever its request came on; it may still read. */
  onHalfClose(): void
  /** What waited for the peer's window has gone. */
  onWritable(): void
}

/** Body bytes or the end that the peer's window does not admit yet. */
export interface Waiting {
  readonly chunk: Buffer
  sent: number
}

export class Http2Stream {
  /** 0 on a client until its first HEADERS leave: numbers must come in the order that heads do. */
  id: number
  /** In the roster of streams that have no number yet, or that wait for the peer's window. */
  seat = -1
  events: StreamEvents | null = null
  /** The peer may still send; we may still send. */
  remoteOpen = true
  localOpen = true
  /** Server: the final head of its response is there, so that a reset takes back no work that was only begun. */
  answering = false
  /** In the session's table; false once both sides are done or it was reset. */
  live = true
  sendWindow: number
  receiveWindow: number
  /** Received and not yet given back to the stream's window; of it, not yet given back to the connection's. */
  owed = 0
  withheld = 0
  /** Its reader does not keep up: nothing is given back until it does. */
  paused = false
  /** What waits, oldest first, and what is to end it: false = nothing yet, null = a plain end, else trailers. */
  readonly waiting: Waiting[] = []
  ending: readonly string[] | null | false = false

  constructor(id: number, sendWindow: number, receiveWindow: number) {
    this.id = id
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
  }

  /** The peer's windows are used up. */
  get blocked(): boolean {
    return this.waiting.length > 0
  }
}
