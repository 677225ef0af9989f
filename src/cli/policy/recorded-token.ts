/**
 * What another folder's RequestAuthentications would make of the token of a recorded request. Tokens are never recorded, so
 * where the rules differ only the absence of one can be told.
 */
import { defaultTokenPlaces, type TokenRules } from '../../jwt/token-rules.ts'
import type { RequestAuthentication } from '../../policy/request-authentication.ts'
import type { RecordedRequest } from './recorded-decision.ts'

export type TokenState =
  /** No token, or none that rules look for. */
  | 'none'
  | 'verified'
  /** The principal is the peer's. */
  | 'peer'
  /** As it was when it was recorded. */
  | 'refused'
  /** A rule demands one. */
  | 'missing'
  | 'unknown'

export function recordedToken(
  request: RecordedRequest,
  rules: TokenRules,
  authentications: readonly RequestAuthentication[],
): TokenState {
  if (rules.print === null) return 'none'
  if (rules.print === request.tokenRules && request.token !== null) return request.token
  // Legacy policies demand by path and bind the principal to the peer: only equal ones can be told.
  if (authentications.some(({ legacy }) => legacy !== null)) return 'unknown'
  if (mayBear(request, rules)) return 'unknown'
  const demanded = authentications.some(({ jwtRules }) =>
    jwtRules.some(({ presence }) => presence === 'REQUIRED'),
  )
  if (!demanded) return 'none'
  // A preflight passes without (policy-semantics §6.2), and whether this was one is not recorded.
  return request.method === 'OPTIONS' ? 'unknown' : 'missing'
}

/** Whether the request may have a token where these rules look. */
function mayBear(request: RecordedRequest, rules: TokenRules): boolean {
  const { bears, path, asked, headers, tokenHeaders, token } = request
  const header = rules.tokenHeaders.some((name) => {
    if (name === defaultTokenPlaces.header) return bears.has(name)
    const known = asked.has(`request.headers[${name}]`) && !tokenHeaders.has(name)
    return !known || (headers?.get(name)?.some((value) => value !== '') ?? false)
  })
  const parameter = rules.tokenParameters.some((name) =>
    // A parameter may have been taken out of the query as a token.
    name === defaultTokenPlaces.parameter ? bears.has(name) : path.includes('?') || token === 'verified',
  )
  return header || parameter || (rules.tokenCookies && bears.has('cookie'))
}
