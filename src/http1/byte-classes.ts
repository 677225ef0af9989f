/**
 * Which byte may stand where in HTTP/1.1 text (RFC 9110 §5, RFC 9112 §2–4), as tables of 256 entries. It judges single
 * bytes, never whole names, hosts or lines.
 */

export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const Colon = 0x3a
export const Semicolon = 0x3b

const tokenMarks = "!#$%&'*+-.^_`|~"

/** Token bytes (RFC 9110 §5.6.2) map to themselves in lower case, all others to 0. */
export const tokenLower = table((byte) => {
  const text = String.fromCharCode(byte)
  return /[0-9A-Za-z]/.test(text) || tokenMarks.includes(text) ? text.toLowerCase().charCodeAt(0) : 0
})

/** Field value and reason phrase bytes: HTAB, SP, visible ASCII and obs-text. */
export const valueByte = table((byte) => (byte === HTAB || (byte >= SP && byte !== 0x7f) ? 1 : 0))

/** Request target bytes: visible ASCII without `#`, which no target carries (RFC 9112 §3.2). */
export const targetByte = table((byte) => (byte > SP && byte < 0x7f && byte !== 0x23 ? 1 : 0))

/** The value of a hexadecimal digit, 255 for all other bytes. */
export const hexValue = table((byte) => {
  const text = String.fromCharCode(byte)
  return /[0-9A-Fa-f]/.test(text) ? Number.parseInt(text, 16) : 255
})

/** Bytes of a quoted string apart from `"` and `\` (RFC 9110 §5.6.4, without obs-text). */
export const quotedByte = table((byte) =>
  byte === HTAB || (byte >= SP && byte < 0x7f && byte !== 0x22 && byte !== 0x5c) ? 1 : 0,
)

function table(classify: (byte: number) => number): Uint8Array {
  const classes = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte++) classes[byte] = classify(byte)
  return classes
}
