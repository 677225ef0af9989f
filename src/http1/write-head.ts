/**
 * Writes request and response heads (RFC 9112 §3–5) as latin1 text. It trusts its caller for framing fields but lets no
 * text through that could end a line early.
 */
import { assertName, assertTarget, assertValue } from './unsafe-header.ts'

/** `headers` is a flat list: name, value, ... */
export function requestHead(method: string, target: string, headers: readonly string[]): string {
  assertName(method)
  return `${requestLine(method, target)}${fieldLines(headers)}\r\n`
}

export function responseHead(status: number, reason: string, headers: readonly string[]): string {
  assertValue(reason)
  return `${statusLine(status, reason)}${fieldLines(headers)}\r\n`
}

/** The method is looked at by the caller. */
export function requestLine(method: string, target: string): string {
  assertTarget(target)
  return `${method} ${target} HTTP/1.1\r\n`
}

/** The reason is looked at by the caller. */
export function statusLine(status: number, reason: string): string {
  return `HTTP/1.1 ${status} ${reason}\r\n`
}

/** `name: value CRLF` for each pair, without the empty line. */
export function fieldLines(headers: readonly string[]): string {
  let lines = ''
  for (let i = 0; i < headers.length; i += 2)
    lines += fieldLine(headers[i] as string, headers[i + 1] as string)
  return lines
}

export function fieldLine(name: string, value: string): string {
  assertName(name)
  assertValue(value)
  return name + ': ' + value + '\r\n'
}
