/**
 * Unknown values to typed ones, or a DecodeProblem with the path of what is wrong. It knows JSON and proto3's JSON
 * conventions (snake_case names, null for absent), and nothing about any kind of resource.
 */
import { DecodeProblem, expected, found, member, quoted } from './decode-problem.ts'
import type { Path } from './decode-problem.ts'

export type Decoder<T> = (input: unknown, at: Path) => T

/** The fields of a map under their camelCase names; absent and null fields are not in it. */
export type Fields = ReadonlyMap<string, unknown>

/** A JSON map, whatever its keys. */
export function map(input: unknown, at: Path): Readonly<Record<string, unknown>> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw expected('a map', input, at)
  return input as Record<string, unknown>
}

/** A map with known fields only; the first other key is refused by name, with the nearest known one. */
export function record(input: unknown, at: Path, known: readonly string[]): Fields {
  return gather(input, at, known, (key) => {
    const near = nearest(key, known)
    const hint = near === null ? `expected one of ${known.join(', ')}` : `did you mean "${near}"?`
    throw new DecodeProblem(at, `unknown field ${quoted(key)}; ${hint}`)
  })
}

/** The named fields of a map; others are ignored. For whole API objects of which we read a corner. */
export function corner(input: unknown, at: Path, wanted: readonly string[]): Fields {
  return gather(input, at, wanted, () => undefined)
}

function gather(input: unknown, at: Path, known: readonly string[], stranger: (key: string) => void): Fields {
  const source = map(input, at)
  const fields = new Map<string, unknown>()
  for (const key of Object.keys(source)) {
    // protobuf's JSON mapping reads the original snake_case name as well.
    const name = known.includes(key)
      ? key
      : key.replace(/_([a-z0-9])/g, (_, next: string) => next.toUpperCase())
    if (!known.includes(name)) {
      stranger(key)
      continue
    }
    if (name !== key && Object.hasOwn(source, name)) {
      throw new DecodeProblem(at, `"${name}" is given twice, also as ${quoted(key)}`)
    }
    if (source[key] !== null && source[key] !== undefined) fields.set(name, source[key])
  }
  return fields
}

/** The field decoded, or null when it is absent or null. */
export function optional<T>(fields: Fields, key: string, at: Path, decode: Decoder<T>): T | null {
  return fields.has(key) ? decode(fields.get(key), member(at, key)) : null
}

/** The field decoded; absence is a problem of the field's own path. */
export function required<T>(fields: Fields, key: string, at: Path, decode: Decoder<T>): T {
  if (!fields.has(key)) throw new DecodeProblem(member(at, key), 'must be set')
  return decode(fields.get(key), member(at, key))
}

/** The field's items, [] when it is absent or null. */
export function items<T>(
  fields: Fields,
  key: string,
  at: Path,
  decode: Decoder<T>,
  most?: number,
): readonly T[] {
  return optional(fields, key, at, list(decode, most)) ?? []
}

export function list<T>(decode: Decoder<T>, most = Infinity): Decoder<readonly T[]> {
  return (input, at) => {
    if (!Array.isArray(input)) throw expected('a list', input, at)
    if (input.length > most)
      throw new DecodeProblem(at, `expected at most ${most} items, found ${input.length}`)
    return Array.from(input, (item: unknown, index) => decode(item, `${at}[${index}]`))
  }
}

export function string(input: unknown, at: Path): string {
  if (typeof input !== 'string') {
    const hint = typeof input === 'number' || typeof input === 'boolean' ? ' (put it in quotes)' : ''
    throw new DecodeProblem(at, `expected a string, found ${found(input)}${hint}`)
  }
  return input
}

export function nonEmptyString(input: unknown, at: Path): string {
  const text = string(input, at)
  if (text === '') throw expected('a non-empty string', input, at)
  return text
}

export function boolean(input: unknown, at: Path): boolean {
  if (typeof input !== 'boolean') throw expected('true or false', input, at)
  return input
}

/** A whole number in the range, ends included; proto3 JSON also writes it as decimal text. */
export function integer(least: number, most: number): Decoder<number> {
  return (input, at) => {
    const number = typeof input === 'string' && /^-?(0|[1-9]\d{0,14})$/.test(input) ? Number(input) : input
    if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
      throw expected(`a whole number from ${least} to ${most}`, input, at)
    }
    return number
  }
}

/** A port number; `least` is 0 where any port may be meant. */
export const port = integer(1, 65535)

/** One of the words, written exactly so. */
export function oneOf<const T extends string>(words: readonly T[]): Decoder<T> {
  return (input, at) => {
    const word = words.find((candidate) => candidate === input)
    if (word === undefined) throw expected(`one of ${words.join(', ')}`, input, at)
    return word
  }
}

/** A map from text to values; the result has no inherited keys worth fearing because `__proto__` is refused. */
export function mapOf<T>(
  decode: Decoder<T>,
  checkKey?: (key: string, at: Path) => void,
): Decoder<Record<string, T>> {
  return (input, at) => {
    const result: Record<string, T> = {}
    for (const [key, value] of Object.entries(map(input, at))) {
      if (key === '__proto__') throw new DecodeProblem(at, 'the key "__proto__" is not allowed')
      checkKey?.(key, at)
      result[key] = decode(value, member(at, key))
    }
    return result
  }
}

export const strings = mapOf(string)

/** The known name a misspelt one was probably meant to be: at most two edits away. */
export function nearest(key: string, known: readonly string[]): string | null {
  if (key.length > 40) return null
  let best: string | null = null
  let least = Math.min(3, Math.ceil(key.length / 2))
  for (const name of known) {
    const distance = edits(key.toLowerCase(), name.toLowerCase())
    if (distance < least) [best, least] = [name, distance]
  }
  return best
}

function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 0; i < from.length; i += 1) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j += 1) {
      const swap = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1)
      next.push(Math.min(swap, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
