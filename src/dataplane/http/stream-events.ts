/**
 * Ties a stream's events to the object that owns it, with one set of listeners for all connections: closures for each
 * would be held by every idle connection. It interprets nothing.
 */
import type { Duplex } from 'node:stream'
import { directReader, readAsStream, readDirectly } from './direct-reads.ts'
import { beginTurn, endTurn } from '../../lifecycle/turn.ts'

export interface StreamOwner {
  feed(chunk: Buffer): void
  /** The peer ended its side. */
  peerEnded(): void
  /** There is room to write again. */
  drained(): void
  /** The stream is gone: an error's code, or '' when it closed without one. May come more than once. */
  lost(code: string): void
}

const owner = Symbol('stream owner')
type Owned = Duplex & { [owner]: StreamOwner }

/** Starts the flow of bytes; the stream has this owner until it is disowned. */
export function own(stream: Duplex, by: StreamOwner): void {
  ;(stream as Owned)[owner] = by
  stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose).on('drain', onDrain)
  readDirectly(stream, reader)
  stream.resume()
}

/** Takes the listeners off again; pausing the stream is the caller's. */
export function disown(stream: Duplex): void {
  readAsStream(stream)
  stream
    .off('data', onData)
    .off('end', onEnd)
    .off('error', onError)
    .off('close', onClose)
    .off('drain', onDrain)
}

function onData(this: Duplex, chunk: Buffer): void {
  beginTurn()
  try {
    ;(this as Owned)[owner].feed(chunk)
  } finally {
    endTurn()
  }
}

const reader = directReader(onData)

function onEnd(this: Duplex): void {
  ;(this as Owned)[owner].peerEnded()
}

function onError(this: Duplex, error: NodeJS.ErrnoException): void {
  ;(this as Owned)[owner].lost(error.code ?? 'ERR_UNKNOWN')
}

function onClose(this: Duplex): void {
  ;(this as Owned)[owner].lost('')
}

function onDrain(this: Duplex): void {
  ;(this as Owned)[owner].drained()
}
