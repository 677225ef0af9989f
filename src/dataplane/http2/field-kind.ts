/**
 * What a field name of an HTTP/2 message is good for (RFC 9113 §8.2): a plain field, one that frames or routes, or one
 * that may not be there. Names are judged once and remembered; values are judged each time.
 */

export const FieldKind = {
  Plain: 0,
  /** No lower-case token, or a field of one connection (RFC 9113 §8.2.2). */
  Bad: 1,
  Pseudo: 2,
  ContentLength: 3,
  Expect: 4,
  /** `te: trailers` is all a request may say. */
  Te: 5,
  /** Ours send `:authority` alone: two names for the server are one too many (CVE class: authority confusion). */
  Host: 6,
} as const
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind]

const special = new Map<string, FieldKind>([
  ['connection', FieldKind.Bad],
  ['keep-alive', FieldKind.Bad],
  ['proxy-connection', FieldKind.Bad],
  ['transfer-encoding', FieldKind.Bad],
  ['upgrade', FieldKind.Bad],
  ['host', FieldKind.Host],
  ['content-length', FieldKind.ContentLength],
  ['expect', FieldKind.Expect],
  ['te', FieldKind.Te],
])

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
/** Peers choose names: only so many are remembered. */
const mostRemembered = 1024
const remembered = new Map<string, FieldKind>(special)

export function fieldKind(name: string): FieldKind {
  const known = remembered.get(name)
  if (known !== undefined) return known
  let kind: FieldKind = FieldKind.Bad
  if (name.charCodeAt(0) === 0x3a) kind = FieldKind.Pseudo
  else if (token.test(name)) kind = FieldKind.Plain
  if (remembered.size < mostRemembered && name.length <= 64) remembered.set(name, kind)
  return kind
}

// Controls, or a blank at either end (RFC 9113 §8.2.1).
const badValue = /[^\t\x20-\x7e\x80-\xff]|^[\t ]|[\t ]$/

export function isValue(value: string): boolean {
  return !badValue.test(value)
}

/** Content-Length as a number, -1 when it is none (RFC 9110 §8.6). */
export function lengthOf(value: string): number {
  return /^\d{1,15}$/.test(value) ? Number(value) : -1
}

/** Whether a list may stand as trailers: no pseudo-fields, nothing that frames. */
export function areTrailers(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i += 2) {
    const kind = fieldKind(fields[i] as string)
    if (kind !== FieldKind.Plain && kind !== FieldKind.Te) return false
    if (!isValue(fields[i + 1] as string)) return false
  }
  return true
}
