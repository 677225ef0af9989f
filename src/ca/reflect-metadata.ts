/**
 * The three metadata functions that @peculiar/x509's container asks of `Reflect`, kept in a WeakMap. It is not the whole
 * proposal: nothing here inherits, and properties have no metadata.
 */
const kept = new WeakMap<object, Map<unknown, unknown>>()
const reflect = Reflect as unknown as Record<string, unknown>

const get = (key: unknown, target: object): unknown => kept.get(target)?.get(key)
const define = (key: unknown, value: unknown, target: object): void => {
  const map = kept.get(target) ?? new Map<unknown, unknown>()
  kept.set(target, map.set(key, value))
}

reflect['getMetadata'] ??= get
reflect['getOwnMetadata'] ??= get
reflect['defineMetadata'] ??= define
