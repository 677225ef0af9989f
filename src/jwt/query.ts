/**
 * Single parameters of a request target's query, read and cut out without touching the bytes of the others. `+` is no
 * blank here: tokens hold none.
 */

/** The first occurrence, percent-decoded; null when there is none. */
export function firstParameter(target: string, name: string): string | null {
  // A name that is neither there as it is nor can be there escaped needs no walk.
  if (!target.includes(name) && !target.includes('%')) return null
  for (const { start, equals, end } of pairs(target)) {
    if (decode(target.slice(start, equals)) === name) return decode(target.slice(equals + 1, end))
  }
  return null
}

/** The target without any occurrence of these parameters, and without a `?` that has nothing left behind it. */
export function withoutParameters(target: string, names: readonly string[]): string {
  const question = target.indexOf('?')
  if (question < 0) return target
  const kept: string[] = []
  let dropped = false
  for (const { start, equals, end } of pairs(target)) {
    if (names.includes(decode(target.slice(start, equals)))) dropped = true
    else kept.push(target.slice(start, end))
  }
  if (!dropped) return target
  const path = target.slice(0, question)
  return kept.length === 0 ? path : `${path}?${kept.join('&')}`
}

/** The query (from its `?` on) with what stands behind these parameters replaced. */
export function withVeiledParameters(query: string, names: readonly string[], veil: string): string {
  const kept: string[] = []
  for (const { start, equals, end } of pairs(query)) {
    const name = query.slice(start, equals)
    kept.push(equals < end && names.includes(decode(name)) ? `${name}=${veil}` : query.slice(start, end))
  }
  return `?${kept.join('&')}`
}

interface Pair {
  readonly start: number
  /** Where the `=` is, or `end` when there is none. */
  readonly equals: number
  readonly end: number
}

function* pairs(target: string): Generator<Pair> {
  let start = target.indexOf('?') + 1
  if (start === 0) return
  const fragment = target.indexOf('#', start)
  const stop = fragment < 0 ? target.length : fragment
  while (start <= stop) {
    const next = target.indexOf('&', start)
    const end = next < 0 || next > stop ? stop : next
    const equals = target.indexOf('=', start)
    yield { start, equals: equals < 0 || equals > end ? end : equals, end }
    start = end + 1
  }
}

/** Octet by octet; what is no escape stays as it is. */
function decode(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
