/**
 * What is told about one request when it is over: the fields of the access log and the metrics (dataplane §11). It holds
 * values and does nothing; an exchange fills them in, an itinerary those that only it knows.
 */
import type { RequestHead } from '../../http1/message.ts'
import { turnNow, wallClock } from '../../lifecycle/turn.ts'
import type { Connection } from '../connection.ts'
import type { ResponseFlag } from '../response-flag.ts'

const none: readonly string[] = []

export class ExchangeFields {
  readonly owner: Connection | null
  readonly head: RequestHead
  /** The turn's time at the end of the request's head. */
  readonly startedAt: number
  /** As received, until the itinerary sets the normalized one. */
  path: string
  authority: string
  requestId = ''
  /** 0 when the client left before a response began. */
  responseCode = 0
  /** Comma-joined, '' for none. */
  responseFlags = ''
  responseCodeDetails = ''
  connectionTerminationDetails = ''
  upstreamTransportFailureReason = ''
  /** Body bytes from downstream, and to it. */
  bytesReceived = 0
  bytesSent = 0
  /** -1 until it is over. */
  durationMs = -1
  /** From sending the request to the response's head; -1 when none came. */
  upstreamServiceTimeMs = -1
  /** `address:port` */
  upstreamHost = ''
  upstreamCluster = ''
  upstreamLocalAddress = ''
  /** Who answered, as proven by its certificate: '' before that, and outside the mesh. */
  upstreamPrincipal = ''
  routeName = ''
  /** Connections the request was sent on. */
  attempts = 0
  /** As the upstream sent them; empty for local answers. */
  responseHeaders: readonly string[] = none
  responseTrailers: readonly string[] = none
  /** The itinerary's own, for its onFinish. */
  data: unknown = null

  constructor(head: RequestHead, owner: Connection | null) {
    this.head = head
    this.owner = owner
    this.startedAt = turnNow()
    this.path = head.target
    this.authority = head.host
  }

  get method(): string {
    return this.head.method
  }

  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' {
    return this.head.version === 10 ? 'HTTP/1.0' : 'HTTP/1.1'
  }

  /** Milliseconds since the epoch. */
  get startTime(): number {
    return wallClock(this.startedAt)
  }

  /** First value of a request header (lower-case name), or ''. */
  requestHeader(name: string): string {
    return first(this.head.headers, name)
  }

  /** From the trailers, or from the head of a trailers-only answer; '' when there is none. */
  get grpcStatus(): string {
    return first(this.responseTrailers, 'grpc-status') || first(this.responseHeaders, 'grpc-status')
  }

  flag(flag: ResponseFlag): void {
    this.responseFlags = this.responseFlags === '' ? flag : `${this.responseFlags},${flag}`
  }
}

function first(headers: readonly string[], name: string): string {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1] as string
  return ''
}
