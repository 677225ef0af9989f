/**
 * Turns a request target into the one path that policy judges and the application receives (policy-semantics §1.11,
 * architecture §5). It matches nothing and parses no absolute-form: the caller hands in the part from the first `/` on.
 */
import { canonicalPath } from './canonical-path.ts'
import { PathByte, pathByte } from './path-bytes.ts'
import { strictPath } from './strict-path.ts'

export type PathNormalizationMode = 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES' | 'STRICT'

/** `pathWithQuery` is what is forwarded: the normalized path and the query as it came. Refused targets answer 400. */
export type NormalizedPath =
  | { readonly ok: true; readonly path: string; readonly pathWithQuery: string }
  | { readonly ok: false; readonly reason: string }

export const targetRefusals = {
  noSlash: 'the request target does not begin with a slash',
  nul: 'the path holds a NUL byte',
  blank: 'the request target holds a blank or a control byte',
  nonAscii: 'the request target holds a non-ASCII byte',
  notBytes: 'the request target holds a character that is not a byte',
  fragment: 'the request target holds a fragment',
} as const

const refusedTargets: Record<keyof typeof targetRefusals, NormalizedPath> = {
  noSlash: { ok: false, reason: targetRefusals.noSlash },
  nul: { ok: false, reason: targetRefusals.nul },
  blank: { ok: false, reason: targetRefusals.blank },
  nonAscii: { ok: false, reason: targetRefusals.nonAscii },
  notBytes: { ok: false, reason: targetRefusals.notBytes },
  fragment: { ok: false, reason: targetRefusals.fragment },
}

/**
 * The target is origin-form or `*`, one char code a byte; an empty path counts as `/` (RFC 9112 §3.2.1). Normalizing a
 * result again in the same mode changes nothing. A fragment is cut, or refused by STRICT. Whatever the mode, a blank or
 * control byte that would be forwarded raw is refused: it could forge a line of the request sent on.
 */
export function normalizePath(target: string, mode: PathNormalizationMode): NormalizedPath {
  if (target.charCodeAt(0) !== 47) return withoutSlash(target, mode)
  const merging = mode === 'MERGE_SLASHES' || mode === 'DECODE_AND_MERGE_SLASHES' || mode === 'STRICT'
  let plain = true
  let previous = 0
  let pathEnd = 0
  for (; pathEnd < target.length; pathEnd++) {
    const c = target.charCodeAt(pathEnd)
    if (c > 255) return refusedTargets.notBytes
    // `;` and brackets have no bit at all: STRICT wants a look at them, the others pass them.
    const bits = pathByte[c] as number
    if ((bits & PathByte.End) !== 0) break
    if ((bits & PathByte.Segment) === 0 && c !== 47) {
      if ((bits & PathByte.Blank) !== 0 && mode === 'NONE') return refusedTargets.blank
      if ((bits & (PathByte.Special | PathByte.Escape)) !== 0 || mode === 'STRICT') plain = false
    } else if (previous === 47 && (c === 46 || (c === 47 && merging))) plain = false
    previous = c
  }
  let end = target.length
  for (let i = pathEnd; i < target.length; i++) {
    const c = target.charCodeAt(i)
    if (c === 35) {
      if (mode === 'STRICT') return refusedTargets.fragment
      end = i
      break
    }
    if (c < 0x21 || c === 0x7f) return refusedTargets.blank
    if (c > 0x7f && (c > 255 || mode === 'STRICT'))
      return c > 255 ? refusedTargets.notBytes : refusedTargets.nonAscii
  }
  if (plain || mode === 'NONE') {
    const path = pathEnd === target.length ? target : target.slice(0, pathEnd)
    return { ok: true, path, pathWithQuery: end === target.length ? target : target.slice(0, end) }
  }
  const raw = target.slice(0, pathEnd)
  const query = target.slice(pathEnd, end)
  if (mode === 'STRICT') {
    const strict = strictPath(raw)
    return strict.ok ? { ok: true, path: strict.path, pathWithQuery: strict.path + query } : strict
  }
  const path = canonicalPath(raw, mode === 'DECODE_AND_MERGE_SLASHES', merging)
  return path === null ? refusedTargets.nul : { ok: true, path, pathWithQuery: path + query }
}

function withoutSlash(target: string, mode: PathNormalizationMode): NormalizedPath {
  const c = target.charCodeAt(0)
  if (target === '' || c === 63 || c === 35) return normalizePath('/' + target, mode)
  if (target === '*') return { ok: true, path: '*', pathWithQuery: '*' }
  if (target.startsWith('*#')) return mode === 'STRICT' ? refusedTargets.fragment : normalizePath('*', mode)
  return refusedTargets.noSlash
}
