/**
 * Reads the regular expressions that can be matched in linear time: characters, classes, groups, alternatives, counts and
 * anchors, in ECMAScript's spelling. What needs backtracking or is not surely understood is refused; nothing is matched here.
 */

/** A set of bytes, one bit each. */
export type ByteSet = Uint32Array

export type RegexNode =
  | { readonly kind: 'bytes'; readonly set: ByteSet }
  | { readonly kind: 'sequence' | 'alternatives'; readonly parts: readonly RegexNode[] }
  /** `most` null = no limit. */
  | {
      readonly kind: 'repeat'
      readonly part: RegexNode
      readonly least: number
      readonly most: number | null
    }
  | { readonly kind: 'begin' | 'end' }

export type RegexRead =
  { readonly ok: true; readonly root: RegexNode } | { readonly ok: false; readonly reason: string }

const longestPattern = 1024
const deepestGroup = 32
const highestCount = 255

export const hasByte = (set: ByteSet, byte: number): boolean =>
  (((set[byte >> 5] as number) >>> (byte & 31)) & 1) === 1

export function readRegex(pattern: string): RegexRead {
  if (pattern.length > longestPattern)
    return { ok: false, reason: `it is longer than ${longestPattern} characters` }
  if (!/^[\x20-\x7e]*$/.test(pattern))
    return { ok: false, reason: 'it holds characters that are no printable ASCII' }
  try {
    return { ok: true, root: new Reader(pattern).read() }
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.message }
    throw error
  }
}

class Refused extends Error {}

const bytes = (...ranges: readonly (readonly [number, number])[]): ByteSet => {
  const set = new Uint32Array(8)
  for (const [from, to] of ranges)
    for (let byte = from; byte <= to; byte++) set[byte >> 5] = (set[byte >> 5] as number) | (1 << (byte & 31))
  return set
}
const inverse = (set: ByteSet): ByteSet => set.map((word) => ~word)
const one = (char: string): ByteSet => bytes([char.charCodeAt(0), char.charCodeAt(0)])

const digits = bytes([48, 57])
const words = bytes([48, 57], [65, 90], [95, 95], [97, 122])
// The Latin-1 part of ECMAScript's white space and line terminators.
const spaces = bytes([9, 13], [32, 32], [160, 160])
const classes: Readonly<Record<string, ByteSet>> = {
  d: digits,
  D: inverse(digits),
  w: words,
  W: inverse(words),
  s: spaces,
  S: inverse(spaces),
}
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 }
const anyButLineEnd = inverse(bytes([10, 10], [13, 13]))

/** Recursive descent over one pattern; `#at` is the next character. */
class Reader {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): RegexNode {
    const root = this.#alternatives()
    if (this.#at < this.#text.length) throw new Refused('a ")" closes nothing')
    return root
  }

  #alternatives(): RegexNode {
    const parts = [this.#sequence()]
    while (this.#take('|')) parts.push(this.#sequence())
    return parts.length === 1 ? (parts[0] as RegexNode) : { kind: 'alternatives', parts }
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = []
    for (;;) {
      const next = this.#text[this.#at]
      if (next === undefined || next === '|' || next === ')') return { kind: 'sequence', parts }
      parts.push(this.#counted(this.#atom(next)))
    }
  }

  #counted(part: RegexNode): RegexNode {
    const count = this.#count()
    if (count === null) return part
    if (part.kind === 'begin' || part.kind === 'end') throw new Refused('a count follows an anchor')
    // Lazy or greedy is the same where the whole text must match.
    this.#take('?')
    if (this.#count() !== null) throw new Refused('a count follows a count')
    return { kind: 'repeat', part, ...count }
  }

  #count(): { readonly least: number; readonly most: number | null } | null {
    if (this.#take('*')) return { least: 0, most: null }
    if (this.#take('+')) return { least: 1, most: null }
    if (this.#take('?')) return { least: 0, most: 1 }
    if (this.#text[this.#at] !== '{') return null
    const found = /^\{(\d{1,6})(,(\d{0,6}))?\}/.exec(this.#text.slice(this.#at))
    if (found === null) throw new Refused('a "{" begins no count')
    this.#at += found[0].length
    const least = Number(found[1])
    const most = found[2] === undefined ? least : found[3] === '' ? null : Number(found[3])
    if (least > highestCount || (most ?? 0) > highestCount)
      throw new Refused(`a count is above ${highestCount}`)
    if (most !== null && most < least) throw new Refused('a count ends below its start')
    return { least, most }
  }

  #atom(next: string): RegexNode {
    this.#at += 1
    switch (next) {
      case '(':
        return this.#group()
      case '[':
        return { kind: 'bytes', set: this.#class() }
      case '.':
        return { kind: 'bytes', set: anyButLineEnd }
      case '^':
        return { kind: 'begin' }
      case '$':
        return { kind: 'end' }
      case '\\':
        return { kind: 'bytes', set: this.#escape(false) }
      case '*':
      case '+':
      case '?':
      case '{':
        throw new Refused('a count follows nothing')
      case '}':
      case ']':
        throw new Refused(`a "${next}" closes nothing`)
      default:
        return { kind: 'bytes', set: one(next) }
    }
  }

  #group(): RegexNode {
    if (this.#take('?') && !this.#take(':'))
      throw new Refused('look-around and named groups are not supported')
    this.#depth += 1
    if (this.#depth > deepestGroup) throw new Refused(`groups are nested deeper than ${deepestGroup}`)
    const inside = this.#alternatives()
    if (!this.#take(')')) throw new Refused('a "(" is not closed')
    this.#depth -= 1
    return inside
  }

  #class(): ByteSet {
    const negated = this.#take('^')
    const set = new Uint32Array(8)
    for (;;) {
      const next = this.#text[this.#at]
      if (next === undefined) throw new Refused('a "[" is not closed')
      if (this.#take(']')) return negated ? inverse(set) : set
      // POSIX classes mean one thing to ECMAScript's grammar and another to C++'s.
      if (next === '[') throw new Refused('a "[" within a class must be escaped')
      const from = this.#member()
      if (this.#text[this.#at] !== '-' || this.#text[this.#at + 1] === ']') {
        add(set, from)
        continue
      }
      this.#at += 1
      const [low, high] = [single(from), single(this.#member())]
      if (low === null || high === null || high < low) throw new Refused('a range of a class has no sense')
      add(set, bytes([low, high]))
    }
  }

  #member(): ByteSet {
    const next = this.#text[this.#at]
    if (next === undefined) throw new Refused('a "[" is not closed')
    this.#at += 1
    return next === '\\' ? this.#escape(true) : one(next)
  }

  #escape(inClass: boolean): ByteSet {
    const next = this.#text[this.#at]
    if (next === undefined) throw new Refused('it ends in a "\\"')
    this.#at += 1
    const named = Object.hasOwn(classes, next) ? classes[next] : undefined
    if (named !== undefined) return named
    const control = Object.hasOwn(controls, next) ? controls[next] : undefined
    if (control !== undefined) return bytes([control, control])
    if (next === 'x') {
      const hex = /^[0-9A-Fa-f]{2}/.exec(this.#text.slice(this.#at))
      if (hex === null) throw new Refused('"\\x" is not followed by two hex digits')
      this.#at += 2
      const byte = Number.parseInt(hex[0], 16)
      return bytes([byte, byte])
    }
    // \b, back-references, \u, \p and whatever later editions add.
    if (/[0-9A-Za-z_]/.test(next))
      throw new Refused(`"\\${next}" is not supported${inClass ? ' in a class' : ''}`)
    return one(next)
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at += 1
    return true
  }
}

function add(set: ByteSet, more: ByteSet): void {
  for (let i = 0; i < 8; i++) set[i] = (set[i] as number) | (more[i] as number)
}

/** The only byte of a set, or null. */
function single(set: ByteSet): number | null {
  let found: number | null = null
  for (let byte = 0; byte < 256; byte++) {
    if (!hasByte(set, byte)) continue
    if (found !== null) return null
    found = byte
  }
  return found
}
