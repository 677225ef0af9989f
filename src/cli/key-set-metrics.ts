/**
 * The state of issuers' keys as rows of metrics, worked out when scraped: when they were last fetched, how many there are, how
 * often fetching failed. It fetches nothing, and no address in it bears a query.
 */
import type { KeySets } from '../jwt/key-source.ts'
import { keySource } from '../jwt/key-source.ts'
import { countKeys } from '../jwt/count-keys.ts'
import type { RequestAuthentication } from '../policy/request-authentication.ts'

export interface KeySetRow {
  readonly labels: {
    readonly issuer: string
    /** Address of the set, `discovery` or `inline`. */
    readonly source: string
  }
  readonly keys: number
  /** Seconds since the epoch; null = never, or not fetched at all. */
  readonly lastSuccess: number | null
  readonly failures: number
}

/** One row for each issuer and source, in the order of the rules. */
export function keySetRows(authentications: readonly RequestAuthentication[], sets: KeySets): KeySetRow[] {
  const rows = new Map<string, KeySetRow>()
  for (const rule of authentications.flatMap(({ jwtRules }) => jwtRules)) {
    const source = keySource(rule)
    const state = source === null ? null : (sets[source.key] ?? null)
    const text = source === null ? rule.jwks : (state?.jwks ?? null)
    const labels = { issuer: rule.issuer, source: source === null ? 'inline' : shown(source.uri) }
    rows.set(JSON.stringify(labels), {
      labels,
      keys: text === null ? 0 : countKeys(text),
      lastSuccess: secondsOf(state?.fetchedAt ?? null),
      failures: state?.failures ?? 0,
    })
  }
  return [...rows.values()]
}

/** A query may hold an API key, and so may what stands before the host. */
function shown(uri: string | null): string {
  if (uri === null) return 'discovery'
  const url = URL.parse(uri)
  return url === null ? 'unreadable' : `${url.origin}${url.pathname}`
}

const secondsOf = (ms: number | null): number | null => (ms === null ? null : Math.floor(ms / 1000))
