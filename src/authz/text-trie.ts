/**
 * Texts found by walking another text once, from its front or from its end: whole values and openings (prefixes, or
 * suffixes when walked backward), each with what is filed there. The cost is the walked text's, not the number of values.
 */

/** Told of each list met on a walk; a class with this method, so that a walk allocates nothing. */
export interface Visitor<T> {
  offer(filed: readonly T[]): void
}

class Node<T> {
  /** The characters from the parent to here, in walking order. */
  label: string
  /** Filed for any text that passes or ends here. */
  opening: T[] | null = null
  /** Filed for the text that ends here. */
  whole: T[] | null = null
  children: Node<T>[] = []
  /** First character code of each child, in the same order. */
  codes: number[] = []
  /** First character code to child, once there are many. */
  many: Map<number, Node<T>> | null = null

  constructor(label: string) {
    this.label = label
  }
}

// Up to this many children are compared one by one.
const few = 16

export class TextTrie<T> {
  readonly #root = new Node<T>('')
  readonly #backward: boolean

  constructor(backward: boolean) {
    this.#backward = backward
  }

  /** Files under a prefix (a suffix when backward); '' is met by every text. */
  fileOpening(text: string, value: T): void {
    const node = this.#reach(text)
    if (node.opening === null) node.opening = [value]
    else node.opening.push(value)
  }

  fileWhole(text: string, value: T): void {
    const node = this.#reach(text)
    if (node.whole === null) node.whole = [value]
    else node.whole.push(value)
  }

  /** Offers what is filed under every opening of `text` and under `text` itself. */
  walk(text: string, visitor: Visitor<T>): void {
    const end = text.length
    const backward = this.#backward
    let node = this.#root
    let at = 0
    for (;;) {
      if (node.opening !== null) visitor.offer(node.opening)
      if (at === end) {
        if (node.whole !== null) visitor.offer(node.whole)
        return
      }
      const next = childOf(node, text.charCodeAt(backward ? end - 1 - at : at))
      if (next === null) return
      const { label } = next
      const length = label.length
      if (end - at < length) return
      for (let i = 1; i < length; i++) {
        if (label.charCodeAt(i) !== text.charCodeAt(backward ? end - 1 - at - i : at + i)) return
      }
      at += length
      node = next
    }
  }

  /** The node of a text, made by splitting where it leaves what is there. */
  #reach(text: string): Node<T> {
    const path = this.#backward ? reversed(text) : text
    let node = this.#root
    let at = 0
    while (at < path.length) {
      const next = childOf(node, path.charCodeAt(at))
      if (next === null) {
        const leaf = new Node<T>(path.slice(at))
        adopt(node, leaf)
        return leaf
      }
      const shared = sharedLength(next.label, path, at)
      if (shared < next.label.length) split(next, shared)
      at += shared
      node = next
    }
    return node
  }
}

function childOf<T>(node: Node<T>, code: number): Node<T> | null {
  if (node.many !== null) return node.many.get(code) ?? null
  const { codes } = node
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === code) return node.children[i] as Node<T>
  }
  return null
}

function adopt<T>(node: Node<T>, child: Node<T>): void {
  const code = child.label.charCodeAt(0)
  node.children.push(child)
  node.codes.push(code)
  if (node.many !== null) node.many.set(code, child)
  else if (node.codes.length > few) {
    node.many = new Map(node.children.map((each, i) => [node.codes[i] as number, each]))
  }
}

/** Keeps the node's first characters; all else goes to one child. */
function split<T>(node: Node<T>, length: number): void {
  const below = new Node<T>(node.label.slice(length))
  below.opening = node.opening
  below.whole = node.whole
  below.children = node.children
  below.codes = node.codes
  below.many = node.many
  node.label = node.label.slice(0, length)
  node.opening = null
  node.whole = null
  node.children = [below]
  node.codes = [below.label.charCodeAt(0)]
  node.many = null
}

function sharedLength(label: string, text: string, at: number): number {
  const most = Math.min(label.length, text.length - at)
  let length = 1
  while (length < most && label.charCodeAt(length) === text.charCodeAt(at + length)) length++
  return length
}

/** By code unit, as the walk reads it; a surrogate pair is two. */
function reversed(text: string): string {
  let out = ''
  for (let i = text.length - 1; i >= 0; i--) out += text[i] as string
  return out
}
