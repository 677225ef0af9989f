/**
 * Which header fields may pass between client, authorizer and application, and in which spelling (policy-semantics §9.2).
 * It judges names and values one by one; what happens to a whole message is decided elsewhere.
 */
import { isUtf8 } from 'node:buffer'
import { matchesString } from '../match/string-matcher.ts'
import type { StringMatcher } from '../match/string-matcher.ts'

/** `name` in lower case, as the patterns are. */
export function matchesAny(patterns: readonly StringMatcher[], name: string): boolean {
  for (const pattern of patterns) if (matchesString(pattern, name)) return true
  return false
}

/** Envoy's own limit for one value of a mutation; characters. */
const longestValue = 16_384

const token = /^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/
const value = /^[\t\x20-\x7e\x80-\xff]*$/

export const isFieldName = (name: string): boolean => token.test(name)

export const isFieldValue = (text: string): boolean => text.length <= longestValue && value.test(text)

/** Fields of one connection or of one message's framing: they mean nothing on the next (RFC 9110 §7.6.1). */
const ofOneHop = new Set(
  (
    'connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding ' +
    'upgrade http2-settings expect content-length'
  ).split(' '),
)

/** True for what is not told to an authorizer as a header: it gets a message and a connection of its own. */
export function endsHere(name: string): boolean {
  return name === 'host' || (name !== 'proxy-authorization' && ofOneHop.has(name))
}

/**
 * True for what no authorizer may set on, or take from, a request: framing, the authority that was judged, and identity
 * that this proxy alone vouches for. Applications behind CGI-like gateways read `_` as `-`, so both spellings count.
 */
export function isOurs(name: string): boolean {
  const dashed = name.replaceAll('_', '-')
  return (
    dashed.startsWith(':') ||
    dashed === 'host' ||
    dashed === 'x-forwarded-client-cert' ||
    dashed.startsWith('x-envoy-') ||
    ofOneHop.has(dashed)
  )
}

/** True for what no authorizer may put into a client's response: framing, and fields this proxy writes itself. */
export function isOursToClient(name: string): boolean {
  if (name === 'proxy-authenticate') return false
  return isOurs(name) || name === 'date' || name === 'server'
}

/** Text of a gRPC message as the header value it stands for: its UTF-8 bytes, one character each. */
export function toFieldValue(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** A header value as text for a gRPC message, which carries UTF-8 only; other bytes become `!`, as Envoy writes them. */
export function toText(fieldValue: string): string {
  for (let i = 0; i < fieldValue.length; i++) {
    if (fieldValue.charCodeAt(i) > 127) return utf8(Buffer.from(fieldValue, 'latin1'))
  }
  return fieldValue
}

/** Bytes as text that can stand in a gRPC message. */
export function utf8(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  return isUtf8(bytes) ? text : text.replaceAll('\ufffd', '!')
}
