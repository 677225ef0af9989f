/**
 * Which alternatives of a rule set a connection leaves open: each attribute value has the bits of the alternatives that
 * want it and of those that refuse it, and a connection is an AND over attributes. It knows no rule and no request.
 */
import { allBits, clearBit, narrow, noBits, setBit, type BitVector } from './bit-vector.ts'
import type { Alternative } from './compiled-rule.ts'
import type { ConnectionAttribute, ConnectionQuestion } from './connection-attribute.ts'
import type { ConnectionContext } from './request-context.ts'
import { TextIndex } from './text-index.ts'
import type { Visitor } from './text-trie.ts'

/** Bits of the alternatives that name one value: sparse, since most values are named by few. */
interface Named {
  readonly wanting: number[]
  readonly refusing: number[]
}

/** One attribute; a second test of the same attribute in one alternative is a layer of its own, for both must hold. */
class Layer implements Visitor<Named> {
  readonly attribute: ConnectionAttribute
  readonly #byValue = new Map<string, Named>()
  readonly #texts = new TextIndex<Named>()
  readonly #questions: { readonly fits: ConnectionQuestion; readonly named: Named }[] = []
  /** Alternatives that want no value of this attribute: they stay whatever it is. */
  readonly #indifferent: BitVector
  readonly #wanted: BitVector
  readonly #unwanted: BitVector

  constructor(attribute: ConnectionAttribute, size: number) {
    this.attribute = attribute
    this.#indifferent = allBits(size)
    this.#wanted = noBits(size)
    this.#unwanted = noBits(size)
  }

  add(bit: number, wanted: readonly string[] | null, unwanted: readonly string[] | null): void {
    if (wanted !== null) clearBit(this.#indifferent, bit)
    for (const value of wanted ?? []) this.#named(value).wanting.push(bit)
    for (const value of unwanted ?? []) this.#named(value).refusing.push(bit)
  }

  #named(value: string): Named {
    const known = this.#byValue.get(value)
    if (known !== undefined) return known
    const named: Named = { wanting: [], refusing: [] }
    this.#byValue.set(value, named)
    if (this.attribute.kind === 'text') this.#texts.file(value, named)
    else this.#questions.push({ fits: this.attribute.ask(value), named })
    return named
  }

  narrow(open: BitVector, connection: ConnectionContext): void {
    this.#wanted.set(this.#indifferent)
    this.#unwanted.fill(0)
    if (this.attribute.kind === 'text') {
      const text = this.attribute.read(connection)
      if (text !== null) this.#texts.walk(text, this)
    } else {
      for (const { fits, named } of this.#questions) if (fits(connection)) this.#met(named)
    }
    narrow(open, this.#wanted, this.#unwanted)
  }

  offer(filed: readonly Named[]): void {
    for (const named of filed) this.#met(named)
  }

  #met({ wanting, refusing }: Named): void {
    for (const bit of wanting) setBit(this.#wanted, bit)
    for (const bit of refusing) setBit(this.#unwanted, bit)
  }

  get values(): readonly string[] {
    return [...this.#byValue.keys()]
  }

  /** How many alternatives want a value: rare ones are worth working out once a connection. */
  count(value: string): number {
    return this.#byValue.get(value)?.wanting.length ?? 0
  }
}

export class ConnectionIndex {
  readonly #size: number
  readonly #layers = new Map<string, Layer>()

  constructor(size: number) {
    this.#size = size
  }

  add({ bit, connection }: Alternative): void {
    connection.forEach(({ attribute, wanted, unwanted }, position) => {
      const earlier = connection.slice(0, position).filter((test) => test.attribute === attribute).length
      const key = `${attribute.key}#${earlier}`
      let layer = this.#layers.get(key)
      if (layer === undefined) this.#layers.set(key, (layer = new Layer(attribute, this.#size)))
      layer.add(bit, wanted, unwanted)
    })
  }

  /** Whether any test looks at an attribute. */
  asks(key: string): boolean {
    return this.#layers.has(`${key}#0`)
  }

  /** The values that tests name of an attribute, in one spelling. */
  named(key: string): readonly string[] {
    return [...this.#layers].flatMap(([name, layer]) => (name.startsWith(`${key}#`) ? layer.values : []))
  }

  /** The alternatives whose connection tests all hold. */
  open(connection: ConnectionContext): BitVector {
    const open = allBits(this.#size)
    for (const layer of this.#layers.values()) layer.narrow(open, connection)
    return open
  }

  /** How many alternatives share the rarest connection value this one wants; Infinity when it wants none. */
  rarest({ connection }: Alternative): number {
    let rarest = Infinity
    for (const { attribute, wanted } of connection) {
      if (wanted === null) continue
      const layer = this.#layers.get(`${attribute.key}#0`)
      const sharing = wanted.reduce((sum, value) => sum + (layer?.count(value) ?? 0), 0)
      rarest = Math.min(rarest, sharing)
    }
    return rarest
  }
}
