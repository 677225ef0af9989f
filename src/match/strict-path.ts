/**
 * The STRICT reading of a path: what two servers could read differently is refused, and what is left has one spelling
 * (architecture §5). It resolves and merges nothing; it is our own mode and no part of Istio's four.
 */
import { escapedByte, hexByte, hexDigit, PathByte, pathByte } from './path-bytes.ts'

export type StrictPath =
  { readonly ok: true; readonly path: string } | { readonly ok: false; readonly reason: string }

/** Why STRICT refuses, as the client and the access log read it. */
export const strictRefusals = {
  badEscape: 'a percent sign in the path is not followed by two hex digits',
  control: 'the path holds an escaped control byte',
  delimiter: 'the path holds an escaped delimiter (one of / \\ ; ? #)',
  doubled: 'the path is escaped twice',
  utf8: 'the escapes in the path are not UTF-8',
  backslash: 'the path holds a backslash',
  parameters: 'the path holds a semicolon (path parameters)',
  emptySegment: 'the path holds an empty segment (//)',
  dotSegment: 'the path holds a dot segment',
  raw: 'the path holds a raw byte that RFC 3986 wants escaped',
} as const

const refused: Record<keyof typeof strictRefusals, StrictPath> = {
  badEscape: { ok: false, reason: strictRefusals.badEscape },
  control: { ok: false, reason: strictRefusals.control },
  delimiter: { ok: false, reason: strictRefusals.delimiter },
  doubled: { ok: false, reason: strictRefusals.doubled },
  utf8: { ok: false, reason: strictRefusals.utf8 },
  backslash: { ok: false, reason: strictRefusals.backslash },
  parameters: { ok: false, reason: strictRefusals.parameters },
  emptySegment: { ok: false, reason: strictRefusals.emptySegment },
  dotSegment: { ok: false, reason: strictRefusals.dotSegment },
  raw: { ok: false, reason: strictRefusals.raw },
}

/**
 * Reads a path that begins with `/`. Escapes of bytes that may stand raw in a segment are decoded and the other escapes
 * get upper-case digits, so two accepted paths that mean the same bytes are the same text.
 */
export function strictPath(path: string): StrictPath {
  const end = path.length
  const out = Buffer.allocUnsafe(end)
  let length = 0
  let high = false
  let segment = 1
  for (let i = 0; i < end; i++) {
    const c = path.charCodeAt(i)
    if (c === 47) {
      if (length > 0) {
        if (length === segment) return refused.emptySegment
        if (isDots(out, segment, length)) return refused.dotSegment
      }
      out[length++] = c
      segment = length
    } else if (c === 37) {
      const value = escapedByte(path, i + 1)
      if (value < 0) return refused.badEscape
      if (value < 0x20 || value === 0x7f) return refused.control
      if (value === 47 || value === 92 || value === 59 || value === 63 || value === 35)
        return refused.delimiter
      i += 2
      if (((pathByte[value] as number) & PathByte.Segment) !== 0) out[length++] = value
      else {
        if (value > 0x7f) high = true
        out[length++] = 37
        out[length++] = hexByte(value >>> 4)
        out[length++] = hexByte(value & 15)
      }
    } else if (((pathByte[c] as number) & PathByte.Segment) !== 0) out[length++] = c
    else if (c === 92) return refused.backslash
    else if (c === 59) return refused.parameters
    else return refused.raw
  }
  if (isDots(out, segment, length)) return refused.dotSegment
  const text = out.toString('latin1', 0, length)
  if (isDoubled(text)) return refused.doubled
  return high && !isUtf8(text) ? refused.utf8 : { ok: true, path: text }
}

function isDots(out: Buffer, start: number, end: number): boolean {
  const length = end - start
  return (length === 1 || length === 2) && out[start] === 46 && out[end - 1] === 46
}

// `%25` is one percent sign; before two hex digits it is an escape for whoever decodes again.
function isDoubled(text: string): boolean {
  for (let i = text.indexOf('%25'); i >= 0; i = text.indexOf('%25', i + 3)) {
    if (hexDigit(text.charCodeAt(i + 3)) >= 0 && hexDigit(text.charCodeAt(i + 4)) >= 0) return true
  }
  return false
}

// Overlong and broken sequences (`%C0%AE`) read as a dot in one server and as rubbish in the next. Never throws.
function isUtf8(text: string): boolean {
  const bytes = Buffer.allocUnsafe(text.length)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    bytes[length++] = c === 37 ? escapedByte(text, i + 1) : c
    if (c === 37) i += 2
  }
  const raw = bytes.subarray(0, length)
  return Buffer.from(raw.toString('utf8'), 'utf8').equals(raw)
}
