/**
 * Writes request and response heads (RFC 9112 §3–5) as latin1 text. It trusts its caller for framing fields but lets no
 * text through that could end a line early.
 */
import { assertName, assertTarget, assertValue } from './unsafe-header.ts'

/** `headers` is a flat list: name, value, ... */
export function requestHead(method: string, target: string, headers: readonly string[]): string {
  assertName(method)
  assertTarget(target)
  return `${method} ${target} HTTP/1.1\r\n${fieldLines(headers)}\r\n`
}

export function responseHead(status: number, reason: string, headers: readonly string[]): string {
  assertValue(reason)
  return `HTTP/1.1 ${status} ${reason}\r\n${fieldLines(headers)}\r\n`
}

/** `name: value CRLF` for each pair, without the empty line. */
export function fieldLines(headers: readonly string[]): string {
  let lines = ''
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    assertName(name)
    assertValue(value)
    lines += name + ': ' + value + '\r\n'
  }
  return lines
}
