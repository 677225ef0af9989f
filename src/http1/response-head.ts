/**
 * The grammar of response heads: status line, field lines, and the framing they have for the request they answer
 * (RFC 9112 §4, §6.3). It trusts its owner for the request's method.
 */
import { ChunkedLength, declaredLength, NoLength } from './body-framing.ts'
import { connectionOptions, keepsAlive } from './connection-options.ts'
import { FieldSection, Refused } from './field-section.ts'
import type { CodecRefusal, Http1Limits, ResponseHead } from './message.ts'
import { Framing } from './message.ts'
import { refusals } from './refusals.ts'
import type { SectionGrammar } from './split-section.ts'
import { StatusLine } from './status-line.ts'

export class ResponseHeadGrammar implements SectionGrammar {
  refusal: CodecRefusal | null = null
  head: ResponseHead | null = null
  /** Of the request that is being answered. */
  method = ''
  readonly #line = new StatusLine()
  readonly #fields: FieldSection
  #lineRead = false

  constructor(limits: Http1Limits) {
    this.#fields = new FieldSection(limits.maxHeaders, refusals.tooManyHeaders)
  }

  restart(): void {
    this.#lineRead = false
  }

  scan(bytes: Buffer, from: number, end: number): number {
    if (!this.#lineRead) {
      const at = this.#line.scan(bytes, from, end)
      if (at < 0) {
        if (at === Refused) this.refusal = this.#line.refusal
        return at
      }
      this.#lineRead = true
      this.#fields.start(at)
    }
    const at = this.#fields.scan(bytes, end)
    if (at === Refused) this.refusal = this.#fields.refusal
    return at
  }

  tooLong(): CodecRefusal {
    return refusals.headTooLong
  }

  complete(bytes: Buffer, from: number, to: number): boolean {
    const text = bytes.toString('latin1', from, to)
    const { status, version, reasonStart, reasonEnd } = this.#line
    const headers = this.#fields.build(text, from)
    const length = declaredLength(this.#fields, headers, version)
    if (typeof length !== 'number') {
      this.refusal = length
      return false
    }
    const framing = this.#framing(status, length)
    if (framing < 0) {
      this.refusal = refusals.bodilessWithFraming
      return false
    }
    const endless = framing === Framing.UntilClose || framing === Framing.Tunnel
    this.head = {
      status,
      reason: text.substring(reasonStart - from, reasonEnd - from),
      version,
      headers,
      framing: framing as Framing,
      contentLength: framing === Framing.Length ? length : -1,
      keepAlive: !endless && keepsAlive(version, connectionOptions(this.#fields, headers)),
    }
    return true
  }

  /** Or -1 when a body is declared where none can be (RFC 9110 §8.6, RFC 9112 §6.1). */
  #framing(status: number, length: number): number {
    if (status < 200 || status === 204) {
      if (length !== NoLength && length !== 0) return -1
      if (status !== 204 || this.method !== 'CONNECT') return status === 101 ? Framing.Tunnel : Framing.None
    }
    // What a 2xx to CONNECT declares must be ignored; HEAD and 304 describe a body that is not sent.
    if (this.method === 'CONNECT' && status < 300) return Framing.Tunnel
    if (this.method === 'HEAD' || status === 304) return Framing.None
    if (length === ChunkedLength) return Framing.Chunked
    return length === NoLength ? Framing.UntilClose : Framing.Length
  }
}
