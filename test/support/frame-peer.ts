/**
 * A peer that speaks HTTP/2 frames by hand over a wire peer: what hostile clients and broken servers are made of. It keeps
 * no rule; header lists are coded by our own HPACK, whatever is in them.
 */
import { ByteWriter } from '../../src/http2/byte-writer.ts'
import { Flag, FrameType } from '../../src/http2/frame.ts'
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts'
import { frame, preface, settings } from '../http2/frames.ts'
import type { WirePeer } from './wire-client.ts'

export interface SeenFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
  /** Of a HEADERS frame. */
  readonly fields: readonly string[]
}

export interface StreamAnswer {
  readonly fields: readonly string[]
  readonly status: number
  readonly body: string
  readonly trailers: readonly string[] | null
  /** The code of a RST_STREAM; null when it ended in order. */
  readonly reset: number | null
}

export class FramePeer {
  readonly wire: WirePeer
  readonly frames: SeenFrame[] = []
  readonly #encoder = new HpackEncoder({ maxTableBytes: 4096 })
  readonly #decoder = new HpackDecoder({ maxTableBytes: 16_384, maxListBytes: 1 << 20, maxFields: 1000 })
  #at: number

  /** `skip`: bytes before the first frame. */
  constructor(wire: WirePeer, skip = 0) {
    this.wire = wire
    this.#at = skip
  }

  /** A client says its preface and its settings. */
  static client(wire: WirePeer, first: Buffer = settings): FramePeer {
    wire.send(Buffer.concat([preface, first]))
    return new FramePeer(wire)
  }

  send(...frames: readonly Buffer[]): this {
    this.wire.send(Buffer.concat(frames))
    return this
  }

  block(fields: readonly string[]): Buffer {
    const out = new ByteWriter()
    this.#encoder.encode(fields, out)
    return Buffer.from(out.view())
  }

  headers(stream: number, fields: readonly string[], end = true): Buffer {
    return frame(FrameType.Headers, Flag.EndHeaders | (end ? Flag.EndStream : 0), stream, this.block(fields))
  }

  /** Everything that has come, as frames. */
  read(): readonly SeenFrame[] {
    const { bytes } = this.wire
    while (bytes.length - this.#at >= 9) {
      const length = bytes.readUIntBE(this.#at, 3)
      if (bytes.length - this.#at < 9 + length) break
      const payload = bytes.subarray(this.#at + 9, this.#at + 9 + length)
      const [type = 0, flags = 0] = bytes.subarray(this.#at + 3, this.#at + 5)
      const stream = bytes.readUInt32BE(this.#at + 5)
      this.#at += 9 + length
      let fields: readonly string[] = []
      if (type === FrameType.Headers) {
        const decoded = this.#decoder.decode(payload)
        if (!decoded.ok) throw new Error(decoded.reason)
        ;({ fields } = decoded)
      }
      this.frames.push({ type, flags, stream, payload, fields })
    }
    return this.frames
  }

  async until(condition: (frames: readonly SeenFrame[]) => boolean): Promise<readonly SeenFrame[]> {
    await this.wire.until(() => condition(this.read()))
    return this.frames
  }

  /** Waits for the end of a stream, in order or by reset. */
  async answer(stream: number): Promise<StreamAnswer> {
    const own = (frames: readonly SeenFrame[]): SeenFrame[] => frames.filter((one) => one.stream === stream)
    const ends = ({ type, flags }: SeenFrame): boolean =>
      type === FrameType.Reset || (type <= FrameType.Headers && (flags & Flag.EndStream) !== 0)
    const frames = own(await this.until((seen) => own(seen).some(ends)))
    const heads = frames.filter(({ type }) => type === FrameType.Headers).map(({ fields }) => fields)
    const final = heads.findIndex(([, status = '']) => !status.startsWith('1'))
    const fields = heads[final] ?? []
    const body = frames.filter(({ type }) => type === FrameType.Data).map(({ payload }) => payload)
    const reset = frames.find(({ type }) => type === FrameType.Reset)
    return {
      fields,
      status: Number(fields[1] ?? 0),
      body: Buffer.concat(body).toString('latin1'),
      trailers: final < 0 ? null : (heads[final + 1] ?? null),
      // A reset behind a whole answer only says that the rest of the request is for nobody.
      reset:
        frames.find(ends)?.type === FrameType.Reset ? (reset as SeenFrame).payload.readUInt32BE(0) : null,
    }
  }

  /** Waits for the connection's end and gives the code of its GOAWAY; null when there was none. */
  async goneWith(): Promise<number | null> {
    await this.wire.over()
    const said = this.read().filter(({ type }) => type === FrameType.GoAway)
    return said.at(-1)?.payload.readUInt32BE(4) ?? null
  }
}

export const request = (path: string, more: readonly string[] = [], method = 'GET'): string[] => [
  ...[':method', method, ':scheme', 'https', ':authority', 'web', ':path', path],
  ...more,
]

export const data = (stream: number, text: string | Buffer, end = false): Buffer =>
  frame(FrameType.Data, end ? Flag.EndStream : 0, stream, typeof text === 'string' ? Buffer.from(text) : text)

export const number32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}
export const reset = (stream: number, code = 8): Buffer => frame(FrameType.Reset, 0, stream, number32(code))
export const windowUpdate = (stream: number, by: number): Buffer =>
  frame(FrameType.WindowUpdate, 0, stream, number32(by))
export const goAway = (last: number, code = 0): Buffer =>
  frame(FrameType.GoAway, 0, 0, Buffer.concat([number32(last), number32(code)]))
export const setting = (...pairs: readonly (readonly [id: number, value: number])[]): Buffer =>
  frame(
    FrameType.Settings,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id]), number32(value)]))),
  )
