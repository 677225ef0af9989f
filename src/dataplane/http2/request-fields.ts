/**
 * A request's header list read into the head that HTTP/1.1 requests have, and back (RFC 9113 §8.3.1): policy and rewriting
 * see one shape whatever carried it. As strict as the HTTP/1.1 codec; it makes no decision on the request.
 */
import { isAuthority } from '../../http1/host.ts'
import type { RequestHead } from '../../http1/message.ts'
import { assertValue } from '../../http1/unsafe-header.ts'
import { Framing } from '../../http1/message.ts'
import { FieldKind, fieldKind, isValue, lengthOf } from './field-kind.ts'

export interface RefusedFields {
  readonly status: number
  /** A short fixed text, safe to send and to log. */
  readonly reason: string
}

const methodToken = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const badTarget = /[^\x21-\x7e]|#/

/** `end`: the list ends the stream, so that there is no body. */
export function readRequest(fields: readonly string[], end: boolean): RequestHead | RefusedFields {
  const headers: string[] = ['host', '']
  let method = ''
  let target = ''
  let host = ''
  let scheme = ''
  let contentLength = -1
  let expectContinue = false
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    const value = fields[i + 1] as string
    if (!isValue(value)) return refuse('bad_field_value')
    switch (fieldKind(name)) {
      case FieldKind.Plain:
        break
      case FieldKind.Bad:
      case FieldKind.Host:
        return refuse('bad_field_name')
      case FieldKind.Pseudo:
        if (headers.length > 2) return refuse('pseudo_field_after_fields')
        if (name === ':method' && method === '') method = value
        else if (name === ':path' && target === '') target = value
        else if (name === ':authority' && host === '') host = value
        else if (name === ':scheme' && scheme === '') scheme = value
        else return refuse('bad_pseudo_field')
        continue
      case FieldKind.ContentLength:
        if (contentLength >= 0) return refuse('repeated_content_length')
        contentLength = lengthOf(value)
        if (contentLength < 0) return refuse('bad_content_length')
        break
      case FieldKind.Expect:
        if (expectContinue || value.toLowerCase() !== '100-continue')
          return { status: 417, reason: 'unmet_expectation' }
        expectContinue = true
        break
      case FieldKind.Te:
        if (value.toLowerCase() !== 'trailers') return refuse('bad_te')
        break
    }
    headers.push(name, value)
  }
  if (!methodToken.test(method)) return refuse('bad_method')
  if (method === 'CONNECT') return { status: 501, reason: 'connect_not_served' }
  if (scheme !== 'https' && scheme !== 'http') return refuse('bad_scheme')
  if (badTarget.test(target)) return refuse('bad_request_target')
  if (target.charCodeAt(0) !== 0x2f && !(target === '*' && method === 'OPTIONS'))
    return refuse('bad_request_target')
  if (!isAuthority(host)) return refuse('bad_host')
  if (end && contentLength > 0) return refuse('body_shorter_than_declared')
  headers[1] = host
  let framing: Framing = Framing.None
  if (contentLength >= 0) framing = Framing.Length
  else if (!end) framing = Framing.Chunked
  return {
    method,
    target,
    version: 11,
    headers,
    framing,
    contentLength,
    keepAlive: true,
    host,
    expectContinue: expectContinue && !end,
    upgrade: '',
  }
}

/** Throws for text that HTTP/2 cannot carry, before anything was told. `headers` as `rewriteRequest` leaves them: `host` first, and framing that HTTP/2 has of its own. */
export function requestFields(method: string, target: string, headers: readonly string[]): string[] {
  const fields = [':method', method, ':scheme', 'https', ':authority', headers[1] as string, ':path', target]
  for (let i = 2; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    assertValue(value)
    if (name !== 'transfer-encoding') fields.push(name, value)
  }
  return fields
}

function refuse(reason: string): RefusedFields {
  return { status: 400, reason }
}
