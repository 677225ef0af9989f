/**
 * Reads DER elements from a Buffer: definite, shortest-form lengths and one-byte tags, nothing else. It knows no
 * structure and copies no bytes; what is not DER reads as null (X.690 §10).
 */

export interface Element {
  readonly tag: number
  /** Offset of the tag. */
  readonly start: number
  /** Offset of the first value byte. */
  readonly value: number
  /** Offset after the last value byte. */
  readonly end: number
}

export const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  Oid: 0x06,
  Utf8String: 0x0c,
  PrintableString: 0x13,
  T61String: 0x14,
  Ia5String: 0x16,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
  BmpString: 0x1e,
  Sequence: 0x30,
  Set: 0x31,
} as const

/** The element at `at`, which must lie whole before `end`. */
export function readElement(der: Buffer, at: number, end: number): Element | null {
  if (end > der.length || at + 2 > end) return null
  const tag = der[at] as number
  if ((tag & 0x1f) === 0x1f) return null
  const first = der[at + 1] as number
  if (first < 0x80) return bounded(tag, at, at + 2, first, end)
  const count = first & 0x7f
  // 0x80 is the indefinite length; four bytes would be a certificate over 16 MiB.
  if (count === 0 || count > 3 || at + 2 + count > end) return null
  let length = 0
  for (let i = 0; i < count; i += 1) length = length * 256 + (der[at + 2 + i] as number)
  if (length < 0x80 || length < 256 ** (count - 1)) return null
  return bounded(tag, at, at + 2 + count, length, end)
}

function bounded(tag: number, start: number, value: number, length: number, end: number): Element | null {
  return value + length > end ? null : { tag, start, value, end: value + length }
}

/** The elements that fill `parent` exactly, or null; more than `limit` is null too. */
export function readChildren(
  der: Buffer,
  parent: { value: number; end: number },
  limit = 128,
): Element[] | null {
  const children: Element[] = []
  let at = parent.value
  while (at < parent.end) {
    const element = readElement(der, at, parent.end)
    if (element === null || children.length === limit) return null
    children.push(element)
    at = element.end
  }
  return children
}

/** Dotted text of an object identifier, or null. */
export function readOid(der: Buffer, element: Element | undefined): string | null {
  if (element?.tag !== Tag.Oid || element.end === element.value || element.end - element.value > 64)
    return null
  const arcs: number[] = []
  let arc = 0
  let begun = false
  for (let i = element.value; i < element.end; i += 1) {
    const byte = der[i] as number
    if (!begun && byte === 0x80) return null
    begun = true
    arc = arc * 128 + (byte & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER / 128) return null
    if (byte < 0x80) {
      if (arcs.length === 0) {
        const top = arc < 80 ? Math.floor(arc / 40) : 2
        arcs.push(top, arc - top * 40)
      } else arcs.push(arc)
      arc = 0
      begun = false
    }
  }
  return begun ? null : arcs.join('.')
}

/** A DER boolean, or null. */
export function readBoolean(der: Buffer, element: Element | undefined): boolean | null {
  if (element?.tag !== Tag.Boolean || element.end - element.value !== 1) return null
  const byte = der[element.value]
  return byte === 0xff ? true : byte === 0 ? false : null
}

/** A non-negative integer up to 2^31-1 in shortest form, or null. */
export function readSmallInteger(der: Buffer, element: Element | undefined): number | null {
  if (element?.tag !== Tag.Integer) return null
  const length = element.end - element.value
  if (length < 1 || length > 4) return null
  const number = der.readIntBE(element.value, length)
  if (number < 0 || (length > 1 && number < 2 ** (8 * (length - 1) - 1))) return null
  return number
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime in the forms RFC 5280 §4.1.2.5 allows, or null. */
export function readTime(der: Buffer, element: Element | undefined): number | null {
  if (element === undefined) return null
  const text = der.toString('latin1', element.value, element.end)
  const long = element.tag === Tag.GeneralizedTime
  if (!long && element.tag !== Tag.UtcTime) return null
  if (text.length !== (long ? 15 : 13) || !/^[0-9]+Z$/.test(text)) return null
  const part = (at: number): number => Number(text.slice(at, at + 2))
  const shift = long ? 2 : 0
  const year = long ? part(0) * 100 + part(2) : part(0) < 50 ? 2000 + part(0) : 1900 + part(0)
  const [month, day] = [part(shift + 2), part(shift + 4)]
  const [hour, minute, second] = [part(shift + 6), part(shift + 8), part(shift + 10)]
  if (hour > 23 || minute > 59 || second > 59 || month < 1) return null
  const time = new Date(0)
  time.setUTCFullYear(year, month - 1, day)
  time.setUTCHours(hour, minute, second)
  return time.getUTCMonth() === month - 1 && time.getUTCDate() === day ? time.getTime() : null
}
