/**
 * The one exception of the decoding rooms: where in a document something is wrong and what was expected there. It never
 * leaves those rooms; their doors turn it into a value.
 */

/** `spec.rules[2].from`; '' is the document itself. */
export type Path = string

export class DecodeProblem extends Error {
  readonly path: Path
  readonly detail: string

  constructor(path: Path, detail: string) {
    super(path === '' ? detail : `${path}: ${detail}`)
    this.name = 'DecodeProblem'
    this.path = path
    this.detail = detail
  }
}

/** Runs a decoder and gives its value or the problem; any other exception is a defect and goes on. */
export function attempt<T>(decode: () => T): { ok: true; value: T } | { ok: false; reason: string } {
  try {
    return { ok: true, value: decode() }
  } catch (error) {
    if (error instanceof DecodeProblem) return { ok: false, reason: error.message }
    throw error
  }
}

/** The path of a field; names that are no identifiers are quoted, so that a document cannot forge a path. */
export function member(at: Path, key: string): Path {
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(key) || key.length > longestShown) return `${at}[${quoted(key)}]`
  return at === '' ? key : `${at}.${key}`
}

const longestShown = 60

/** Text from a document as it may stand in a message: one line, no control or direction characters, 60 at most. */
export function quoted(text: string): string {
  const safe = text
    .slice(0, longestShown + 1)
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '?')
    .replace(/["\\]/g, '\\$&')
  return safe.length > longestShown ? `"${safe.slice(0, longestShown)}…"` : `"${safe}"`
}

/** What was found, for the end of a message: kind for collections, the value itself for the rest. */
export function found(input: unknown): string {
  if (input === undefined) return 'nothing'
  if (input === null) return 'null'
  if (typeof input === 'string') return input === '' ? 'an empty string' : quoted(input)
  if (typeof input === 'number' || typeof input === 'boolean') return String(input)
  if (Array.isArray(input)) return input.length === 0 ? 'an empty list' : 'a list'
  return typeof input === 'object' ? 'a map' : `a ${typeof input}`
}

export const expected = (what: string, input: unknown, at: Path): DecodeProblem =>
  new DecodeProblem(at, `expected ${what}, found ${found(input)}`)
