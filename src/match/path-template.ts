/**
 * Whether a path fits a template with `{*}` and `{**}` (policy-semantics §1.10): anchored at both ends, every character
 * looked at once. Which templates are legal is `policy/`'s question; an illegal one fits nothing here.
 */

/** `/foo/{*}/bar/{**}`: head `['/foo/', '/bar/']` with a `{*}` between its pieces, then `{**}` and the tail. */
export interface PathTemplate {
  /** Literal text; between two pieces stands one `{*}`. */
  readonly head: readonly string[]
  /** Literal text after `{**}`, null when there is no `{**}`. */
  readonly tail: string | null
}

// What `{*}` stands for; `{**}` also takes slashes. The star is in it: without, a literal `*` evaded a DENY
// (CVE-2025-46821).
const segmentSet = new Uint8Array(256)
for (const c of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+,;:@=") {
  segmentSet[c.charCodeAt(0)] = 1
}
const slash = 47

export function compilePathTemplate(template: string): PathTemplate {
  const rest = template.indexOf('{**}')
  const head = (rest < 0 ? template : template.slice(0, rest)).split('{*}')
  return { head, tail: rest < 0 ? null : template.slice(rest + 4) }
}

/** `path` is normalized and without query. A `{*}` fills a segment, so taking all it can is the only way to fit. */
export function matchesPathTemplate({ head, tail }: PathTemplate, path: string): boolean {
  let at = 0
  for (let i = 0; i < head.length; i++) {
    if (i > 0) {
      const end = endOfSet(path, at, false)
      if (end === at) return false
      at = end
    }
    const literal = head[i] as string
    if (!path.startsWith(literal, at)) return false
    at += literal.length
  }
  if (tail === null) return at === path.length
  const end = path.length - tail.length
  return end >= at && path.endsWith(tail) && endOfSet(path, at, true) >= end
}

function endOfSet(path: string, from: number, slashes: boolean): number {
  let at = from
  for (; at < path.length; at++) {
    const c = path.charCodeAt(at)
    if (segmentSet[c] !== 1 && !(slashes && c === slash)) break
  }
  return at
}
