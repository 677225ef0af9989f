/**
 * All values of one side of one field, asked at once: does any of them fit this text (policy-semantics §1.2). It is
 * built at load and allocates nothing when asked; which text to ask about is the caller's knowledge.
 */
import { compilePathTemplate, matchesPathTemplate, type PathTemplate } from '../match/path-template.ts'
import { compileString } from '../match/string-matcher.ts'
import { TextTrie, type Visitor } from './text-trie.ts'

// Below this many, comparing one by one is quicker than hashing or walking the text first.
const few = 4

export class TextSet {
  /** One value is `*`: whatever is present fits. */
  readonly any: boolean
  readonly #exact: readonly string[]
  readonly #many: ReadonlySet<string> | null
  readonly #prefixes: readonly string[]
  readonly #suffixes: readonly string[]
  readonly #manyPrefixes: TextTrie<true> | null
  readonly #manySuffixes: TextTrie<true> | null
  readonly #templates: readonly PathTemplate[]

  constructor(values: readonly string[], templates: readonly string[] = []) {
    const matchers = values.map(compileString)
    const texts = (kind: string): string[] => [
      ...new Set(matchers.filter((matcher) => matcher.kind === kind).map((matcher) => matcher.text)),
    ]
    const [exact, prefixes, suffixes] = [texts('exact'), texts('prefix'), texts('suffix')]
    this.any = matchers.some((matcher) => matcher.kind === 'any')
    this.#exact = exact.length <= few ? exact : []
    this.#many = exact.length <= few ? null : new Set(exact)
    this.#prefixes = prefixes.length <= few ? prefixes : []
    this.#manyPrefixes = prefixes.length <= few ? null : trieOf(prefixes, false)
    this.#suffixes = suffixes.length <= few ? suffixes : []
    this.#manySuffixes = suffixes.length <= few ? null : trieOf(suffixes, true)
    this.#templates = templates.map(compilePathTemplate)
  }

  /** `text` is present; when it is empty only `*` fits. An absent text must not be asked about. */
  has(text: string): boolean {
    if (this.any) return true
    if (text === '') return false
    for (const value of this.#exact) if (value === text) return true
    if (this.#many !== null && this.#many.has(text)) return true
    for (const prefix of this.#prefixes) if (text.startsWith(prefix)) return true
    for (const suffix of this.#suffixes) if (text.endsWith(suffix)) return true
    if (this.#manyPrefixes !== null && meets(this.#manyPrefixes, text)) return true
    if (this.#manySuffixes !== null && meets(this.#manySuffixes, text)) return true
    for (const template of this.#templates) if (matchesPathTemplate(template, text)) return true
    return false
  }
}

function trieOf(texts: readonly string[], backward: boolean): TextTrie<true> {
  const trie = new TextTrie<true>(backward)
  for (const text of texts) trie.fileOpening(text, true)
  return trie
}

class Met implements Visitor<true> {
  met = false
  offer(): void {
    this.met = true
  }
}

// Shared: a walk never yields.
const met = new Met()

function meets(trie: TextTrie<true>, text: string): boolean {
  met.met = false
  trie.walk(text, met)
  return met.met
}
