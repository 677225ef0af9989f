/**
 * Where a request test can be filed: under the values it wants, each a place in `request-index.ts`. A place may be met by
 * more requests than the test holds for, never by fewer: what is found there is judged in full.
 */
import type { StringMatcher } from '../match/string-matcher.ts'
import { isPathTemplate } from '../policy/path-template.ts'
import { ClaimTest, HeaderTest, RequestField, RequestPrincipalTest, TextTest } from './request-test.ts'
import type { RequestTest } from './request-test.ts'

/** What is walked; `header` and `claim` say which by name. */
export type Aspect =
  | 'method'
  | 'path'
  | 'target'
  | 'authority'
  | 'host'
  | 'header'
  | 'issuer'
  | 'subject'
  | 'principal'
  | 'claim'

export interface Place {
  readonly aspect: Aspect
  /** Header name, or the condition key of a claim; else ''. */
  readonly name: string
  /** Names to go down by to a claim. */
  readonly path: readonly string[]
  /** A value in generic form (policy-semantics §1.2). */
  readonly value: string
}

/** Every place to file a test under, so that it is found whenever it may hold; null when there are none. */
export function placesOf(test: RequestTest): readonly Place[] | null {
  if (test.written.values.length === 0) return null
  if (test instanceof RequestPrincipalTest) return test.wanted.flatMap(placesOfPrincipal)
  const as = (aspect: Aspect, name = '', path: readonly string[] = []): readonly Place[] =>
    test.written.values.map((value) => ({ aspect, name, path, value }))
  if (test instanceof HeaderTest) return as('header', test.name)
  if (test instanceof ClaimTest) return as('claim', test.key, test.path)
  if (!(test instanceof TextTest)) return null
  switch (test.field) {
    case RequestField.method:
      return as('method')
    case RequestField.path:
      return as('path').map((place) => ({ ...place, value: genericPath(place.value) }))
    case RequestField.target:
      return as('target')
    case RequestField.authority:
      return as('authority')
    case RequestField.host:
      return as('host').map((place) => ({ ...place, value: place.value.toLowerCase() }))
  }
}

/** Whether a request that met one of the test's places has passed the test with it. */
export function isSettledByPlace(test: RequestTest): boolean {
  if (test.written.notValues.length > 0 || test instanceof RequestPrincipalTest) return false
  return test.field !== RequestField.path || !test.written.values.some(isPathTemplate)
}

/** A template is met by what begins as it does. */
function genericPath(value: string): string {
  return isPathTemplate(value) ? `${value.slice(0, value.indexOf('{'))}*` : value
}

/** The half that says more; and the whole, for principals that are the peer's. */
function placesOfPrincipal({
  issuer,
  subject,
  whole,
}: RequestPrincipalTest['wanted'][number]): readonly Place[] {
  const half: Place =
    subject.kind === 'any'
      ? { aspect: 'issuer', name: '', path: [], value: generic(issuer) }
      : { aspect: 'subject', name: '', path: [], value: generic(subject) }
  return [half, { aspect: 'principal', name: '', path: [], value: generic(whole) }]
}

// A literal star at the end of an exact text comes out as a wildcard: a place may be met too often.
function generic({ kind, text }: StringMatcher): string {
  if (kind === 'any') return '*'
  return kind === 'prefix' ? `${text}*` : kind === 'suffix' ? `*${text}` : text
}
