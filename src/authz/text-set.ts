/**
 * All values of one side of one field, asked at once: does any of them fit this text (policy-semantics §1.2). It is
 * built at load and allocates nothing when asked; which text to ask about is the caller's knowledge.
 */
import { compileString } from '../match/string-matcher.ts'

// Below this many, comparing one by one is quicker than hashing the text first.
const few = 4

export class TextSet {
  /** One value is `*`: whatever is present fits. */
  readonly any: boolean
  readonly #exact: readonly string[]
  readonly #many: ReadonlySet<string> | null
  readonly #prefixes: readonly string[]
  readonly #suffixes: readonly string[]

  constructor(values: readonly string[]) {
    const matchers = values.map(compileString)
    const texts = (kind: string): string[] => [
      ...new Set(matchers.filter((matcher) => matcher.kind === kind).map((matcher) => matcher.text)),
    ]
    const exact = texts('exact')
    this.any = matchers.some((matcher) => matcher.kind === 'any')
    this.#exact = exact.length <= few ? exact : []
    this.#many = exact.length <= few ? null : new Set(exact)
    this.#prefixes = texts('prefix')
    this.#suffixes = texts('suffix')
  }

  /** `text` is present; when it is empty only `*` fits. An absent text must not be asked about. */
  has(text: string): boolean {
    if (this.any) return true
    if (text === '') return false
    for (const value of this.#exact) if (value === text) return true
    if (this.#many !== null && this.#many.has(text)) return true
    for (const prefix of this.#prefixes) if (text.startsWith(prefix)) return true
    for (const suffix of this.#suffixes) if (text.endsWith(suffix)) return true
    return false
  }
}
