/**
 * Where a rule's keys come from, and the state of what was fetched there, as values that threads can post to each other.
 * Fetching is `remote-key-sets.ts`'s work.
 */
import type { JwtRule, RequestAuthentication } from '../policy/request-authentication.ts'
import type { KeyFault } from './token-fault.ts'

/** Two rules with one source share one fetch. */
export interface KeySource {
  /** `uri:…` or `issuer:…`: names the source in KeySets and in requests to fetch again. */
  readonly key: string
  /** The key set itself, or null: to be discovered by the issuer. */
  readonly uri: string | null
  readonly issuer: string
  readonly timeoutMs: number
}

/** null when the rule brings its keys along. */
export function keySource({ issuer, jwks, jwksUri, timeoutMs }: JwtRule): KeySource | null {
  if (jwks !== null) return null
  return jwksUri === null
    ? { key: `issuer:${issuer}`, uri: null, issuer, timeoutMs }
    : { key: `uri:${jwksUri}`, uri: jwksUri, issuer, timeoutMs }
}

/** Every source that some rule fetches from, once, with the longest of its rules' timeouts. */
export function keySources(
  authentications: readonly RequestAuthentication[],
): ReadonlyMap<string, KeySource> {
  const sources = new Map<string, KeySource>()
  for (const { jwtRules } of authentications) {
    for (const rule of jwtRules) {
      const source = keySource(rule)
      if (source === null) continue
      const before = sources.get(source.key)
      if (before === undefined || before.timeoutMs < source.timeoutMs) sources.set(source.key, source)
    }
  }
  return sources
}

export interface KeySetState {
  /** The last good document; null before the first. */
  readonly jwks: string | null
  /** Milliseconds since the epoch of that document; null before the first. */
  readonly fetchedAt: number | null
  /** Milliseconds since the epoch of the last attempt, good or bad. */
  readonly checkedAt: number
  /** What clients are told as long as there is no document. */
  readonly fault: KeyFault
  /** Why the last attempt failed, for operators; null when it did not. */
  readonly error: string | null
  /** Attempts that failed since the source was first named. */
  readonly failures: number
}

/** By source key. A source that is not in it has not been tried to the end yet. */
export type KeySets = Readonly<Record<string, KeySetState>>
