/**
 * What a request's head alone says about it: whether sending it twice means the same as once, and whether what is left of
 * its body is worth reading. It knows no connection.
 */
import type { RequestHead } from '../../http1/message.ts'
import { Framing } from '../../http1/message.ts'
import { upgrades } from './headers.ts'

/** Bodies up to this size are read and dropped after an early answer, so that the connection can be kept. */
const discardLimit = 256 * 1024

export function meansTheSameTwice(head: RequestHead): boolean {
  switch (head.method) {
    // RFC 9110 §9.2.2. Asked for each request: a set would first look the fresh text up among all texts there are.
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PUT':
    case 'DELETE':
      return !upgrades(head)
    default:
      return false
  }
}

/** `begun`: some of the body has come. */
export function bodyIsSmall(head: RequestHead, begun: boolean): boolean {
  const { framing, contentLength, expectContinue } = head
  if (framing === Framing.None) return true
  // A client that waits for 100 may or may not send its body after another answer: only closing is unambiguous.
  return framing === Framing.Length && contentLength <= discardLimit && !(expectContinue && !begun)
}
