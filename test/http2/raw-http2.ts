/**
 * Just enough HTTP/2 framing to put header blocks in front of Node's own implementation and to get at those it writes. It
 * is for tests, trusts its peer, and shares nothing with the codec that is tested.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export const Type = { Headers: 1, Reset: 3, Settings: 4, Ping: 6, GoAway: 7, Continuation: 9 } as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export function settings(pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length)
  for (const [i, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * i)
    payload.writeUInt32BE(value, 6 * i + 2)
  }
  return frame(Type.Settings, 0, 0, payload)
}
export const settingsAck = frame(Type.Settings, 1, 0)

/** HEADERS with END_STREAM, and as many CONTINUATIONs as it takes. */
export function headers(stream: number, block: Buffer, most = 16_384): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += most) {
    const end = at + most >= block.length ? 4 : 0
    const piece = block.subarray(at, at + most)
    parts.push(frame(at === 0 ? Type.Headers : Type.Continuation, at === 0 ? 1 | end : end, stream, piece))
  }
  return Buffer.concat(parts)
}

/** The value of a setting in a SETTINGS frame, if it is there. */
export function settingOf(payload: Buffer, id: number): number | undefined {
  for (let at = 0; at < payload.length; at += 6)
    if (payload.readUInt16BE(at) === id) return payload.readUInt32BE(at + 2)
  return undefined
}

/** Cuts what comes into frames, header blocks joined (their padding and priority taken off); `skip` bytes come before. */
export class FrameSplitter {
  readonly #onFrame: (frame: Frame) => void
  #bytes: Buffer = Buffer.alloc(0)
  #skip: number
  #block: { flags: number; stream: number; parts: Buffer[] } | null = null

  constructor(skip: number, onFrame: (frame: Frame) => void) {
    this.#skip = skip
    this.#onFrame = onFrame
  }

  feed(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    if (this.#skip > 0) {
      if (this.#bytes.length < this.#skip) return
      this.#bytes = this.#bytes.subarray(this.#skip)
      this.#skip = 0
    }
    while (this.#bytes.length >= 9) {
      const length = this.#bytes.readUIntBE(0, 3)
      if (this.#bytes.length < 9 + length) return
      const [type = 0, flags = 0] = this.#bytes.subarray(3, 5)
      const stream = this.#bytes.readUInt32BE(5)
      const payload = this.#bytes.subarray(9, 9 + length)
      this.#bytes = this.#bytes.subarray(9 + length)
      this.#frame({ type, flags, stream, payload })
    }
  }

  #frame(frame: Frame): void {
    const { type, flags, stream } = frame
    if (type !== Type.Headers && type !== Type.Continuation) return this.#onFrame(frame)
    let { payload } = frame
    if (type === Type.Headers) {
      const padding = flags & 8 ? (payload[0] ?? 0) : 0
      payload = payload.subarray((flags & 8 ? 1 : 0) + (flags & 32 ? 5 : 0), payload.length - padding)
      this.#block = { flags, stream, parts: [] }
    }
    this.#block?.parts.push(payload)
    if ((flags & 4) === 0 || this.#block === null) return
    const { parts } = this.#block
    const whole = { type: Type.Headers, flags: this.#block.flags, stream, payload: Buffer.concat(parts) }
    this.#block = null
    this.#onFrame(whole)
  }
}

/** A client connection that speaks frames: SETTINGS are exchanged and acknowledged before it is given. */
export class RawClient {
  readonly socket: Socket
  /** HEADER_TABLE_SIZE of the server. */
  tableBytes = 4096
  readonly #waiting: { wanted: (frame: Frame) => boolean; resolve: (frame: Frame | null) => void }[] = []

  constructor(socket: Socket) {
    this.socket = socket
    const splitter = new FrameSplitter(0, (frame) => {
      if (frame.type === Type.Settings && (frame.flags & 1) === 0) {
        this.tableBytes = settingOf(frame.payload, 1) ?? this.tableBytes
        socket.write(settingsAck)
      }
      for (const waiter of [...this.#waiting]) {
        if (!waiter.wanted(frame)) continue
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        waiter.resolve({ ...frame, payload: Buffer.from(frame.payload) })
      }
    })
    socket.on('data', (chunk: Buffer) => splitter.feed(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => this.#waiting.splice(0).forEach(({ resolve }) => resolve(null)))
  }

  static async open(port: number, tableBytes: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1')
    const client = new RawClient(socket)
    await once(socket, 'connect')
    socket.setNoDelay(true)
    const theirs = client.next((frame) => frame.type === Type.Settings && (frame.flags & 1) === 0)
    const ack = client.next((frame) => frame.type === Type.Settings && (frame.flags & 1) === 1)
    socket.write(Buffer.concat([preface, settings([[1, tableBytes]])]))
    await Promise.all([theirs, ack])
    return client
  }

  /** The next such frame, null when the connection ends before. */
  next(wanted: (frame: Frame) => boolean): Promise<Frame | null> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) resolve(null)
      else this.#waiting.push({ wanted, resolve })
    })
  }

  close(): void {
    this.socket.destroy()
  }
}
