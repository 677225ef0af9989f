/**
 * An authorizer's changes, applied to what is forwarded and to what is answered. Policy judges the request after them
 * (policy-semantics §2.1), so they come before the request context is made.
 */
import type { Allow, QueryChange } from './outcome.ts'

/** The request's flat list of headers as it goes on. */
export function applyToRequest(headers: readonly string[], allow: Allow): string[] {
  const { setHeaders, appendHeaders, removeHeaders } = allow
  const changed = [...without(headers, names(setHeaders)), ...setHeaders, ...appendHeaders]
  return removeHeaders.length === 0 ? changed : without(changed, new Set(removeHeaders))
}

/** The response's flat list of headers as the client gets it. */
export function applyToResponse(headers: readonly string[], allow: Allow): string[] {
  const { responseHeaders, responseSetHeaders } = allow
  return [...without(headers, names(responseSetHeaders)), ...responseSetHeaders, ...responseHeaders]
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

function escaped(text: string): string {
  // A lone half of a surrogate pair has no UTF-8 and would throw.
  return encodeURIComponent(text.toWellFormed())
}

function parameterName(part: string): string {
  const name = part.split('=', 1)[0] as string
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}

function names(headers: readonly string[]): ReadonlySet<string> {
  return new Set(headers.filter((_, index) => index % 2 === 0))
}

/** Applications behind CGI-like gateways read `_` as `-`: a client's other spelling would stand beside what was set. */
const dashed = (name: string): string => name.replaceAll('_', '-')

function without(headers: readonly string[], listed: ReadonlySet<string>): string[] {
  if (listed.size === 0) return [...headers]
  const gone = new Set([...listed].map(dashed))
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (!gone.has(dashed(name))) kept.push(name, headers[i + 1] as string)
  }
  return kept
}
