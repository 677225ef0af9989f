/** An HTTP authorizer's answer, read as an outcome (policy-semantics §9.3): only 200 allows. It sends and awaits nothing. */
import type { HttpAuthorizer } from '../policy/extension-provider.ts'
import { HeaderList } from './header-list.ts'
import { isFieldName, isOurs, isOursToClient, matchesAny } from './header-rules.ts'
import type { CheckOutcome } from './outcome.ts'
import { deny, unanswered, unusable } from './outcome.ts'

export interface HttpAnswer {
  readonly status: number
  /** Flat list in latin1, names in any case. */
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** Reaches the client of a denied request whatever the list says, as it does in Envoy (`Content-Length` is our own). */
const alwaysOnDeny = new Set(['www-authenticate', 'location'])

export function readHttpAnswer(settings: HttpAuthorizer, answer: HttpAnswer): CheckOutcome {
  if (answer.status === 200) return allowed(settings, answer)
  if (answer.status < 200 || answer.status >= 500) return unanswered(settings, `status_${answer.status}`)
  return denied(settings, answer)
}

function allowed(settings: HttpAuthorizer, answer: HttpAnswer): CheckOutcome {
  const upstream = new HeaderList(isOurs)
  const downstream = new HeaderList(isOursToClient)
  const removeHeaders: string[] = []
  eachField(answer.headers, (name, value) => {
    if (name === 'x-envoy-auth-headers-to-remove') removeHeaders.push(...listed(value))
    if (matchesAny(settings.toUpstreamOnAllow, name)) upstream.add(name, value)
    if (matchesAny(settings.toDownstreamOnAllow, name)) downstream.add(name, value)
  })
  const fault = upstream.fault ?? downstream.fault
  if (fault !== null) return unusable(settings, fault)
  return {
    kind: 'allow',
    setHeaders: upstream.fields,
    appendHeaders: [],
    removeHeaders,
    responseHeaders: downstream.fields,
    responseSetHeaders: [],
    responseAbsentHeaders: [],
    responsePresentHeaders: [],
    query: null,
  }
}

function denied(settings: HttpAuthorizer, answer: HttpAnswer): CheckOutcome {
  const rules = settings.toDownstreamOnDeny
  const headers = new HeaderList(isOursToClient)
  eachField(answer.headers, (name, value) => {
    if (rules === null || alwaysOnDeny.has(name) || matchesAny(rules, name)) headers.add(name, value)
  })
  // Denied it stays, with whatever headers can be sent.
  return deny(answer.status, ...withType(headers.fields, bodyFor(answer.status, answer.body)))
}

/** A body without a type of its own is plain text, so that no browser guesses. */
export function withType(headers: string[], body: Buffer): [headers: string[], body: Buffer] {
  const typed = headers.some((text, index) => index % 2 === 0 && text === 'content-type')
  if (body.length > 0 && !typed) headers.push('content-type', 'text/plain')
  return [headers, body]
}

const empty = Buffer.alloc(0)

/** These statuses have no body (RFC 9110 §15). */
export function bodyFor(status: number, body: Buffer): Buffer {
  return status === 204 || status === 205 || status === 304 ? empty : body
}

/** Every field that is not of the authorizer's own connection, names in lower case. */
function eachField(headers: readonly string[], visit: (name: string, value: string) => void): void {
  const nominated = new Set<string>()
  for (let i = 0; i < headers.length; i += 2) {
    if ((headers[i] as string).toLowerCase() !== 'connection') continue
    for (const name of (headers[i + 1] as string).split(',')) nominated.add(name.trim().toLowerCase())
  }
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    if (!nominated.has(name)) visit(name, headers[i + 1] as string)
  }
}

function listed(value: string): string[] {
  return value
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => isFieldName(name) && !isOurs(name))
}
