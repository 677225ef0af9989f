/** What a client is told when its bytes are refused before they became a request: the reason and the limit by name. */
import type { CodecRefusal, Http1Limits, RequestHead } from '../../http1/message.ts'
import { Framing } from '../../http1/message.ts'

/** `bad request: conflicting_content_length`, or with the limit that was hit and its value (users #26). */
export function refusalText(refusal: CodecRefusal, limits: Http1Limits): string {
  if (refusal.status === 408) return `request timeout: ${refusal.reason}`
  if (refusal.limit === null) return `request refused: ${refusal.reason}`
  return `request refused: ${refusal.reason} (${refusal.limit} is ${limits[refusal.limit]})`
}

/** Stands for a request whose head could not be read, so that it has a record in the access log. */
export const unreadableHead: RequestHead = {
  method: '',
  target: '',
  version: 11,
  headers: [],
  framing: Framing.None,
  contentLength: -1,
  keepAlive: false,
  host: '',
  expectContinue: false,
  upgrade: '',
}
