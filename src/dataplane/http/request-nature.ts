/**
 * What a request's head alone says about it: whether sending it twice means the same as once, and whether what is left of
 * its body is worth reading. It knows no connection.
 */
import type { RequestHead } from '../../http1/message.ts'
import { Framing } from '../../http1/message.ts'
import { upgrades } from './headers.ts'

/** RFC 9110 §9.2.2. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
/** Bodies up to this size are read and dropped after an early answer, so that the connection can be kept. */
const discardLimit = 256 * 1024

export function meansTheSameTwice(head: RequestHead): boolean {
  return idempotent.has(head.method) && !upgrades(head)
}

/** `begun`: some of the body has come. */
export function bodyIsSmall(head: RequestHead, begun: boolean): boolean {
  const { framing, contentLength, expectContinue } = head
  if (framing === Framing.None) return true
  // A client that waits for 100 may or may not send its body after another answer: only closing is unambiguous.
  return framing === Framing.Length && contentLength <= discardLimit && !(expectContinue && !begun)
}
