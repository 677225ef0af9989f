/**
 * What a test saw, as text for people: never asked on the hot path. Values that may be secrets are left out unless the
 * caller asks for them.
 */
import { formatIp } from '../address/ip.ts'
import type { Values } from '../policy/authorization-policy.ts'
import type { ConnectionTest } from './compiled-rule.ts'
import { remoteIp } from './remote-ip.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'
import { claimOf, ClaimTest, HeaderTest, RequestField, TextTest, textOf } from './request-test.ts'
import type { RequestTest } from './request-test.ts'

/** Stands for a value that is there and not shown. */
export const redacted = '(redacted)'

/** null = absent. */
export type Observed = readonly string[] | null

export function observedOnConnection({ attribute }: ConnectionTest, connection: ConnectionContext): Observed {
  switch (attribute.key) {
    case 'source.ip':
      return [formatIp(connection.sourceIp)]
    case 'destination.ip':
      return [formatIp(connection.destinationIp)]
    case 'destination.port':
      return [String(connection.destinationPort)]
    case 'connection.sni':
      return present(connection.sni)
    default:
      return present(connection.principalUri)
  }
}

export function observedInRequest(
  test: RequestTest,
  request: RequestContext,
  connection: ConnectionContext,
  shown: boolean,
): Observed {
  const found = valuesOf(test, request, connection)
  return found !== null && !shown ? found.map(() => redacted) : found
}

/** What a policy wants of a header may be a shared secret; what it wants of a claim is a name. */
export function wantedOfRequest({ field, written }: RequestTest, shown: boolean): Values {
  if (shown || field !== RequestField.header) return written
  const hide = (values: readonly string[]): readonly string[] =>
    values.map((value) => (value === '*' ? value : redacted))
  return { values: hide(written.values), notValues: hide(written.notValues) }
}

const present = (text: string): Observed => (text === '' ? null : [text])

function valuesOf(test: RequestTest, request: RequestContext, connection: ConnectionContext): Observed {
  if (test instanceof HeaderTest) {
    const values = request.headers.filter((_, i) => i % 2 === 1 && request.headers[i - 1] === test.name)
    return values.length === 0 ? null : values
  }
  if (test instanceof ClaimTest) return claimTexts(claimOf(request, test.path))
  if (test instanceof TextTest)
    return present(test.field === RequestField.host ? request.host : textOf(request, test.field))
  if (test.field === RequestField.principal) return present(request.token?.principal ?? '')
  return [formatIp(remoteIp(request, connection.sourceIp))]
}

/** A claim that is neither text nor a list never matches; that it is there is worth saying. */
function claimTexts(claim: unknown): Observed {
  if (claim === undefined || claim === '') return null
  if (Array.isArray(claim)) return claim.length === 0 ? null : claim.map(claimText)
  return [claimText(claim)]
}

const claimText = (claim: unknown): string =>
  typeof claim === 'string' ? claim : `(${claim === null ? 'null' : typeof claim})`

/** Queries, headers and what a token says: not shown unless asked for. */
export function isPrivate({ field }: RequestTest): boolean {
  return (
    field === RequestField.header ||
    field === RequestField.target ||
    field === RequestField.principal ||
    field === RequestField.claim
  )
}
