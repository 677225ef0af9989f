/**
 * One HTTP/2 connection, client or server, without its socket: bytes in, calls out, and bytes to send in `out`. It keeps
 * streams, windows and the peer's manners (RFC 9113 §5, §6); what requests and fields mean is its owner's.
 */
import { Roster } from '../lifecycle/roster.ts'
import { turnNow } from '../lifecycle/turn.ts'
import { BodySender } from './body-sender.ts'
import { ByteWriter } from './byte-writer.ts'
import { FloodGuard } from './flood-guard.ts'
import { ErrorCode, maxStreamId, Setting } from './frame.ts'
import type { Http2Fault, Http2Limits } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import type { FrameHandler } from './frame-reader.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import { writeOpening } from './opening.ts'
import type { Role } from './opening.ts'
import { PeerSettings } from './peer-settings.ts'
import { ReceiveWindows } from './receive-windows.ts'
import type { SessionOwner } from './session-owner.ts'
import { Http2Stream } from './stream.ts'
import { StreamTable } from './stream-table.ts'
import {
  writeGoAway,
  writeHalfClose,
  writeHeaders,
  writePing,
  writeReset,
  writeSettingsAck,
} from './write-frame.ts'

export class Http2Session implements FrameHandler {
  readonly out = new ByteWriter()
  fault: Http2Fault | null = null
  /** Client: no stream can be opened here any more. Server: new streams are refused. */
  closedToNew = false
  readonly #role: Role
  readonly #owner: SessionOwner
  readonly #limits: Http2Limits
  readonly #reader: FrameReader
  readonly #decoder: HpackDecoder
  readonly #encoder = new HpackEncoder({ maxTableBytes: 16_384 })
  readonly #guard = new FloodGuard()
  readonly #receive: ReceiveWindows
  readonly #send: BodySender
  readonly #streams = new StreamTable()
  /** Opened by us, without a number yet. */
  readonly #unsent = new Roster<Http2Stream>()
  /** The highest stream the client has opened. */
  #lastStream = 0
  #nextStream = 1
  readonly #peer = new PeerSettings()
  #wasFull = false

  constructor(role: Role, limits: Http2Limits, owner: SessionOwner) {
    this.#role = role
    this.#owner = owner
    this.#limits = limits
    this.#reader = new FrameReader(this, role, limits.maxListBytes)
    this.#decoder = new HpackDecoder({
      maxTableBytes: limits.headerTableBytes,
      maxListBytes: limits.maxListBytes,
      maxFields: limits.maxFields,
    })
    this.#receive = new ReceiveWindows(this.out, limits)
    this.#send = new BodySender(this.out, this.#encoder, (stream) => this.#localEnded(stream))
    writeOpening(this.out, role, limits)
    this.#receive.open()
  }

  /** Streams open in either direction. */
  get open(): number {
    return this.#streams.size + this.#unsent.size
  }

  /** The peer is in the middle of saying something that nothing can be done with yet. */
  get awaitsRest(): boolean {
    return this.#reader.busy
  }

  execute(chunk: Buffer): void {
    this.#reader.execute(chunk)
    if (this.#reader.fault !== null) this.#fail(this.#reader.fault.code, this.#reader.fault.reason)
  }

  // What the owner may do. Bytes gather in `out`.

  /** Client: null when the peer takes no more streams now, or ever on this connection (`closedToNew`). */
  openStream(): Http2Stream | null {
    if (this.closedToNew) return null
    if (this.open >= this.#peer.maxStreams) {
      this.#wasFull = true
      return null
    }
    const stream = new Http2Stream(0, this.#peer.windowBytes, this.#limits.streamWindowBytes)
    this.#unsent.join(stream)
    return stream
  }

  headers(stream: Http2Stream, fields: readonly string[], end: boolean): void {
    if (!stream.localOpen) return
    if (stream.id === 0) this.#number(stream)
    writeHeaders(this.out, this.#encoder, stream.id, fields, end, this.#peer.frameBytes)
    if (end) this.#localEnded(stream)
  }

  /** `end`: the last bytes, without trailers. Bytes beyond the peer's windows wait: see `stream.blocked`. */
  data(stream: Http2Stream, chunk: Buffer, end: boolean): void {
    this.#send.data(stream, chunk, end)
  }

  end(stream: Http2Stream, trailers: readonly string[] | null): void {
    this.#send.end(stream, trailers)
  }

  /** Tells the peer that whoever asked has ended its side; of use to peers of ours alone. */
  halfClose(stream: Http2Stream): void {
    if (stream.live && stream.id !== 0) writeHalfClose(this.out, stream.id)
  }

  reset(stream: Http2Stream, code: ErrorCode): void {
    if (!stream.live) return
    // What the peer never heard of cannot be taken back.
    if (stream.id !== 0) writeReset(this.out, stream.id, code)
    this.#forget(stream)
  }

  /** The client broke off this request in its own way, by a body that is not as declared: counts as a reset. */
  brokenOff(stream: Http2Stream): void {
    this.#countReset(stream)
  }

  /** Its reader does not keep up: the peer gets no more window. */
  pause(stream: Http2Stream): void {
    stream.paused = true
  }

  resume(stream: Http2Stream): void {
    this.#receive.resume(stream)
  }

  ping(): void {
    writePing(this.out, pingPayload, false)
  }

  /** Says that streams will be refused, without refusing any that are under way to us (RFC 9113 §6.8). */
  announceEnd(): void {
    writeGoAway(this.out, maxStreamId, ErrorCode.NoError)
  }

  /** No streams from now on. */
  goAway(): void {
    this.closedToNew = true
    writeGoAway(this.out, this.#lastStream, ErrorCode.NoError)
  }

  /** The connection is gone: every stream hears of it. */
  lost(): void {
    this.closedToNew = true
    for (const stream of [...this.#streams.list(), ...this.#unsent.list()])
      this.#cut(stream, ErrorCode.Cancel, false)
  }

  // FrameHandler

  onData(id: number, chunk: Buffer, flowBytes: number, end: boolean): void {
    if (this.fault !== null) return
    if (!this.#receive.take(flowBytes))
      return this.#fail(ErrorCode.FlowControlError, 'connection_window_exceeded')
    if (chunk.length === 0 && !end) this.#useless()
    const stream = this.#streams.find(id)
    if (stream === null) {
      if (this.#idle(id)) return this.#fail(ErrorCode.ProtocolError, 'data_on_idle_stream')
      // Reset by us a moment ago: the peer could not know.
      this.#receive.giveBack(flowBytes)
      return
    }
    if (!stream.remoteOpen || !this.#receive.takeFor(stream, flowBytes)) {
      this.#receive.giveBack(flowBytes)
      return this.#refuse(stream, stream.remoteOpen ? ErrorCode.FlowControlError : ErrorCode.StreamClosed)
    }
    if (chunk.length > 0) this.#guard.useful()
    if (end) this.#remoteEnded(stream)
    stream.events?.onData(chunk, end)
    if (stream.live) this.#receive.read(stream, flowBytes)
    else this.#receive.giveBack(flowBytes)
  }

  onHeaderBlock(id: number, block: Buffer, end: boolean): void {
    if (this.fault !== null) return
    // Decoded whatever becomes of it: both sides' tables must stay alike.
    const decoded = this.#decoder.decode(block)
    if (!decoded.ok && decoded.error === 'compression')
      return this.#fail(ErrorCode.CompressionError, decoded.reason)
    const fields = decoded.ok ? decoded.fields : null
    const stream = this.#streams.find(id) ?? this.#accept(id)
    if (stream === null) return
    if (!stream.remoteOpen) return this.#refuse(stream, ErrorCode.StreamClosed)
    this.#guard.useful()
    if (end) this.#remoteEnded(stream)
    stream.events?.onFields(fields, end)
  }

  onReset(id: number, code: number): void {
    if (this.fault !== null) return
    const stream = this.#streams.find(id)
    if (stream === null) {
      if (this.#idle(id)) return this.#fail(ErrorCode.ProtocolError, 'reset_of_idle_stream')
      return this.#useless()
    }
    this.#countReset(stream)
    if (this.fault !== null) return
    this.#cut(stream, code, code === ErrorCode.RefusedStream)
  }

  onSetting(id: number, value: number): void {
    // A frame holds thousands, and each may move every stream's window.
    this.#useless()
    if (this.fault !== null) return
    const { windowBytes } = this.#peer
    const code = this.#peer.take(id, value)
    if (code !== 0) return this.#fail(code, 'bad_setting')
    if (id === Setting.HeaderTableSize) this.#encoder.setPeerTableSize(value)
    else if (id === Setting.InitialWindowSize) this.#resizeWindows(value - windowBytes)
  }

  onSettingsEnd(): void {
    if (this.fault !== null) return
    writeSettingsAck(this.out)
    this.#useless()
    this.#tellRoom()
  }

  onSettingsAck(): void {
    this.#decoder.acknowledged()
    this.#useless()
  }

  onPing(payload: Buffer, ack: boolean): void {
    if (this.fault !== null) return
    this.#useless()
    if (!ack) writePing(this.out, payload, true)
    else if (payload.equals(pingPayload)) this.#owner.onPong()
  }

  onGoAway(lastStream: number, code: number): void {
    if (this.fault !== null) return
    this.#useless()
    if (this.#role === 'client') {
      this.closedToNew = true
      for (const stream of this.#streams.list())
        if (stream.id > lastStream) this.#cut(stream, ErrorCode.RefusedStream, true)
    }
    this.#owner.onGoAway(code)
  }

  onWindowUpdate(id: number, increment: number): void {
    if (this.fault !== null) return
    if (this.#send.progress > 0) {
      this.#send.progress = 0
      this.#guard.useful()
    } else this.#useless()
    if (id === 0) {
      if (increment === 0) return this.#fail(ErrorCode.ProtocolError, 'empty_window_update')
      if (!this.#send.grow(increment)) this.#fail(ErrorCode.FlowControlError, 'window_overflow')
      return
    }
    const stream = this.#streams.find(id)
    if (stream === null) {
      if (this.#idle(id)) this.#fail(ErrorCode.ProtocolError, 'window_update_on_idle_stream')
      return
    }
    if (increment === 0) return this.#refuse(stream, ErrorCode.ProtocolError)
    if (!this.#send.growStream(stream, increment)) this.#refuse(stream, ErrorCode.FlowControlError)
  }

  onHalfClose(id: number): void {
    this.#useless()
    this.#streams.find(id)?.events?.onHalfClose()
  }

  onIgnored(): void {
    this.#useless()
  }

  // Streams come and go.

  /** A header block for a stream we do not have. */
  #accept(id: number): Http2Stream | null {
    if (this.#role === 'client' || id % 2 === 0) {
      if (this.#idle(id)) this.#fail(ErrorCode.ProtocolError, 'headers_on_idle_stream')
      else this.#useless()
      return null
    }
    if (id <= this.#lastStream) {
      this.#useless()
      return null
    }
    this.#lastStream = id
    if (this.closedToNew || this.#streams.size >= this.#limits.maxStreams) {
      writeReset(this.out, id, ErrorCode.RefusedStream)
      this.#useless()
      return null
    }
    const stream = new Http2Stream(id, this.#peer.windowBytes, this.#limits.streamWindowBytes)
    this.#streams.add(stream)
    this.#owner.onStream(stream)
    return stream
  }

  #number(stream: Http2Stream): void {
    this.#unsent.leave(stream)
    stream.id = this.#nextStream
    this.#streams.add(stream)
    this.#nextStream += 2
    if (this.#nextStream > lastNumber) this.closedToNew = true
  }

  /** Never opened by anybody. */
  #idle(id: number): boolean {
    if (this.#role === 'client') return id % 2 === 0 || id >= this.#nextStream
    return id % 2 === 0 || id > this.#lastStream
  }

  // Before whoever hears of it lets the stream go: there is nothing left to cut.
  #remoteEnded(stream: Http2Stream): void {
    stream.remoteOpen = false
    this.#closeIfDone(stream)
  }

  #localEnded(stream: Http2Stream): void {
    stream.localOpen = false
    this.#closeIfDone(stream)
  }

  #closeIfDone(stream: Http2Stream): void {
    if (stream.remoteOpen || stream.localOpen || !stream.live) return
    this.#guard.answered()
    this.#forget(stream)
  }

  #forget(stream: Http2Stream): void {
    stream.live = false
    stream.localOpen = false
    stream.remoteOpen = false
    if (stream.id === 0) this.#unsent.leave(stream)
    else this.#streams.remove(stream)
    this.#send.forget(stream)
    this.#receive.release(stream)
    this.#tellRoom()
  }

  #tellRoom(): void {
    if (!this.#wasFull || this.open >= this.#peer.maxStreams) return
    this.#wasFull = false
    this.#owner.onRoom()
  }

  /** The peer broke a stream's rules: the stream ends on both sides. */
  #refuse(stream: Http2Stream, code: ErrorCode): void {
    // To make us reset is as cheap for a client as to reset (CVE-2025-8671).
    this.#countReset(stream)
    if (this.fault !== null) return
    this.#useless()
    writeReset(this.out, stream.id, code)
    this.#cut(stream, code, false)
  }

  #cut(stream: Http2Stream, code: number, unprocessed: boolean): void {
    this.#forget(stream)
    stream.events?.onReset(code, unprocessed)
  }

  #countReset(stream: Http2Stream): void {
    if (this.#role === 'server' && !stream.answering && !this.#guard.reset(turnNow()))
      this.#fail(ErrorCode.EnhanceYourCalm, 'too_many_resets')
  }

  #resizeWindows(difference: number): void {
    for (const stream of [...this.#streams.list(), ...this.#unsent.list()])
      if (!this.#send.growStream(stream, difference))
        this.#fail(ErrorCode.FlowControlError, 'window_overflow')
  }

  #useless(): void {
    if (!this.#guard.useless()) this.#fail(ErrorCode.EnhanceYourCalm, 'too_many_useless_frames')
  }

  #fail(code: ErrorCode, reason: string): void {
    if (this.fault !== null) return
    this.fault = { code, reason }
    this.#reader.fault ??= this.fault
    writeGoAway(this.out, this.#lastStream, code)
  }
}

/** Some numbers are left for streams that are open and have none yet. */
const lastNumber = maxStreamId - 10_000
const pingPayload = Buffer.from('sallypng', 'latin1')
