/**
 * An authorizer's changes, applied to what is forwarded and to what is answered. Policy judges the request after them
 * (policy-semantics §2.1), so they come before the request context is made.
 */
import type { Allow, QueryChange } from './outcome.ts'

/** The request's flat list of headers as it goes on. */
export function applyToRequest(headers: readonly string[], allow: Allow): string[] {
  const { setHeaders, appendHeaders, removeHeaders } = allow
  const changed = [...without(headers, names(setHeaders)), ...last(setHeaders)]
  for (let i = 0; i < appendHeaders.length; i += 2) {
    const name = appendHeaders[i] as string
    const at = placeOf(changed, name)
    if (at >= 0) changed[at + 1] += `${name === 'cookie' ? '; ' : ','}${appendHeaders[i + 1]}`
  }
  return removeHeaders.length === 0 ? changed : without(changed, new Set(removeHeaders))
}

/** The response's flat list of headers as the client gets it. */
export function applyToResponse(headers: readonly string[], allow: Allow): string[] {
  const { responseHeaders, responseSetHeaders, responseAbsentHeaders, responsePresentHeaders } = allow
  const absent = choose(responseAbsentHeaders, (name) => placeOf(headers, name) < 0)
  const present = choose(responsePresentHeaders, (name) => placeOf(headers, name) >= 0)
  const set = [...responseSetHeaders, ...present]
  return [...without(headers, names(set)), ...last(set), ...absent, ...responseHeaders]
}

/** `target` with its query changed; parameters are compared unescaped, and kept ones stay as they are written. */
export function applyToTarget(target: string, change: QueryChange | null): string {
  if (change === null || target === '*') return target
  const start = target.indexOf('?')
  const path = start === -1 ? target : target.slice(0, start)
  const gone = new Set([...change.remove, ...names(change.set)])
  const kept = (start === -1 ? '' : target.slice(start + 1))
    .split('&')
    .filter((part) => part !== '' && !gone.has(parameterName(part)))
  for (let i = 0; i < change.set.length; i += 2) {
    kept.push(`${escaped(change.set[i] as string)}=${escaped(change.set[i + 1] as string)}`)
  }
  return kept.length === 0 ? path : `${path}?${kept.join('&')}`
}

/**
 * Authorizers escape what they send, as Envoy takes it raw; what cannot stand in a parameter is escaped for them, so that
 * nothing they pass on from a client begins another one.
 */
function escaped(text: string): string {
  // A lone half of a surrogate pair has no UTF-8 and would throw.
  return text
    .toWellFormed()
    .replace(/%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$'()*+,;:@/?%]/gu, encodeURIComponent)
}

function parameterName(part: string): string {
  const name = part.split('=', 1)[0] as string
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}

/** Index of the first field of the name in a flat list, or -1. */
function placeOf(headers: readonly string[], name: string): number {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return i
  return -1
}

function choose(headers: readonly string[], wanted: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2)
    if (wanted(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string)
  return kept
}

/** Of several fields of one name the last, as if each had been set after the other. */
function last(headers: readonly string[]): string[] {
  const byName = new Map<string, string>()
  for (let i = 0; i < headers.length; i += 2) byName.set(headers[i] as string, headers[i + 1] as string)
  return [...byName].flat()
}

function names(headers: readonly string[]): ReadonlySet<string> {
  return new Set(headers.filter((_, index) => index % 2 === 0))
}

/** Applications behind CGI-like gateways read `_` as `-`: a client's other spelling would stand beside what was set. */
const dashed = (name: string): string => name.replaceAll('_', '-')

function without(headers: readonly string[], listed: ReadonlySet<string>): string[] {
  if (listed.size === 0) return [...headers]
  const gone = new Set([...listed].map(dashed))
  return choose(headers, (name) => !gone.has(dashed(name)))
}
