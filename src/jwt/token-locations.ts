/**
 * Where a rule looks for tokens, and what it finds there (policy-semantics §6.3). It reads requests and cuts parameters
 * out of targets; whether a token is any good is not asked.
 */
import type { TokenLocations } from '../policy/request-authentication.ts'
import { firstParameter } from './query.ts'

export interface FoundToken {
  readonly text: string
  /** Which of the rule's places: header names are lower case. */
  readonly place: 'header' | 'parameter' | 'cookie'
  readonly name: string
}

const defaults: TokenLocations = {
  fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
  fromParams: ['access_token'],
  fromCookies: [],
}

const nothing: readonly FoundToken[] = []

export class TokenFinder {
  readonly #headers: TokenLocations['fromHeaders']
  readonly #parameters: readonly string[]
  readonly #cookies: readonly string[]

  /** `scrubbed`: headers that the client has no say in; whatever it wrote there is no token either. */
  constructor(locations: TokenLocations, scrubbed: ReadonlySet<string>) {
    const { fromHeaders, fromParams, fromCookies } = isCustom(locations) ? locations : defaults
    this.#headers = fromHeaders
      .filter(({ name }) => !scrubbed.has(name))
      .toSorted((x, y) => compare(x.name, y.name) || compare(x.prefix, y.prefix))
    this.#parameters = fromParams.toSorted(compare)
    this.#cookies = scrubbed.has('cookie') ? [] : fromCookies.toSorted(compare)
  }

  /** In search order: headers by name, then parameters, then cookies. */
  find(headers: readonly string[], target: string): readonly FoundToken[] {
    let found: FoundToken[] | null = null
    for (const { name, prefix } of this.#headers) {
      for (let i = 0; i < headers.length; i += 2) {
        if (headers[i] !== name) continue
        const text = afterPrefix(headers[i + 1] as string, prefix)
        if (text !== null) (found ??= []).push({ text, place: 'header', name })
      }
    }
    if (this.#parameters.length > 0 && target.includes('?')) {
      for (const name of this.#parameters) {
        const text = firstParameter(target, name)
        if (text !== null) (found ??= []).push({ text, place: 'parameter', name })
      }
    }
    for (const name of this.#cookies) {
      const text = firstCookie(headers, name)
      if (text !== null) (found ??= []).push({ text, place: 'cookie', name })
    }
    return found ?? nothing
  }
}

const isCustom = ({ fromHeaders, fromParams, fromCookies }: TokenLocations): boolean =>
  fromHeaders.length + fromParams.length + fromCookies.length > 0

const compare = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0)

/**
 * The prefix may stand anywhere in the value; behind it, whatever no token begins with is skipped. null: no prefix, so no
 * token (`Basic …` is missing, not invalid). A prefix without anything behind it gives the whole value, which is invalid.
 */
function afterPrefix(value: string, prefix: string): string | null {
  if (prefix === '') return value
  const at = value.indexOf(prefix)
  if (at < 0) return null
  for (let i = at + prefix.length; i < value.length; i++) {
    if (beginsToken(value.charCodeAt(i))) return value.slice(i)
  }
  return value
}

/** A-Z a-z 0-9 - _ and the dot. */
function beginsToken(c: number): boolean {
  return (
    (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || (c >= 48 && c <= 57) || c === 45 || c === 46 || c === 95
  )
}

/** The first cookie of the name over all Cookie headers, without the quotes around its value. */
function firstCookie(headers: readonly string[], name: string): string | null {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue
    for (const pair of (headers[i + 1] as string).split(';')) {
      const equals = pair.indexOf('=')
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
      const value = pair.slice(equals + 1).trim()
      const quoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"')
      return quoted ? value.slice(1, -1) : value
    }
  }
  return null
}
