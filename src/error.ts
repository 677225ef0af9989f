/**
 * The base of every error this program raises on purpose. It is not for refusals that happen per request: those are
 * values. Each room extends it with a closed union of codes; every code is listed in docs/errors.md (a test compares).
 */
export class MeshError<Code extends string = string> extends Error {
  /** Stable, documented, `ERR_<ROOM>_<WHAT>`. */
  readonly code: Code
  /** What the reader can do about it, as one imperative clause. */
  readonly mend: string

  /** `message` names what went wrong and the value at fault; never a key, a token or a whole claim set. */
  constructor(code: Code, message: string, mend: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
    this.code = code
    this.mend = mend
  }

  /** The one line a user sees: `error: CODE what, what to do`. */
  get line(): string {
    return `error: ${this.code} ${oneLine(this.message)}; ${oneLine(this.mend)}`
  }
}

/** Any thrown value as the one line a user sees; unknown errors keep their message and get a code of their own. */
export function errorLine(error: unknown): string {
  if (error instanceof MeshError) return error.line
  const message = error instanceof Error ? error.message : String(error)
  return `error: ERR_INTERNAL ${oneLine(message)}; report it with the command and the version`
}

// Text that reached us from files or peers must not forge a second line.
function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ').trim()
}
