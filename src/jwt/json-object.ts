/**
 * Untrusted bytes to a JSON object, or null: UTF-8 without repair, bounded depth. It knows no claim; the depth is counted
 * before anything is built.
 */

/** Deepest nesting of maps and lists; real tokens have three or four levels. */
export const deepest = 32

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function parseJsonObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const text = utf8.decode(bytes)
    if (isTooDeep(text)) return null
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
    return value as Readonly<Record<string, unknown>>
  } catch {
    // Neither decoder says more than that the text is none.
    return null
  }
}

function isTooDeep(text: string): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      // `\`, then the closing quote.
      if (c === 92) i++
      else if (c === 34) inString = false
    } else if (c === 34) inString = true
    // `{` and `[`; `}` and `]`.
    else if (c === 123 || c === 91) {
      if (++depth > deepest) return true
    } else if (c === 125 || c === 93) depth--
  }
  return false
}
