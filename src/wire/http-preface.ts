/**
 * Tells HTTP/2 and HTTP/1 from everything else by a connection's first bytes (dataplane §3.5). It is no HTTP parser: the
 * codec judges the request line again, more strictly, and every header.
 */

export type HttpPeek = 'need-more' | 'http1' | 'http2' | 'not-http'

/** RFC 9113 §3.4. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Bytes within which a request line must end (dataplane §3.5). */
export const longestRequestLine = 64 * 1024

/** Bytes; the longest registered method has 17. */
export const longestMethod = 64

/**
 * `http2` after the whole preface; `http1` once `METHOD SP target SP HTTP/1.0|1.1` and the CR or LF behind it were seen;
 * `not-http` at the first byte neither could have, or past 64 KiB. The answer depends on the first 64 KiB alone, however
 * they were cut into chunks.
 */
export function peekHttp(bytes: Buffer): HttpPeek {
  const end = Math.min(bytes.length, longestRequestLine)
  let i = 0
  while (i < end && i < preface.length && bytes[i] === preface[i]) i++
  if (i === preface.length) return 'http2'
  if (i === end) return 'need-more'
  // `PRI * HTTP/1.1` shares a beginning with the preface, so the line is read from its start.
  for (i = 0; i < end && isToken(bytes[i] as number); i++) if (i === longestMethod) return 'not-http'
  if (i === end) return 'need-more'
  if (i === 0 || bytes[i] !== 0x20) return 'not-http'
  const target = ++i
  // Raw bytes above ASCII are left to the codec, which answers 400 where falling back to TCP would say nothing.
  while (i < end && isTarget(bytes[i] as number)) i++
  if (i === end) return bytes.length < longestRequestLine ? 'need-more' : 'not-http'
  if (i === target || bytes[i] !== 0x20) return 'not-http'
  return peekVersion(bytes, i + 1, end)
}

const version = Buffer.from('HTTP/1.', 'latin1')

function peekVersion(bytes: Buffer, start: number, end: number): HttpPeek {
  for (let k = 0; k <= version.length + 1; k++) {
    if (start + k >= end) return bytes.length < longestRequestLine ? 'need-more' : 'not-http'
    const c = bytes[start + k] as number
    const fits =
      k < version.length
        ? c === version[k]
        : k === version.length
          ? c === 0x30 || c === 0x31
          : c === 0x0d || c === 0x0a
    if (!fits) return 'not-http'
  }
  return 'http1'
}

const tokenBytes = new Uint8Array(256)
for (const c of Buffer.from(
  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
  'latin1',
)) {
  tokenBytes[c] = 1
}

// RFC 9110 §5.6.2.
function isToken(c: number): boolean {
  return tokenBytes[c] === 1
}

function isTarget(c: number): boolean {
  return c > 0x20 && c !== 0x7f
}
