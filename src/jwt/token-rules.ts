/**
 * What RequestAuthentications as a whole do to requests: where they look for tokens, which headers they take and fill, and a
 * print by which equal rules know each other. It verifies nothing.
 */
import { createHash } from 'node:crypto'
import type { RequestAuthentication, TokenLocations } from '../policy/request-authentication.ts'
import type { TokenRefusal } from '../policy/token-refusal.ts'

export interface TokenRules {
  /** Equal for rules that mean the same whatever they are called and wherever they stand; null = there are none. */
  readonly print: string | null
  /** Lower-case names of headers that may hold a token. */
  readonly tokenHeaders: readonly string[]
  readonly tokenParameters: readonly string[]
  readonly tokenCookies: boolean
  /** Lower-case names of headers that are taken from the client and may be filled from a token. */
  readonly outputHeaders: readonly string[]
  /** Of those, the ones that bear a whole payload. */
  readonly payloadHeaders: readonly string[]
}

export const defaultTokenPlaces = { header: 'authorization', parameter: 'access_token' } as const

export function tokenRules(
  authentications: readonly RequestAuthentication[],
  refusals: readonly TokenRefusal[],
): TokenRules {
  const rules = authentications.flatMap(({ jwtRules }) => jwtRules)
  // A stub of a legacy policy demands a token without naming a rule.
  const legacy = authentications.some((one) => one.legacy !== null)
  const places: TokenLocations[] = [...rules, ...refusals.map(({ locations }) => locations)]
  // Where refused rules may have looked is the default places too.
  const usual = refusals.length > 0 || rules.some(looksInDefaultPlaces)
  const payloadHeaders = rules.flatMap(({ outputPayloadToHeader: name }) => (name === null ? [] : [name]))
  const claimHeaders = rules.flatMap(({ outputClaimToHeaders }) =>
    outputClaimToHeaders.map(({ header }) => header),
  )
  return {
    print: rules.length === 0 && refusals.length === 0 && !legacy ? null : print(authentications, refusals),
    tokenHeaders: unique([
      ...(usual ? [defaultTokenPlaces.header] : []),
      ...places.flatMap(({ fromHeaders }) => fromHeaders.map(({ name }) => name)),
    ]),
    tokenParameters: unique([
      ...(usual ? [defaultTokenPlaces.parameter] : []),
      ...places.flatMap(({ fromParams }) => fromParams),
    ]),
    tokenCookies: places.some(({ fromCookies }) => fromCookies.length > 0),
    outputHeaders: unique([
      ...payloadHeaders,
      ...claimHeaders,
      ...refusals.flatMap(({ outputs }) => outputs),
    ]),
    payloadHeaders: unique(payloadHeaders),
  }
}

const looksInDefaultPlaces = ({ fromHeaders, fromParams, fromCookies }: TokenLocations): boolean =>
  fromHeaders.length + fromParams.length + fromCookies.length === 0

function print(
  authentications: readonly RequestAuthentication[],
  refusals: readonly Pick<TokenRefusal, 'locations' | 'outputs'>[],
): string {
  const parts = [
    // Legacy ones are not added up: the narrowest wins, and among equals age and name decide.
    ...authentications.flatMap(({ legacy, jwtRules, meta: { createdAt, name } }) =>
      legacy === null
        ? jwtRules.map((rule) => JSON.stringify(rule))
        : [JSON.stringify({ legacy, createdAt, name, jwtRules })],
    ),
    ...refusals.map(({ locations, outputs }) => JSON.stringify({ locations, outputs })),
  ].sort()
  return createHash('sha256').update(parts.join('\n')).digest('base64url').slice(0, 16)
}

const unique = (names: readonly string[]): string[] => [...new Set(names)].sort()
