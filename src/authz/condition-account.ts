/**
 * One condition of a rule, told: what it wanted, what it saw, whether it was met. It judges a connection's tests one by
 * one, which is slow, and knows no rule.
 */
import { compileString, matchesString } from '../match/string-matcher.ts'
import type { ConnectionTest } from './compiled-rule.ts'
import {
  isPrivate,
  observedInRequest,
  observedOnConnection,
  wantedOfRequest,
  type Observed,
} from './observed.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'
import type { RequestTest } from './request-test.ts'

export interface ConditionAccount {
  /** `from[0]`, `to[2]` or `when`. */
  readonly at: string
  /** The condition key, or `methods`, `paths`, `hosts`. */
  readonly field: string
  readonly met: boolean
  readonly wanted: readonly string[]
  readonly unwanted: readonly string[]
  /** null = absent. */
  readonly observed: Observed
}

/** What is asked about, and whether what a test looks at may be shown. */
export interface Asked {
  readonly connection: ConnectionContext
  readonly request: RequestContext | null
  readonly shows: (test: RequestTest) => boolean
}

export interface Showing {
  /** Show values of queries, headers and claims; otherwise only that they are there. */
  readonly reveal?: boolean
  /** Of those, what is not shown even then. */
  readonly hides?: (test: RequestTest) => boolean
}

export function shownBy({ reveal = false, hides }: Showing): Asked['shows'] {
  if (!reveal) return (test) => !isPrivate(test)
  return hides === undefined ? () => true : (test) => !hides(test)
}

/** The same question `connection-index.ts` answers for all rules at once. */
export function holdsOnConnection(
  { attribute, wanted, unwanted }: ConnectionTest,
  connection: ConnectionContext,
): boolean {
  const fits = (value: string): boolean => {
    if (attribute.kind === 'question') return attribute.ask(value)(connection)
    const text = attribute.read(connection)
    const matcher = compileString(value)
    return text !== null && (matcher.kind === 'any' || matchesString(matcher, text))
  }
  return (wanted === null || wanted.some(fits)) && (unwanted === null || !unwanted.some(fits))
}

export function holdsForRequest(test: RequestTest, { request, connection }: Asked): boolean {
  return request !== null && test.holds(request, connection.sourceIp)
}

export function accountOnConnection(
  at: string,
  test: ConnectionTest,
  { connection }: Asked,
): ConditionAccount {
  return {
    at,
    field: test.attribute.key,
    met: holdsOnConnection(test, connection),
    wanted: test.written.values,
    unwanted: test.written.notValues,
    observed: observedOnConnection(test, connection),
  }
}

export function accountOfRequest(at: string, test: RequestTest, asked: Asked): ConditionAccount {
  const { request, connection } = asked
  const shown = asked.shows(test)
  const { values, notValues } = wantedOfRequest(test, shown)
  return {
    at,
    field: test.key,
    met: holdsForRequest(test, asked),
    wanted: values,
    unwanted: notValues,
    observed: request === null ? null : observedInRequest(test, request, connection, shown),
  }
}
