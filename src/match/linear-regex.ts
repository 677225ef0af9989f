/**
 * A regular expression matched against the whole of a text in time linear to it, whatever the pattern: states are followed
 * side by side, so there is nothing to backtrack (Thompson's construction, with the sets of states remembered).
 */
import { hasByte, readRegex } from './regex-syntax.ts'
import type { ByteSet, RegexNode } from './regex-syntax.ts'

/** States of one pattern: with the longest text it bounds the work of a match whose sets are not remembered yet. */
const mostStates = 1000
/** Sets of states remembered; when they are more, all are forgotten. */
const mostSets = 512
/** Characters. A longer text is not looked at: the caller decides what doubt means. */
export const longestRegexText = 4096

const Op = { bytes: 0, split: 1, begin: 2, end: 3, accept: 4 } as const
type Op = (typeof Op)[keyof typeof Op]

/** Where to go on from a state: `next`, and for a split `other` as well. */
interface State {
  readonly op: Op
  readonly set: ByteSet | null
  next: number
  other: number
}

/** States that hold at the same time. */
interface StateSet {
  readonly states: readonly number[]
  /** Whether the text may end here. */
  readonly accepts: boolean
  /** By class of byte; undefined where nobody has been yet. */
  readonly next: (StateSet | undefined)[]
}

export type RegexCompiled =
  { readonly ok: true; readonly regex: LinearRegex } | { readonly ok: false; readonly reason: string }

export function compileRegex(pattern: string): RegexCompiled {
  const read = readRegex(pattern)
  if (!read.ok) return read
  const states = new Builder().build(read.root)
  if (states === null) return { ok: false, reason: `it comes to more than ${mostStates} states` }
  return { ok: true, regex: new LinearRegex(states) }
}

export class LinearRegex {
  readonly #states: readonly State[]
  /** Bytes that no part of the pattern tells apart are one class. */
  readonly #classOf = new Uint8Array(256)
  readonly #sample: number[] = []
  readonly #sets = new Map<string, StateSet>()
  #start: StateSet

  constructor(states: readonly State[]) {
    this.#states = states
    const sets = states.flatMap(({ set }) => (set === null ? [] : [set]))
    const classes = new Map<string, number>()
    for (let byte = 0; byte < 256; byte++) {
      const signature = sets.map((set) => (hasByte(set, byte) ? '1' : '0')).join('')
      const known = classes.get(signature)
      this.#classOf[byte] = known ?? classes.size
      if (known === undefined) {
        classes.set(signature, classes.size)
        this.#sample.push(byte)
      }
    }
    this.#start = this.#setOf([0], true)
  }

  /** Whether the whole text fits, one char code a byte; null when it is too long or holds more than bytes. */
  matches(text: string): boolean | null {
    if (text.length > longestRegexText) return null
    let at = this.#start
    for (let i = 0; i < text.length; i++) {
      const byte = text.charCodeAt(i)
      if (byte > 255) return null
      const group = this.#classOf[byte] as number
      at = at.next[group] ?? this.#step(at, group)
    }
    return at.accepts
  }

  #step(from: StateSet, group: number): StateSet {
    const byte = this.#sample[group] as number
    const reached: number[] = []
    for (const index of from.states) {
      const { op, set, next } = this.#states[index] as State
      if (op === Op.bytes && set !== null && hasByte(set, byte)) reached.push(next)
    }
    if (this.#sets.size >= mostSets) this.#forget()
    const to = this.#setOf(reached, false)
    from.next[group] = to
    return to
  }

  #forget(): void {
    this.#sets.clear()
    this.#start = this.#setOf([0], true)
  }

  /** All states that are reached without reading on; `first` = at the start of the text. */
  #setOf(from: readonly number[], first: boolean): StateSet {
    const seen = this.#closure(from, first, false)
    const states = [...seen].toSorted((x, y) => x - y)
    const key = `${first ? '^' : ''}${states.join()}`
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    const accepts = [...this.#closure(states, first, true)].some(
      (index) => this.#states[index]?.op === Op.accept,
    )
    const made: StateSet = {
      states,
      accepts,
      next: new Array<undefined>(this.#sample.length).fill(undefined),
    }
    this.#sets.set(key, made)
    return made
  }

  #closure(from: readonly number[], first: boolean, last: boolean): Set<number> {
    const seen = new Set<number>()
    const todo = [...from]
    for (let index = todo.pop(); index !== undefined; index = todo.pop()) {
      if (seen.has(index)) continue
      seen.add(index)
      const { op, next, other } = this.#states[index] as State
      if (op === Op.split) todo.push(next, other)
      else if ((op === Op.begin && first) || (op === Op.end && last)) todo.push(next)
    }
    return seen
  }
}

/** Nodes to states; the first state is the entry. */
class Builder {
  readonly #states: State[] = []

  build(root: RegexNode): readonly State[] | null {
    // A place for the entry, since what comes after is made first.
    const entry = this.#add(Op.split, null, 0, 0)
    const accept = this.#add(Op.accept, null, 0, 0)
    const start = this.#node(root, accept)
    if (start < 0) return null
    const state = this.#states[entry] as State
    state.next = start
    state.other = start
    return this.#states
  }

  /** The state to begin the node at so that it ends at `after`; -1 when there are too many. */
  #node(node: RegexNode, after: number): number {
    if (after < 0 || this.#states.length > mostStates) return -1
    switch (node.kind) {
      case 'bytes':
        return this.#add(Op.bytes, node.set, after, 0)
      case 'begin':
        return this.#add(Op.begin, null, after, 0)
      case 'end':
        return this.#add(Op.end, null, after, 0)
      case 'sequence':
        return node.parts.reduceRight((next, part) => this.#node(part, next), after)
      case 'alternatives':
        return node.parts
          .map((part) => this.#node(part, after))
          .reduceRight((other, start) => this.#either(start, other))
      case 'repeat':
        return this.#repeat(node.part, node.least, node.most, after)
    }
  }

  #repeat(part: RegexNode, least: number, most: number | null, after: number): number {
    let start = after
    if (most === null) {
      // The loop is made before what it loops over, so that the end of one round finds it.
      const loop = this.#add(Op.split, null, 0, after)
      const round = this.#node(part, loop)
      if (round < 0) return -1
      ;(this.#states[loop] as State).next = round
      start = loop
    } else {
      for (let n = least; n < most; n++) start = this.#either(this.#node(part, start), after)
    }
    for (let n = 0; n < least; n++) start = this.#node(part, start)
    return start
  }

  #either(start: number, other: number): number {
    return start < 0 || other < 0 ? -1 : this.#add(Op.split, null, start, other)
  }

  #add(op: Op, set: ByteSet | null, next: number, other: number): number {
    return this.#states.push({ op, set, next, other }) - 1
  }
}
