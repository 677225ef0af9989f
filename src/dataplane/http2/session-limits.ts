/**
 * The limits of a session that carries HTTP/1.1's messages: what an HTTP/1.1 connection takes, a stream takes as well. It
 * adds none of its own to messages.
 */
import type { Http1Limits } from '../../http1/message.ts'
import { defaultHttp2Limits } from '../../http2/frame.ts'
import type { Http2Limits } from '../../http2/frame.ts'

/** `pseudoFields`: they count as fields and are none of HTTP/1.1's. */
export function sessionLimits({ maxHeadBytes, maxHeaders }: Http1Limits, pseudoFields: number): Http2Limits {
  const maxFields = maxHeaders + pseudoFields
  // A field counts for 32 bytes more than its text here (RFC 9113 §6.5.2), which heads of HTTP/1.1 do not know.
  return { ...defaultHttp2Limits, maxListBytes: maxHeadBytes + 32 * maxFields, maxFields }
}
