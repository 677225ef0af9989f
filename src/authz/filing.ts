/**
 * Chooses where rules are filed: each under the clause whose values the fewest other rules share, so that a request finds
 * few. It only chooses; `request-index.ts` keeps what was filed.
 */
import { hasBit, type BitVector } from './bit-vector.ts'
import type { Alternative, CompiledRule } from './compiled-rule.ts'
import { isSettledByPlace, placesOf, type Aspect, type Place } from './place.ts'
import { RequestIndex } from './request-index.ts'
import type { RequestTest } from './request-test.ts'
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
    for (const place of places) {
      // The same rule once more, for requests that no token names: it finds no other entries.
      if (place.aspect === 'principal') continue
      sum += (this.#counts.get(keyOf(place)) ?? 0) + (dearness[place.aspect] ?? 0)
    }
    return sum
  }
}

const keyOf = ({ aspect, name, value }: Place): string => `${aspect} ${name} ${value}`

const dearness: Partial<Record<Aspect, number>> = { header: 2, claim: 4, issuer: 2, subject: 2 }

/** One alternative: the test it is filed under, and that test's places. */
interface Filed {
  readonly alternative: Alternative
  readonly test: RequestTest | null
  readonly places: readonly Place[]
  readonly sharing: number
}

/** Where to file one rule: places for each open alternative of one clause. */
export interface Filing {
  readonly rule: number
  readonly compiled: CompiledRule
  readonly clause: number
  readonly filed: readonly Filed[]
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
  let best: Filing = { rule, compiled, clause: -1, filed: [], sharing: Infinity }
  compiled.clauses.forEach(({ alternatives }, clause) => {
    const filed: Filed[] = []
    let sharing = 0
    for (const alternative of alternatives) {
      if (open !== null && !hasBit(open, alternative.bit)) continue
      const cheapest = fileUnder(alternative, popularity)
      sharing += cheapest.sharing
      filed.push(cheapest)
    }
    if (sharing < best.sharing) best = { rule, compiled, clause, filed, sharing }
  })
  return best
}

/** The test whose values the fewest share. */
function fileUnder(alternative: Alternative, popularity: Popularity): Filed {
  let best: Filed = { alternative, test: null, places: [], sharing: Infinity }
  for (const test of alternative.request) {
    const places = placesOf(test)
    const sharing = places === null ? Infinity : popularity.of(places)
    if (places !== null && sharing < best.sharing) best = { alternative, test, places, sharing }
  }
  return best
}

/** Filings must come in the order of their rules. */
export function fileRule(index: RequestIndex, { rule, compiled, clause, filed }: Filing): void {
  if (clause < 0) return index.fileAnywhere(entryAnywhere(rule, compiled))
  // A rule that is dead on a connection has no open alternative left; one that is not meets its clauses of connection
  // tests alone.
  const others = compiled.clauses.filter(
    ({ alternatives }, i) => i !== clause && alternatives.some(({ request }) => request.length > 0),
  )
  for (const { alternative, test, places } of filed) {
    const rest =
      test !== null && isSettledByPlace(test)
        ? alternative.request.filter((other) => other !== test)
        : alternative.request
    const entry = new Entry(rule, alternative.bit, rest, others)
    for (const place of places) index.file(place, entry)
  }
}

const entryAnywhere = (rule: number, { clauses }: CompiledRule): Entry => new Entry(rule, -1, [], clauses)

// Fewer than this are judged one after the other.
const few = 4

/** A small index made in one go: the rules that are left open on a connection. */
export function indexOf(rules: readonly (readonly [number, CompiledRule])[], open: BitVector): RequestIndex {
  const index = new RequestIndex()
  const popularity = new Popularity()
  if (rules.length >= few) for (const [, compiled] of rules) popularity.add(compiled)
  for (const [rule, compiled] of rules) {
    if (rules.length < few) index.fileAnywhere(entryAnywhere(rule, compiled))
    else fileRule(index, chooseFiling(rule, compiled, popularity, open))
  }
  return index
}
