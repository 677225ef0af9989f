/**
 * Policy values of one attribute and what is filed under each (policy-semantics §1.2): one walk from the front for whole
 * values and prefixes, one from the end for suffixes. Whether the text is present at all is the caller's knowledge.
 */
import { compileString } from '../match/string-matcher.ts'
import { TextTrie, type Visitor } from './text-trie.ts'

export class TextIndex<T> {
  readonly #front = new TextTrie<T>(false)
  #back: TextTrie<T> | null = null

  /** Files under a value as written: `*` is met by every present text, the empty one too. */
  file(value: string, filed: T): void {
    const { kind, text } = compileString(value)
    if (kind === 'exact') {
      // '' as a value is met by nothing: an absent text is never asked about.
      if (text !== '') this.#front.fileWhole(text, filed)
    } else if (kind === 'suffix') {
      this.#back ??= new TextTrie<T>(true)
      this.#back.fileOpening(text, filed)
    } else this.filePrefix(text, filed)
  }

  filePrefix(prefix: string, filed: T): void {
    this.#front.fileOpening(prefix, filed)
  }

  /** Offers what is filed under each value that a present text meets. */
  walk(text: string, visitor: Visitor<T>): void {
    this.#front.walk(text, visitor)
    if (this.#back !== null) this.#back.walk(text, visitor)
  }
}
