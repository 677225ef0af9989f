/**
 * Istio's RFC 3986 step: one pass that decodes unreserved escapes, turns `\` into `/`, resolves dot segments and escapes
 * what may not stand raw (policy-semantics §1.11). It neither splits off queries nor judges; merging is an option.
 */
import { escapedByte, hexByte, hexDigit, PathByte, pathByte } from './path-bytes.ts'

const slash = 47
const percent = 37
const dot = 46

/**
 * The canonical form of a path that begins with `/` (char codes are bytes), or null when it holds a NUL, raw or escaped.
 * `decodeSlashes` also reads `%2F` and `%5C` as separators; `mergeSlashes` joins runs of `/`, after dot segments went.
 *
 * Decoding once could make an escape that was not there (`%%32F` to `%2F`), and a second pass would then read another
 * path. As Envoy does, the stray `%` becomes `%25` in that case, so the result is a fixed point. Unlike Envoy, a stray
 * `%` that a dot segment removed is forgotten: `/%/../%41%42%43` is `/ABC` here.
 */
export function canonicalPath(path: string, decodeSlashes: boolean, mergeSlashes: boolean): string | null {
  const end = path.length
  // Every input byte gives at most the three of an escape.
  const out = Buffer.allocUnsafe(end * 3)
  let length = 0
  let stray = -1
  for (let i = 0; i < end; i++) {
    const c = path.charCodeAt(i)
    const dotLength = separatorOrDot(path, i, decodeSlashes, dot)
    if (dotLength > 0 && out[length - 1] === slash) {
      const dots = dotSegment(path, i, decodeSlashes)
      if (dots.up) {
        length = parent(out, length)
        if (stray >= length) stray = -1
      }
      i += (dots.length || dotLength) - 1
      if (dots.length === 0) out[length++] = dot
    } else if (c === percent) {
      const value = escapedByte(path, i + 1)
      if (value < 0) {
        stray = length
        out[length++] = c
        continue
      }
      i += 2
      if (value === 0) return null
      if (decodeSlashes && (value === slash || value === 92)) out[length++] = slash
      else if (((pathByte[value] as number) & PathByte.Unreserved) !== 0) {
        out[length++] = value
        if (stray >= 0 && makesEscape(out, stray, length, path.charCodeAt(i + 1))) {
          out.copyWithin(stray + 3, stray + 1, length)
          out[stray + 1] = 50
          out[stray + 2] = 53
          length += 2
          stray = -1
        }
      } else {
        out[length++] = percent
        out[length++] = path.charCodeAt(i - 1)
        out[length++] = path.charCodeAt(i)
      }
    } else if (c === 0) return null
    else if (c === 92) out[length++] = slash
    else if (((pathByte[c] as number) & PathByte.Escape) !== 0) {
      out[length++] = percent
      out[length++] = hexByte(c >>> 4)
      out[length++] = hexByte(c & 15)
    } else out[length++] = c
  }
  return out.toString('latin1', 0, mergeSlashes ? merge(out, length) : length)
}

/** `.`, `..` and the separator after it, at `i`: how many characters it takes (0 = a name that begins with a dot). */
function dotSegment(path: string, i: number, decodeSlashes: boolean): { length: number; up: boolean } {
  const first = i + separatorOrDot(path, i, decodeSlashes, dot)
  const afterOne = segmentEnd(path, first, decodeSlashes)
  if (afterOne >= 0) return { length: afterOne - i, up: false }
  const second = separatorOrDot(path, first, decodeSlashes, dot)
  const afterTwo = second === 0 ? -1 : segmentEnd(path, first + second, decodeSlashes)
  return afterTwo >= 0 ? { length: afterTwo - i, up: true } : { length: 0, up: false }
}

/** Where the next segment starts if one ends at `i`, else -1. */
function segmentEnd(path: string, i: number, decodeSlashes: boolean): number {
  if (i >= path.length) return i
  const length = separatorOrDot(path, i, decodeSlashes, slash)
  return length === 0 ? -1 : i + length
}

/** How many characters spell `wanted` (a dot, or a separator) at `i`: 0, 1 or the 3 of an escape. */
function separatorOrDot(path: string, i: number, decodeSlashes: boolean, wanted: 46 | 47): number {
  const c = path.charCodeAt(i)
  if (c === wanted || (wanted === slash && c === 92)) return 1
  if (c !== percent) return 0
  const value = escapedByte(path, i + 1)
  if (wanted === dot) return value === dot ? 3 : 0
  return decodeSlashes && (value === slash || value === 92) ? 3 : 0
}

/** `out` ends in `/`; its length without the last segment, still ending in `/`. */
function parent(out: Buffer, length: number): number {
  let i = length - 1
  if (i === 0) return length
  while (out[i - 1] !== slash) i--
  return i
}

/** Would the stray `%` at `at`, the bytes decoded after it and the next raw one read as an escape? */
function makesEscape(out: Buffer, at: number, length: number, next: number): boolean {
  const after = length - at - 1
  if (after < 1 || after > 2 || hexDigit(out[at + 1] as number) < 0) return false
  return hexDigit(after === 2 ? (out[at + 2] as number) : next) >= 0
}

function merge(out: Buffer, length: number): number {
  let to = 1
  for (let i = 1; i < length; i++) {
    const c = out[i] as number
    if (c !== slash || out[to - 1] !== slash) out[to++] = c
  }
  return to
}
