/**
 * A response's header list read into the head that HTTP/1.1 responses have, and back (RFC 9113 §8.3.2). Reason phrases
 * that are not the standard's own travel in `:reason`, which only peers of `sallyport/1` send.
 */
import type { ResponseHead } from '../../http1/message.ts'
import { assertValue } from '../../http1/unsafe-header.ts'
import { Framing } from '../../http1/message.ts'
import { reasonPhrase } from '../http/reason-phrase.ts'
import { FieldKind, fieldKind, isValue, lengthOf } from './field-kind.ts'

/** null: no response anybody can be given. `method` is the request's. */
export function readResponse(fields: readonly string[], end: boolean, method: string): ResponseHead | null {
  const headers: string[] = []
  let status = 0
  let reason: string | null = null
  let contentLength = -1
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    const value = fields[i + 1] as string
    if (!isValue(value)) return null
    switch (fieldKind(name)) {
      case FieldKind.Plain:
      case FieldKind.Expect:
      // Without meaning in responses, and none of a connection's: an application may send them, so they pass.
      case FieldKind.Te:
      case FieldKind.Host:
        break
      case FieldKind.Pseudo:
        if (headers.length > 0) return null
        if (name === ':status' && status === 0 && /^[1-5]\d\d$/.test(value)) status = Number(value)
        else if (name === ':reason' && reason === null) reason = value
        else return null
        continue
      case FieldKind.ContentLength:
        if (contentLength >= 0) return null
        contentLength = lengthOf(value)
        if (contentLength < 0) return null
        break
      default:
        return null
    }
    headers.push(name, value)
  }
  // A 101 has no meaning here (RFC 9113 §8.6); an interim head cannot be the end.
  if (status === 0 || status === 101 || (status < 200 && end)) return null
  const bodiless = status < 200 || status === 204 || status === 304 || method === 'HEAD'
  if (!bodiless && end && contentLength > 0) return null
  let framing: Framing = Framing.None
  if (!bodiless) framing = contentLength >= 0 ? Framing.Length : Framing.Chunked
  return {
    status,
    reason: reason ?? reasonPhrase(status),
    version: 11,
    headers,
    framing,
    contentLength: framing === Framing.Length ? contentLength : -1,
    keepAlive: true,
  }
}

/** Throws for text that HTTP/2 cannot carry, before anything was told. */
export function responseFields(status: number, reason: string, headers: readonly string[]): string[] {
  const fields = [':status', String(status)]
  if (reason !== reasonPhrase(status) && isValue(reason)) fields.push(':reason', reason)
  for (const text of headers) {
    assertValue(text)
    fields.push(text)
  }
  return fields
}
