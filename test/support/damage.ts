/**
 * Slips and corruption of a JSON value, one at a time: none of them is another way to write the same kind of thing on
 * purpose, so what is damaged must mean what it meant or be refused. It decodes nothing.
 */

export type Json = unknown
export type Fields = Record<string, Json>
export type Random = () => number

export interface Spot {
  readonly at: Json[] | Fields
  readonly key: string
  /** Names on the way, the last included. */
  readonly path: readonly string[]
}

export function spots(node: Json, path: readonly string[] = []): Spot[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, child]) => [
    { at: node as Fields, key, path: [...path, key] },
    ...spots(child, [...path, key]),
  ])
}

export const pick = <T>(random: Random, list: readonly T[]): T =>
  list[Math.floor(random() * list.length)] as T

/** `free` names maps whose keys are anybody's choice: a new key there is another value, not a slip. */
export function damage(object: Json, random: Random, free: ReadonlySet<string> = new Set()): void {
  const { at, key, path } = pick(random, spots(object))
  const value = (at as Fields)[key]
  const put = (next: Json): void => {
    ;(at as Fields)[key] = next
  }
  const wrong: Json[] =
    typeof value === 'string'
      ? [7, true, {}, [value], { extra: value }]
      : typeof value === 'number'
        ? ['x', -1.5, true, {}, [value]]
        : typeof value === 'boolean'
          ? [String(value), 7, {}, [value]]
          : ['x', 7, true, Array.isArray(value) ? { 0: value } : [value]]
  const ways: (() => void)[] = wrong.map((next) => () => put(next))
  if (Array.isArray(at)) ways.push(() => put(null))
  else if (!free.has(path.at(-2) ?? '')) {
    const rename = (name: string): void => {
      delete at[key]
      at[name] = value
    }
    ways.push(
      () => rename(`${key}s`),
      () => rename(key.toUpperCase()),
      () => rename(` ${key}`),
      () => {
        at['x'.repeat(1 + Math.floor(random() * 8))] = value
      },
    )
  }
  pick(random, ways)()
}
