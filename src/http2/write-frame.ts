/**
 * Writes HTTP/2 frames (RFC 9113 §6) into a buffer that leaves with the turn. It trusts its caller for stream states and
 * windows; the peer's frame size is kept here.
 */
import type { ByteWriter } from './byte-writer.ts'
import { clientPreface, Flag, FrameType, frameHeaderBytes } from './frame.ts'
import type { HpackEncoder } from './hpack-encoder.ts'

export function writePreface(out: ByteWriter): void {
  out.bytes(clientPreface)
}

/** `pairs`: setting, value, setting, value, ... */
export function writeSettings(out: ByteWriter, pairs: readonly number[]): void {
  writeHead(out, pairs.length * 3, FrameType.Settings, 0, 0)
  for (let i = 0; i < pairs.length; i += 2) {
    out.u16(pairs[i] as number)
    out.u32(pairs[i + 1] as number)
  }
}

export function writeSettingsAck(out: ByteWriter): void {
  writeHead(out, 0, FrameType.Settings, Flag.Ack, 0)
}

/** `fields`: flat name, value list, pseudo-fields first. Blocks above the peer's frame size go on in CONTINUATIONs. */
export function writeHeaders(
  out: ByteWriter,
  encoder: HpackEncoder,
  stream: number,
  fields: readonly string[],
  end: boolean,
  maxFrameBytes: number,
): void {
  const start = out.length
  writeHead(out, 0, FrameType.Headers, Flag.EndHeaders | (end ? Flag.EndStream : 0), stream)
  encoder.encode(fields, out)
  const length = out.length - start - frameHeaderBytes
  if (length > maxFrameBytes) return splitBlock(out, start, stream, end, maxFrameBytes)
  const at = out.view(start)
  at[0] = length >>> 16
  at[1] = length >>> 8
  at[2] = length
}

function splitBlock(
  out: ByteWriter,
  start: number,
  stream: number,
  end: boolean,
  maxFrameBytes: number,
): void {
  const block = Buffer.from(out.view(start + frameHeaderBytes))
  out.truncate(start)
  for (let from = 0; from < block.length; from += maxFrameBytes) {
    const to = Math.min(from + maxFrameBytes, block.length)
    const first = from === 0
    const flags = (to === block.length ? Flag.EndHeaders : 0) | (first && end ? Flag.EndStream : 0)
    writeHead(out, to - from, first ? FrameType.Headers : FrameType.Continuation, flags, stream)
    out.bytes(block, from, to)
  }
}

/** One frame of `chunk[from, to)`; the caller keeps to frame size and windows. */
export function writeData(
  out: ByteWriter,
  stream: number,
  chunk: Buffer,
  from: number,
  to: number,
  end: boolean,
): void {
  writeHead(out, to - from, FrameType.Data, end ? Flag.EndStream : 0, stream)
  if (to > from) out.bytes(chunk, from, to)
}

export function writeReset(out: ByteWriter, stream: number, code: number): void {
  writeHead(out, 4, FrameType.Reset, 0, stream)
  out.u32(code)
}

/** `payload`: 8 bytes. */
export function writePing(out: ByteWriter, payload: Buffer, ack: boolean): void {
  writeHead(out, 8, FrameType.Ping, ack ? Flag.Ack : 0, 0)
  out.bytes(payload)
}

export function writeGoAway(out: ByteWriter, lastStream: number, code: number): void {
  writeHead(out, 8, FrameType.GoAway, 0, 0)
  out.u32(lastStream)
  out.u32(code)
}

/** `stream` 0: the connection's window. */
export function writeWindowUpdate(out: ByteWriter, stream: number, increment: number): void {
  writeHead(out, 4, FrameType.WindowUpdate, 0, stream)
  out.u32(increment)
}

export function writeHalfClose(out: ByteWriter, stream: number): void {
  writeHead(out, 0, FrameType.HalfClose, 0, stream)
}

function writeHead(out: ByteWriter, length: number, type: number, flags: number, stream: number): void {
  const to = out.reserve(frameHeaderBytes + length)
  let at = out.length
  to[at++] = length >>> 16
  to[at++] = length >>> 8
  to[at++] = length
  to[at++] = type
  to[at++] = flags
  to[at++] = stream >>> 24
  to[at++] = stream >>> 16
  to[at++] = stream >>> 8
  to[at++] = stream
  out.advance(frameHeaderBytes)
}
