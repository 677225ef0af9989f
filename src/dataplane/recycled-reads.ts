/**
 * Reads a socket that is only copied from into a few buffers that are used again and again: whoever takes a chunk says when
 * its bytes have left. For opaque streams, as `http/direct-reads.ts` is for requests; see decision 0016.
 */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { bufferOf, callbackOf, generatorOf, readBytes } from './http/direct-reads.ts'
import type { Handle, Inner } from './http/direct-reads.ts'

/** `done`: the bytes have left; the chunk may change from then on. Called once. */
export type Take = (chunk: Buffer, done: () => void) => void

/** Buffers that nobody reads into, for all sockets of a thread. */
const spare: Buffer[] = []
/** 2 MiB: more than this many under way at once are left to the collector. */
const mostSpare = 32
/** Up to this many bytes are copied out, and the buffer is read into again at once. */
const smallBytes = 4096

/** Bytes already read and not yet taken still come as `data`, before these. False: everything comes as `data`. */
export function readRecycled(stream: Duplex, take: Take): boolean {
  if (bufferOf === null || callbackOf === null || generatorOf === null || !(bufferOf in stream)) return false
  const socket = stream as Inner
  const handle: Handle | null | undefined = socket._handle
  if (typeof handle?.useUserBuffer !== 'function') return false
  const first = socket[bufferOf] === null
  // A buffer that was there before is everybody's: what is read into it is copied out.
  let ours: Buffer | null = first ? nextBuffer() : null
  socket[callbackOf] = (bytes: number, buffer: Buffer): boolean => {
    if (buffer !== ours || bytes <= smallBytes) take(Buffer.from(buffer.subarray(0, bytes)), ignore)
    else {
      const full = ours
      ours = null
      take(full.subarray(0, bytes), () => giveBack(full))
    }
    return true
  }
  socket[generatorOf] = (): Buffer => (ours ??= nextBuffer())
  // Reading stops at once: what came behind could only wait in the stream, and its buffer with it.
  stream.pause = pauseAtOnce
  stream.once('close', () => {
    if (ours !== null) giveBack(ours)
    ours = null
  })
  if (first) {
    socket[bufferOf] = ours
    handle.useUserBuffer(ours as Buffer)
  }
  return true
}

function nextBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(readBytes)
}

function giveBack(buffer: Buffer): void {
  if (spare.length < mostSpare) spare.push(buffer)
}

const pauseAtOnce = Socket.prototype.pause as Duplex['pause']
const ignore = (): void => undefined
