/**
 * The grammar of request heads: request line, field lines, and what they say together about host, framing and the
 * connection (RFC 9112 §3, §6, §9). It holds one head at a time and knows nothing of bodies' bytes.
 */
import { ChunkedLength, declaredLength, NoLength } from './body-framing.ts'
import { connectionOptions, keepsAlive, Option } from './connection-options.ts'
import { Field } from './field-names.ts'
import { FieldSection, Refused } from './field-section.ts'
import { isAuthority } from './host.ts'
import type { CodecRefusal, Http1Limits, RequestHead } from './message.ts'
import { Framing } from './message.ts'
import { refusals } from './refusals.ts'
import { RequestLine } from './request-line.ts'
import { targetAuthority } from './request-target.ts'
import type { SectionGrammar } from './split-section.ts'

export class RequestHeadGrammar implements SectionGrammar {
  refusal: CodecRefusal | null = null
  head: RequestHead | null = null
  readonly #line = new RequestLine()
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
    return this.#lineRead ? refusals.headTooLong : refusals.requestLineTooLong
  }

  complete(bytes: Buffer, from: number, to: number): boolean {
    const text = bytes.toString('latin1', from, to)
    const line = this.#line
    const method = text.substring(0, line.methodEnd - from)
    const target = text.substring(line.methodEnd + 1 - from, line.targetEnd - from)
    const head = this.#read(method, target, line.version, this.#fields.build(text, from))
    if ('reason' in head) {
      this.refusal = head
      return false
    }
    this.head = head
    return true
  }

  #read(method: string, target: string, version: number, headers: string[]): RequestHead | CodecRefusal {
    if (method === 'PRI') return refusals.http2Preface
    const fields = this.#fields
    const authority = targetAuthority(method, target)
    if (typeof authority !== 'string') return authority
    let host = ''
    if (fields.has(Field.Host)) {
      if (fields.isRepeated(Field.Host)) return refusals.repeatedHost
      host = fields.first(headers, Field.Host)
      // An empty value is right only for targets without authority, which http and https never have.
      if (!isAuthority(host)) return refusals.badHost
    } else if (version === 11) return refusals.missingHost
    if (authority !== '') host = authority
    const length = declaredLength(fields, headers, version)
    if (typeof length !== 'number') return length
    const options = connectionOptions(fields, headers)
    if ((options & Option.Framing) !== 0) return refusals.nominatedFraming
    let framing: Framing = Framing.None
    if (method === 'CONNECT') {
      if (length !== NoLength && length !== 0) return refusals.connectWithBody
      framing = Framing.Tunnel
    } else if (length === ChunkedLength) framing = Framing.Chunked
    else if (length !== NoLength) framing = Framing.Length
    let expectContinue = false
    if (fields.has(Field.Expect)) {
      const expected = fields.first(headers, Field.Expect)
      if (fields.isRepeated(Field.Expect) || expected.toLowerCase() !== '100-continue') {
        return refusals.unmetExpectation
      }
      // HTTP/1.0 cannot wait for a 100, and without content there is nothing to wait for (RFC 9110 §10.1.1).
      expectContinue = version === 11 && (length > 0 || length === ChunkedLength)
    }
    const upgrades = version === 11 && (options & Option.Upgrade) !== 0 && fields.has(Field.Upgrade)
    return {
      method,
      target,
      version,
      headers,
      framing,
      contentLength: framing === Framing.Length ? length : -1,
      keepAlive: keepsAlive(version, options),
      host,
      expectContinue,
      upgrade: upgrades ? upgradeOf(headers) : '',
    }
  }
}

function upgradeOf(headers: readonly string[]): string {
  let upgrade = ''
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'upgrade') continue
    const value = (headers[i + 1] as string).toLowerCase()
    upgrade = upgrade === '' ? value : `${upgrade}, ${value}`
  }
  return upgrade
}
