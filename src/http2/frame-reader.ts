/**
 * Cuts a byte stream into HTTP/2 frames (RFC 9113 §4, §6) and header blocks, checking what a single frame can be checked
 * for. It knows no streams, windows or compression; DATA is handed on in pieces as it comes and never gathered.
 */
import { clientPreface, defaultFrameBytes, ErrorCode, Flag, FrameType, frameHeaderBytes } from './frame.ts'
import type { Http2Fault } from './frame.ts'

/** Calls come from inside `execute()`; buffers are views into what was fed: use or copy them now. */
export interface FrameHandler {
  /** `flowBytes`: what counts against the windows, padding included; `end` with the last piece of an ending frame. */
  onData(stream: number, chunk: Buffer, flowBytes: number, end: boolean): void
  /** A whole header block, its CONTINUATIONs joined. */
  onHeaderBlock(stream: number, block: Buffer, end: boolean): void
  onReset(stream: number, code: number): void
  onSetting(id: number, value: number): void
  /** After the last `onSetting` of a frame. */
  onSettingsEnd(): void
  onSettingsAck(): void
  onPing(payload: Buffer, ack: boolean): void
  onGoAway(lastStream: number, code: number): void
  onWindowUpdate(stream: number, increment: number): void
  onHalfClose(stream: number): void
  /** PRIORITY and types we do not know: without effect, but not free. */
  onIgnored(): void
}

export class FrameReader {
  fault: Http2Fault | null = null
  readonly #handler: FrameHandler
  readonly #maxBlockBytes: number
  /** How much of the preface is still to come; 0 on a client. */
  #preface: number
  readonly #head = Buffer.alloc(frameHeaderBytes)
  #headBytes = 0
  #length = 0
  #type = 0
  #flags = 0
  #stream = 0
  /** A frame that came in pieces, but for DATA. */
  #payload: Buffer | null = null
  #payloadBytes = 0
  /** Of the DATA frame under way: bytes still to come, and how many of them are padding. -1: none is under way. */
  #dataLeft = -1
  #padding = 0
  #padLengthDue = false
  /** A header block under way: its pieces, its stream, whether it ends that stream. */
  #block: Buffer[] | null = null
  #blockBytes = 0
  #blockStream = 0
  #blockEnds = false
  #settingsSeen = false

  constructor(handler: FrameHandler, role: 'client' | 'server', maxBlockBytes: number) {
    this.#handler = handler
    this.#maxBlockBytes = maxBlockBytes
    this.#preface = role === 'server' ? clientPreface.length : 0
  }

  /** True while a frame's head, a header block or the preface is incomplete: somebody is keeping us waiting. */
  get busy(): boolean {
    return (
      this.#preface > 0 ||
      (this.#headBytes > 0 && this.#dataLeft < 0) ||
      this.#block !== null ||
      !this.#settingsSeen
    )
  }

  execute(chunk: Buffer): void {
    let at = this.#preface > 0 ? this.#readPreface(chunk) : 0
    while (at < chunk.length && this.fault === null) {
      if (this.#dataLeft >= 0) at = this.#readData(chunk, at)
      else if (this.#headBytes < frameHeaderBytes) at = this.#readHead(chunk, at)
      else at = this.#readPayload(chunk, at)
    }
  }

  #readPreface(chunk: Buffer): number {
    const from = clientPreface.length - this.#preface
    const bytes = Math.min(this.#preface, chunk.length)
    if (chunk.compare(clientPreface, from, from + bytes, 0, bytes) !== 0) {
      this.#fail(ErrorCode.ProtocolError, 'bad_preface')
      return chunk.length
    }
    this.#preface -= bytes
    return bytes
  }

  #readHead(chunk: Buffer, from: number): number {
    let head = chunk
    let at = from
    let end = from + frameHeaderBytes
    if (this.#headBytes > 0 || chunk.length - from < frameHeaderBytes) {
      const bytes = Math.min(frameHeaderBytes - this.#headBytes, chunk.length - from)
      chunk.copy(this.#head, this.#headBytes, from, from + bytes)
      this.#headBytes += bytes
      end = from + bytes
      if (this.#headBytes < frameHeaderBytes) return end
      head = this.#head
      at = 0
    }
    this.#headBytes = frameHeaderBytes
    this.#length = ((head[at] as number) << 16) | ((head[at + 1] as number) << 8) | (head[at + 2] as number)
    this.#type = head[at + 3] as number
    this.#flags = head[at + 4] as number
    this.#stream = head.readUInt32BE(at + 5) & 0x7fffffff
    this.#checkHead()
    if (this.fault !== null) return end
    if (this.#type === FrameType.Data) this.#startData()
    else if (this.#length === 0) this.#finish(none)
    return end
  }

  #checkHead(): void {
    const type = this.#type
    if (this.#length > defaultFrameBytes) return this.#fail(ErrorCode.FrameSizeError, 'frame_too_large')
    if (!this.#settingsSeen && (type !== FrameType.Settings || (this.#flags & Flag.Ack) !== 0))
      return this.#fail(ErrorCode.ProtocolError, 'settings_not_first')
    if (this.#block !== null && (type !== FrameType.Continuation || this.#stream !== this.#blockStream))
      return this.#fail(ErrorCode.ProtocolError, 'header_block_interrupted')
    if (type === FrameType.PushPromise) return this.#fail(ErrorCode.ProtocolError, 'push_not_enabled')
    if (type > FrameType.Continuation) return
    const wantsStream = !connectionFrames.has(type)
    if (type !== FrameType.WindowUpdate && wantsStream !== this.#stream > 0)
      this.#fail(ErrorCode.ProtocolError, 'wrong_stream_for_frame')
  }

  #startData(): void {
    this.#dataLeft = this.#length
    this.#padding = 0
    this.#padLengthDue = (this.#flags & Flag.Padded) !== 0
    if (this.#padLengthDue && this.#length === 0) return this.#fail(ErrorCode.FrameSizeError, 'no_pad_length')
    if (this.#dataLeft === 0) this.#endData(none, 0)
  }

  #readData(chunk: Buffer, from: number): number {
    let at = from
    let flow = 0
    if (this.#padLengthDue) {
      this.#padding = chunk[at] as number
      this.#padLengthDue = false
      at += 1
      flow = 1
      this.#dataLeft -= 1
      if (this.#padding > this.#dataLeft) {
        this.#fail(ErrorCode.ProtocolError, 'padding_too_long')
        return chunk.length
      }
    }
    const take = Math.min(this.#dataLeft, chunk.length - at)
    const body = Math.min(take, Math.max(this.#dataLeft - this.#padding, 0))
    this.#dataLeft -= take
    const piece = body === 0 ? none : chunk.subarray(at, at + body)
    if (this.#dataLeft === 0) this.#endData(piece, take + flow)
    else if (take + flow > 0) this.#handler.onData(this.#stream, piece, take + flow, false)
    return at + take
  }

  #endData(piece: Buffer, flow: number): void {
    this.#dataLeft = -1
    this.#headBytes = 0
    this.#handler.onData(this.#stream, piece, flow, (this.#flags & Flag.EndStream) !== 0)
  }

  #readPayload(chunk: Buffer, from: number): number {
    const length = this.#length
    if (this.#payload === null && chunk.length - from >= length) {
      this.#finish(chunk.subarray(from, from + length))
      return from + length
    }
    const payload = (this.#payload ??= Buffer.allocUnsafe(length))
    const bytes = Math.min(length - this.#payloadBytes, chunk.length - from)
    chunk.copy(payload, this.#payloadBytes, from, from + bytes)
    this.#payloadBytes += bytes
    if (this.#payloadBytes === length) {
      this.#payload = null
      this.#payloadBytes = 0
      this.#finish(payload)
    }
    return from + bytes
  }

  /** A whole frame but DATA. */
  #finish(payload: Buffer): void {
    this.#headBytes = 0
    const handler = this.#handler
    switch (this.#type) {
      case FrameType.Headers:
        return this.#headers(payload)
      case FrameType.Continuation:
        if (this.#block === null) return this.#fail(ErrorCode.ProtocolError, 'continuation_of_nothing')
        return this.#gather(payload)
      case FrameType.Reset:
        if (payload.length !== 4) return this.#fail(ErrorCode.FrameSizeError, 'bad_reset_size')
        return handler.onReset(this.#stream, payload.readUInt32BE(0))
      case FrameType.Settings:
        return this.#settings(payload)
      case FrameType.Ping:
        if (payload.length !== 8) return this.#fail(ErrorCode.FrameSizeError, 'bad_ping_size')
        return handler.onPing(payload, (this.#flags & Flag.Ack) !== 0)
      case FrameType.GoAway:
        if (payload.length < 8) return this.#fail(ErrorCode.FrameSizeError, 'bad_goaway_size')
        return handler.onGoAway(payload.readUInt32BE(0) & 0x7fffffff, payload.readUInt32BE(4))
      case FrameType.WindowUpdate:
        if (payload.length !== 4) return this.#fail(ErrorCode.FrameSizeError, 'bad_window_update_size')
        return handler.onWindowUpdate(this.#stream, payload.readUInt32BE(0) & 0x7fffffff)
      case FrameType.Priority:
        if (payload.length !== 5) return this.#fail(ErrorCode.FrameSizeError, 'bad_priority_size')
        return handler.onIgnored()
      case FrameType.HalfClose:
        if (this.#stream === 0) return this.#fail(ErrorCode.ProtocolError, 'wrong_stream_for_frame')
        return handler.onHalfClose(this.#stream)
      default:
        return handler.onIgnored()
    }
  }

  #headers(payload: Buffer): void {
    let from = 0
    let to = payload.length
    if ((this.#flags & Flag.Padded) !== 0) {
      to -= payload[0] ?? Infinity
      from += 1
    }
    if ((this.#flags & Flag.Priority) !== 0) from += 5
    if (from > to) return this.#fail(ErrorCode.ProtocolError, 'padding_too_long')
    this.#blockStream = this.#stream
    this.#blockEnds = (this.#flags & Flag.EndStream) !== 0
    const block = from === 0 && to === payload.length ? payload : payload.subarray(from, to)
    if ((this.#flags & Flag.EndHeaders) !== 0)
      return this.#handler.onHeaderBlock(this.#stream, block, this.#blockEnds)
    this.#block = []
    this.#blockBytes = 0
    this.#gather(block)
  }

  // An empty CONTINUATION makes no progress: whoever sends one wants to keep us busy (CVE-2024-27316 and its kin).
  #gather(piece: Buffer): void {
    const block = this.#block as Buffer[]
    const ends = (this.#flags & Flag.EndHeaders) !== 0
    if (piece.length === 0 && !ends && this.#type === FrameType.Continuation)
      return this.#fail(ErrorCode.EnhanceYourCalm, 'empty_continuation')
    this.#blockBytes += piece.length
    if (this.#blockBytes > this.#maxBlockBytes || block.length >= mostPieces)
      return this.#fail(ErrorCode.EnhanceYourCalm, 'header_block_too_large')
    // The view dies with the buffer it looks into.
    block.push(Buffer.from(piece))
    if (!ends) return
    this.#block = null
    this.#handler.onHeaderBlock(this.#blockStream, Buffer.concat(block), this.#blockEnds)
  }

  #settings(payload: Buffer): void {
    this.#settingsSeen = true
    if ((this.#flags & Flag.Ack) !== 0) {
      if (payload.length !== 0) return this.#fail(ErrorCode.FrameSizeError, 'settings_ack_with_payload')
      return this.#handler.onSettingsAck()
    }
    if (payload.length % 6 !== 0) return this.#fail(ErrorCode.FrameSizeError, 'bad_settings_size')
    for (let at = 0; at < payload.length; at += 6)
      this.#handler.onSetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    this.#handler.onSettingsEnd()
  }

  #fail(code: Http2Fault['code'], reason: string): void {
    this.fault ??= { code, reason }
  }
}

const connectionFrames: ReadonlySet<number> = new Set([FrameType.Settings, FrameType.Ping, FrameType.GoAway])
/** Pieces of a block: every one but the first is a frame of its own, and 64 full ones are a megabyte. */
const mostPieces = 64
const none = Buffer.alloc(0)
