/**
 * Feeds bytes to the parsers in given pieces and writes down what came out, in one form for all cuts. It drives them as
 * a connection would, and judges nothing.
 */
import assert from 'node:assert/strict'
import type {
  CodecRefusal,
  Http1Limits,
  RequestHandler,
  RequestHead,
  ResponseHandler,
  ResponseHead,
} from '../../src/http1/message.ts'
import { defaultLimits } from '../../src/http1/message.ts'
import { RequestParser } from '../../src/http1/request-parser.ts'
import { ResponseParser } from '../../src/http1/response-parser.ts'

export interface Message<Head> {
  readonly head: Head
  body: string
  trailers: string[]
  ended: boolean
}

export interface Transcript<Head> {
  readonly messages: Message<Head>[]
  /** During the feed or, when there was none, from finish(). */
  refusal: CodecRefusal | null
  /** What came behind a head that opened a tunnel. */
  tunnel: string
}

class Recorder<Head> {
  readonly messages: Message<Head>[] = []

  onHead(head: Head): void {
    const last = this.messages.at(-1) as Message<Head & { status?: number }> | undefined
    assert.ok(last === undefined || last.ended || (last.head.status ?? 200) < 200, 'a head inside a message')
    this.messages.push({ head, body: '', trailers: [], ended: false })
  }

  onBody(chunk: Buffer): void {
    assert.ok(chunk.length > 0, 'an empty body chunk')
    this.#open().body += chunk.toString('latin1')
  }

  onTrailers(trailers: string[]): void {
    assert.ok(trailers.length > 0, 'empty trailers')
    this.#open().trailers = trailers
  }

  onEnd(): void {
    this.#open().ended = true
  }

  #open(): Message<Head> {
    const last = this.messages.at(-1)
    assert.ok(last !== undefined && !last.ended, 'an event outside a message')
    return last
  }
}

type Parser = Pick<RequestParser, 'execute' | 'finish' | 'refusal' | 'busy'>

function feed<Head>(parser: Parser, recorder: Recorder<Head>, pieces: readonly Buffer[], next: () => void) {
  const transcript: Transcript<Head> = { messages: recorder.messages, refusal: null, tunnel: '' }
  for (const piece of pieces) {
    let rest = piece
    while (rest.length > 0 && parser.refusal === null) {
      const used = parser.execute(rest)
      if (parser.refusal !== null) {
        assert.equal(parser.execute(rest), 0, 'bytes consumed behind a refusal')
        break
      }
      if (used === 0) {
        transcript.tunnel += rest.toString('latin1')
        break
      }
      rest = rest.subarray(used)
      next()
    }
  }
  transcript.refusal = parser.refusal ?? parser.finish()
  return transcript
}

export function readRequests(pieces: readonly Buffer[], limits: Http1Limits = defaultLimits) {
  const recorder = new Recorder<RequestHead>()
  const handler: RequestHandler = recorder
  return feed(new RequestParser(limits, handler), recorder, pieces, () => {})
}

/** `methods` of the requests being answered, in order; more responses than methods are unsolicited. */
export function readResponses(
  pieces: readonly Buffer[],
  methods: readonly string[] = ['GET'],
  limits: Http1Limits = defaultLimits,
) {
  const recorder = new Recorder<ResponseHead>()
  const handler: ResponseHandler = recorder
  const parser = new ResponseParser(limits, handler)
  let told = 0
  const next = (): void => {
    if (told < methods.length && recorder.messages.filter((m) => m.ended).length === told) {
      parser.expect(methods[told++] as string)
    }
  }
  next()
  return feed(parser, recorder, pieces, next)
}

export function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** One piece a byte. */
export function byteByByte(whole: Buffer): Buffer[] {
  return Array.from(whole, (_, i) => whole.subarray(i, i + 1))
}

export function cutAt(whole: Buffer, at: number): Buffer[] {
  return [whole.subarray(0, at), whole.subarray(at)]
}
