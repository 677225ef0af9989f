/**
 * The values the HTTP/1.1 codec hands out and takes in (RFC 9112): heads, limits, refusals. Headers are one flat list
 * (lower-case name, value, name, value, ...) in order of arrival, so that nothing is merged before policy looked.
 */

export interface Http1Limits {
  /** Bytes of start line plus header section; Envoy's default is 60 KiB. */
  readonly maxHeadBytes: number
  readonly maxHeaders: number
  /** Bytes of chunk extensions over the whole body. */
  readonly maxChunkExtensionBytes: number
  /** Bytes of the trailer section. */
  readonly maxTrailerBytes: number
}

export const defaultLimits: Http1Limits = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  maxChunkExtensionBytes: 16 * 1024,
  maxTrailerBytes: 16 * 1024,
}

/** How the body of a message is delimited (RFC 9112 §6.3). */
export const Framing = { None: 0, Length: 1, Chunked: 2, UntilClose: 3, Tunnel: 4 } as const
export type Framing = (typeof Framing)[keyof typeof Framing]

export interface RequestHead {
  readonly method: string
  /** As received: origin-form, absolute-form, authority-form (CONNECT) or `*`. */
  readonly target: string
  /** 10 or 11. */
  readonly version: number
  readonly headers: string[]
  readonly framing: Framing
  /** Content-Length when framing is Length, else -1. */
  readonly contentLength: number
  /** After version and Connection rules: may another request follow on this connection? */
  readonly keepAlive: boolean
  /** Exactly one `host` header's value, or '' (HTTP/1.0 without Host). */
  readonly host: string
  readonly expectContinue: boolean
  /** Lower-case value of Upgrade when Connection nominates it, else ''. */
  readonly upgrade: string
}

export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly version: number
  readonly headers: string[]
  readonly framing: Framing
  readonly contentLength: number
  readonly keepAlive: boolean
}

/** Why bytes were refused. `limit` names the limit that was hit, or is null for a framing fault. */
export interface CodecRefusal {
  /** 400, 413, 414, 417, 431, 501 or 505 for requests; meaningless for responses (the upstream is at fault: 502). */
  readonly status: number
  /** One short fixed text, safe to send and to log: `conflicting_content_length`, `bare_cr_in_head`, ... */
  readonly reason: string
  readonly limit: keyof Http1Limits | null
}

/** Calls come synchronously from inside `execute()`. `chunk` is a view into the fed buffer: use it or copy it now. */
export interface RequestHandler {
  onHead(head: RequestHead): void
  onBody(chunk: Buffer): void
  /** Flat list, only after a chunked body, only when not empty. */
  onTrailers(trailers: string[]): void
  onEnd(): void
}

export interface ResponseHandler {
  /** 1xx heads come here too (status 100..199), then the final one. */
  onHead(head: ResponseHead): void
  onBody(chunk: Buffer): void
  onTrailers(trailers: string[]): void
  onEnd(): void
}

/*
 * The parsers (request-parser.ts, response-parser.ts) have this shape:
 *
 *   class RequestParser  { constructor(limits: Http1Limits, handler: RequestHandler)
 *     // Returns how many bytes were consumed. Stops right behind the end of a message, so pipelined bytes stay with the
 *     // caller, and right behind a head whose framing is Tunnel. On a violation sets `refusal` and consumes no more, ever.
 *     execute(chunk: Buffer): number
 *     readonly refusal: CodecRefusal | null
 *     // True between the first byte of a head and the end of its message.
 *     readonly busy: boolean
 *     // The peer ended its side: null when that was at a message boundary (or ended an UntilClose body: onEnd is called).
 *     finish(): CodecRefusal | null }
 *
 *   class ResponseParser { constructor(limits, handler); expect(method: string): void  // before each response
 *     execute, refusal, busy, finish as above }
 *
 * A message that became a tunnel has no onEnd: its parser stays busy and consumes nothing more. Interim responses have a
 * head and no onEnd; execute() goes on to the final one. Bytes that answer no expected request are refused. After a
 * refusal the number returned means nothing but that reading is over.
 *
 * Where two readings of the RFC are possible, the stricter one holds:
 *   - an empty Host is refused everywhere, as http and https targets always have an authority; HTTP/1.0 may lack Host;
 *   - the authority of an absolute or CONNECT target is `host`, whatever the (still required, still valid) Host says;
 *   - hosts carry no escapes, commas, userinfo or empty ports; targets no `#`; absolute targets are http or https;
 *   - Content-Length comes once, even when equal; a HTAB around it or around Transfer-Encoding refuses the message;
 *   - Connection may not nominate Host, Content-Length or Transfer-Encoding in a request;
 *   - CONNECT declares no body; neither do 1xx and 204;
 *   - chunk extensions are written without blanks; trailers that frame refuse the message, trailers that authenticate,
 *     route or describe the body are dropped (trailer-section.ts).
 *
 * The writers (write-head.ts, write-body.ts):
 *   requestHead(method: string, target: string, headers: readonly string[]): string   // latin1, ends with CRLF CRLF
 *   responseHead(status: number, reason: string, headers: readonly string[]): string
 *   chunkHead(length: number): string ; lastChunk(trailers: readonly string[] | null): string
 * They trust their caller for framing headers but throw Http1WriteError for names and methods that are no tokens, for
 * controls and for what latin1 cannot carry.
 */
