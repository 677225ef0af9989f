/**
 * A text of which only some is known, and what can still be said of patterns about it: yes, no, or null for "depends on
 * what is hidden". It hides nothing itself.
 */
import { compileString, type StringMatcher } from '../match/string-matcher.ts'

export interface VeiledText {
  /** Whether it is exactly this text. */
  equals(text: string): boolean | null
  startsWith(text: string): boolean | null
  endsWith(text: string): boolean | null
}

/** Nothing is hidden. `text` is not empty. */
export class PlainText implements VeiledText {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  equals(text: string): boolean {
    return this.#text === text
  }

  startsWith(text: string): boolean {
    return this.#text.startsWith(text)
  }

  endsWith(text: string): boolean {
    return this.#text.endsWith(text)
  }
}

/** There is something behind `start`, and nobody knows what. */
export class TextWithin implements VeiledText {
  readonly #start: string

  constructor(start: string) {
    this.#start = start
  }

  equals(text: string): boolean | null {
    return text.startsWith(this.#start) ? null : false
  }

  startsWith(text: string): boolean | null {
    if (this.#start.startsWith(text)) return true
    return text.startsWith(this.#start) ? null : false
  }

  endsWith(text: string): boolean | null {
    return text === '' ? true : null
  }
}

/** `is` recognizes the text when it is shown, as a keyed digest does. */
export class RecognizableText implements VeiledText {
  readonly #is: (text: string) => boolean

  constructor(is: (text: string) => boolean) {
    this.#is = is
  }

  equals(text: string): boolean {
    return this.#is(text)
  }

  // The whole text, if it is that, also begins and ends so; more cannot be told.
  startsWith(text: string): boolean | null {
    return text === '' || this.#is(text) ? true : null
  }

  endsWith(text: string): boolean | null {
    return text === '' || this.#is(text) ? true : null
  }
}

export const matchesVeiled = ({ kind, text }: StringMatcher, veiled: VeiledText): boolean | null => {
  switch (kind) {
    case 'any':
      return true
    case 'exact':
      return veiled.equals(text)
    case 'prefix':
      return veiled.startsWith(text)
    case 'suffix':
      return veiled.endsWith(text)
  }
}

/** Whether any of the values fits any of the texts. */
export function anyFits(values: readonly string[], texts: readonly VeiledText[]): boolean | null {
  return someOf(
    values.flatMap((value) => {
      const matcher = compileString(value)
      return texts.map((text) => matchesVeiled(matcher, text))
    }),
  )
}

/** OR, where null is neither. */
export function someOf(answers: readonly (boolean | null)[]): boolean | null {
  if (answers.includes(true)) return true
  return answers.includes(null) ? null : false
}

/** AND, where null is neither. */
export function everyOf(answers: readonly (boolean | null)[]): boolean | null {
  if (answers.includes(false)) return false
  return answers.includes(null) ? null : true
}

export const notOf = (answer: boolean | null): boolean | null => (answer === null ? null : !answer)
