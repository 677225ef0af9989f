/**
 * Patterns of `requestPrincipals` (table of policy-semantics §1.5): split at the last slash, each half asked of its own
 * claim. It judges an issuer and a subject; where they come from is `jwt/`'s work.
 */
import { compileString, matchesString, type StringMatcher } from '../match/string-matcher.ts'
import type { RequestToken } from './request-token.ts'

export interface RequestPrincipalPattern {
  readonly issuer: StringMatcher
  readonly subject: StringMatcher
  /** For a principal that is the peer's and has no halves. */
  readonly whole: StringMatcher
}

const any: StringMatcher = { kind: 'any', text: '' }

/** Only one end can be a wildcard, the front is tried first: in `*a/b*` the last star is a literal. */
export function compileRequestPrincipal(value: string): RequestPrincipalPattern {
  return { ...halves(value), whole: compileString(value) }
}

function halves(value: string): Omit<RequestPrincipalPattern, 'whole'> {
  const slash = value.lastIndexOf('/')
  const exact = (text: string): StringMatcher => ({ kind: 'exact', text })
  if (value === '*') return { issuer: any, subject: any }
  if (value.startsWith('*')) {
    if (slash < 0) return { issuer: any, subject: { kind: 'suffix', text: value.slice(1) } }
    const issuer: StringMatcher = slash === 1 ? any : { kind: 'suffix', text: value.slice(1, slash) }
    return { issuer, subject: exact(value.slice(slash + 1)) }
  }
  if (value.endsWith('*')) {
    if (slash < 0) return { issuer: { kind: 'prefix', text: value.slice(0, -1) }, subject: any }
    const start = value.slice(slash + 1, -1)
    return {
      issuer: exact(value.slice(0, slash)),
      subject: start === '' ? any : { kind: 'prefix', text: start },
    }
  }
  return {
    issuer: exact(slash < 0 ? value : value.slice(0, slash)),
    subject: exact(slash < 0 ? '' : value.slice(slash + 1)),
  }
}

/** A token without issuer or subject has no request principal, and no pattern fits it. */
export function matchesRequestPrincipal(pattern: RequestPrincipalPattern, token: RequestToken): boolean {
  if (isPeers(token)) return matchesString(pattern.whole, token.principal)
  return (
    token.principal !== '' &&
    matchesString(pattern.issuer, token.issuer) &&
    matchesString(pattern.subject, token.subject)
  )
}

/** Whether the request's principal is its peer's identity (policy-semantics §7). */
export const isPeers = ({ issuer, principal }: RequestToken): boolean => issuer === '' && principal !== ''
