/** The text a claim has as a header value (policy-semantics §6.6). Which claims and which headers is the rule's say. */

/** null: no header. `path` is a claim, or `a.b` for a claim inside a claim. */
export function claimText(claims: Readonly<Record<string, unknown>>, path: string): string | null {
  const value = at(claims, path)
  switch (typeof value) {
    case 'string':
      return headerValue(value)
    case 'number':
      return numberText(value)
    case 'boolean':
      return String(value)
    case 'object':
      return value === null ? null : Buffer.from(JSON.stringify(value)).toString('base64')
    default:
      return null
  }
}

function at(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  let value: unknown = claims
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    if (!Object.hasOwn(value, name)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  return value
}

/** UTF-8 as the bytes of a field value; a claim that could end the field line yields no header. */
function headerValue(text: string): string | null {
  if (text === '' || /[\x00-\x08\x0a-\x1f\x7f]/.test(text)) return null
  return Buffer.from(text).toString('latin1')
}

/** Whole and not negative: an integer, else six decimals. */
function numberText(value: number): string {
  if (!Number.isInteger(value)) return value.toFixed(6)
  const whole = BigInt(value).toString()
  return value >= 0 && value < 2 ** 64 ? whole : `${whole}.000000`
}
