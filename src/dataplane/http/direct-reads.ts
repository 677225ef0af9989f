/**
 * Hands a socket's bytes to a function as they come, past the stream machinery: Node allocates 64 KiB for each read and
 * V8 collects the whole heap for every 64 MiB of that, which cost more than everything else a request does (decision
 * 0016). It changes nothing but how bytes get here: pause, resume, end and errors are the socket's own.
 *
 * What it uses is what net's `onread` option uses, which sockets that were accepted cannot be given. Where a version of
 * Node has it no more, nothing happens and the socket goes on as a stream.
 */
import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'

export interface Handle {
  useUserBuffer?(buffer: Uint8Array): void
}

export type Inner = Duplex & Record<symbol, unknown> & { readonly _handle?: Handle | null }
/** What `net` calls, on the socket: false stops reading. */
export type DirectReader = (this: Duplex, bytes: number, buffer: Buffer) => boolean

/** `net` sets these on every socket it makes. */
const inner = new Socket()
const symbolNamed = (name: string): symbol | null =>
  Object.getOwnPropertySymbols(inner).find((symbol) => symbol.description === name) ?? null
export const bufferOf = symbolNamed('kBuffer')
export const callbackOf = symbolNamed('kBufferCb')
export const generatorOf = symbolNamed('kBufferGen')

/** One for all sockets of a thread: a read is over before the next begins. */
let shared: Buffer | null = null
export const readBytes = 64 * 1024

/** Made once for all sockets: `feed` is called on the socket. */
export function directReader(feed: (this: Duplex, chunk: Buffer) => void): DirectReader {
  return function (bytes, buffer) {
    const chunk = copyOf(buffer, bytes)
    // A paused socket's bytes wait in the stream, and what comes behind them may not overtake them.
    if (this.isPaused() || this.readableLength > 0) return this.push(chunk)
    feed.call(this, chunk)
    return true
  }
}

/** Bytes already read and not yet taken still come as `data`, before these. False: everything comes as `data`. */
export function readDirectly(stream: Duplex, reader: DirectReader): boolean {
  const socket = stream as Inner
  if (bufferOf === null || callbackOf === null || !(bufferOf in socket)) return false
  const handle = socket._handle
  if (typeof handle?.useUserBuffer !== 'function') return false
  socket[callbackOf] = reader
  if (socket[bufferOf] !== null) return true
  shared ??= Buffer.allocUnsafeSlow(readBytes)
  socket[bufferOf] = shared
  handle.useUserBuffer(shared)
  // With a buffer of one's own `net` stops reading on pause, and no longer hears that the peer is gone. As a stream it
  // reads on until its own buffer is full: so it does here.
  stream.pause = pauseAsStream
  return true
}

/** From now on the bytes come as `data` again. */
export function readAsStream(stream: Duplex): void {
  const socket = stream as Inner
  if (callbackOf !== null && stream.pause === pauseAsStream) socket[callbackOf] = pushed
}

const pauseAsStream = Duplex.prototype.pause as Duplex['pause']

function pushed(this: Duplex, bytes: number, buffer: Buffer): boolean {
  return this.push(copyOf(buffer, bytes))
}

function copyOf(buffer: Buffer, bytes: number): Buffer {
  const chunk = Buffer.allocUnsafe(bytes)
  buffer.copy(chunk, 0, 0, bytes)
  return chunk
}
