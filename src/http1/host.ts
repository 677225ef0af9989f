/**
 * Judges `host[:port]` as it stands in Host and in request targets (RFC 9110 §7.2, RFC 3986 §3.2.2). It neither lowers
 * nor resolves it. Stricter than the grammar: no escapes, no commas, no empty port, no port above 65535.
 */

// Unreserved and sub-delims but the comma; `%` (zone) and `:` only between brackets.
const inName = classes("-._~!$&'()*+;=")
const inBrackets = classes('.:%-_~')

export function isAuthority(text: string): boolean {
  const end = hostEnd(text)
  if (end <= 0) return false
  return end === text.length || (text.charCodeAt(end) === 0x3a && isPort(text, end + 1))
}

/** CONNECT's form: the port is part of it (RFC 9112 §3.2.3). */
export function isAuthorityWithPort(text: string): boolean {
  return isAuthority(text) && hostEnd(text) < text.length
}

/** Where the host ends; 0 when it is no host. */
function hostEnd(text: string): number {
  if (text.charCodeAt(0) === 0x5b) {
    const close = text.indexOf(']')
    if (close < 3) return 0
    return run(text, 1, inBrackets) === close && text.indexOf(':') < close ? close + 1 : 0
  }
  return run(text, 0, inName)
}

function isPort(text: string, from: number): boolean {
  if (from === text.length || text.length - from > 5) return false
  let port = 0
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return false
    port = port * 10 + digit
  }
  return port <= 65535
}

function run(text: string, from: number, allowed: Uint8Array): number {
  let i = from
  while (i < text.length && allowed[text.charCodeAt(i)] === 1) i++
  return i
}

function classes(marks: string): Uint8Array {
  const table = new Uint8Array(256)
  for (let code = 0; code < 256; code++) {
    const text = String.fromCharCode(code)
    table[code] = /[0-9A-Za-z]/.test(text) || marks.includes(text) ? 1 : 0
  }
  return table
}
