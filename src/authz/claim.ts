/**
 * Finds a claim in a verified payload by its path. It says nothing about which claims are believed: that was decided
 * when the token was verified.
 */

const key = 'request.auth.claims'

/** `request.auth.claims[a][b]` to `['a', 'b']`; null when it is not of that form. Dots and slashes are literal. */
export function claimPath(text: string): readonly string[] | null {
  if (!text.startsWith(key) || !/^(\[[^[\]]+\])+$/.test(text.slice(key.length))) return null
  return text.slice(key.length + 1, -1).split('][')
}

/** What stands there, undefined when a level is missing. Only a payload's own members are claims. */
export function claimAt(claims: Readonly<Record<string, unknown>>, path: readonly string[]): unknown {
  let value: unknown = claims
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) {
      return undefined
    }
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  return value
}
