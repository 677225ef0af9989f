/**
 * Chooses where rules are filed: each under the clause whose values the fewest other rules share, so that a request finds
 * few. It only chooses; `request-index.ts` keeps what was filed.
 */
import { hasBit, type BitVector } from './bit-vector.ts'
import type { Alternative, CompiledRule } from './compiled-rule.ts'
import { placesOf, type Aspect, type Place } from './place.ts'
import { RequestIndex } from './request-index.ts'
import { Entry } from './search.ts'

/** How often each value is wanted in a group of rules. */
export class Popularity {
  readonly #counts = new Map<string, number>()

  add(rule: CompiledRule): void {
    for (const { alternatives } of rule.clauses)
      for (const { request } of alternatives)
        for (const test of request)
          for (const place of placesOf(test) ?? []) {
            const key = keyOf(place)
            this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
          }
  }

  /** Entries a request that goes to these places will find; what is costly to look up counts as more. */
  of(places: readonly Place[]): number {
    let sum = 0
    for (const place of places) sum += (this.#counts.get(keyOf(place)) ?? 0) + (dearness[place.aspect] ?? 0)
    return sum
  }
}

const keyOf = ({ aspect, name, value }: Place): string => `${aspect} ${name} ${value}`

const dearness: Partial<Record<Aspect, number>> = { header: 2, claim: 4, audiences: 2, issuer: 2, subject: 2 }

/** Where to file one rule: places for each open alternative of one clause. */
export interface Filing {
  readonly rule: number
  readonly compiled: CompiledRule
  readonly clause: number
  readonly places: readonly (readonly [Alternative, readonly Place[]])[]
  /** How many entries share the places; Infinity when no clause can be filed. */
  readonly sharing: number
}

/** `open` leaves out alternatives that cannot hold on a connection; null = all of them. */
export function chooseFiling(
  rule: number,
  compiled: CompiledRule,
  popularity: Popularity,
  open: BitVector | null,
): Filing {
  let best: Filing = { rule, compiled, clause: -1, places: [], sharing: Infinity }
  compiled.clauses.forEach(({ alternatives }, clause) => {
    const places: (readonly [Alternative, readonly Place[]])[] = []
    let sharing = 0
    for (const alternative of alternatives) {
      if (open !== null && !hasBit(open, alternative.bit)) continue
      const cheapest = cheapestTest(alternative, popularity)
      sharing += cheapest.sharing
      places.push([alternative, cheapest.places])
    }
    if (sharing < best.sharing) best = { rule, compiled, clause, places, sharing }
  })
  return best
}

function cheapestTest(
  { request }: Alternative,
  popularity: Popularity,
): { places: readonly Place[]; sharing: number } {
  let best: { places: readonly Place[]; sharing: number } = { places: [], sharing: Infinity }
  for (const test of request) {
    const places = placesOf(test)
    const sharing = places === null ? Infinity : popularity.of(places)
    if (places !== null && sharing < best.sharing) best = { places, sharing }
  }
  return best
}

/** Filings must come in the order of their rules. */
export function fileRule(index: RequestIndex, { rule, compiled, clause, places }: Filing): void {
  if (clause < 0) return index.fileAnywhere(new Entry(rule, compiled, -1, null))
  for (const [alternative, under] of places) {
    const entry = new Entry(rule, compiled, clause, alternative)
    for (const place of under) index.file(place, entry)
  }
}

// Fewer than this are judged one after the other.
const few = 4

/** A small index made in one go: the rules that are left open on a connection. */
export function indexOf(rules: readonly (readonly [number, CompiledRule])[], open: BitVector): RequestIndex {
  const index = new RequestIndex()
  const popularity = new Popularity()
  if (rules.length >= few) for (const [, compiled] of rules) popularity.add(compiled)
  for (const [rule, compiled] of rules) {
    if (rules.length < few) index.fileAnywhere(new Entry(rule, compiled, -1, null))
    else fileRule(index, chooseFiling(rule, compiled, popularity, open))
  }
  return index
}
