/**
 * What each byte means in the path of a request target, as one table of bits. It holds no rule: which bits a mode
 * decodes, escapes or refuses stands with the mode.
 */

/** Bits of `pathByte`. */
export const PathByte = {
  /** `A-Za-z0-9-._~`: an escape of it says nothing more than itself (RFC 3986 §2.3). */
  Unreserved: 1,
  /** May stand raw in a path segment (`pchar` of RFC 3986 §3.3) and has no second meaning there; excludes `;`. */
  Segment: 2,
  /** Written as an escape by Envoy's canonicalizer when it comes raw. */
  Escape: 4,
  /** Blank, control or DEL: ends or forges a request line when forwarded. */
  Blank: 8,
  /** `? #`: ends the path. */
  End: 16,
  /** `% \`: needs the slow way in every mode but NONE. */
  Special: 32,
} as const

export const pathByte = new Uint8Array(256)

for (let c = 0; c < 256; c++) {
  const text = String.fromCharCode(c)
  let bits = 0
  if (/[A-Za-z0-9\-._~]/.test(text)) bits |= PathByte.Unreserved | PathByte.Segment
  if ("!$&'()*+,=:@".includes(text)) bits |= PathByte.Segment
  if (c < 0x21 || c > 0x7e || '"<>^`{|}'.includes(text)) bits |= PathByte.Escape
  if (c < 0x21 || c === 0x7f) bits |= PathByte.Blank
  if (text === '?' || text === '#') bits |= PathByte.End
  if (text === '%' || text === '\\') bits |= PathByte.Special
  pathByte[c] = bits
}

/** The value of two hex digits at `i`, or -1; the input holds bytes as char codes. */
export function escapedByte(text: string, i: number): number {
  const high = hexDigit(text.charCodeAt(i))
  const low = hexDigit(text.charCodeAt(i + 1))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** 0–15, or -1; NaN, as `charCodeAt` gives past the end, is no digit. */
export function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48
  const lower = c | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

/** The upper-case digit of a value 0–15, as a byte. */
export function hexByte(value: number): number {
  return value < 10 ? 48 + value : 55 + value
}
