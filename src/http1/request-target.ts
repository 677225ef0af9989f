/**
 * Judges whether a request target has the form its method asks for (RFC 9112 §3.2) and finds the authority in it. It
 * changes nothing: normalization of paths is the matcher's.
 */
import { isAuthority, isAuthorityWithPort } from './host.ts'
import type { CodecRefusal } from './message.ts'
import { refusals } from './refusals.ts'

/** '' for origin-form and `*`, else the authority, which then overrides Host; or the refusal. */
export function targetAuthority(method: string, target: string): string | CodecRefusal {
  if (method === 'CONNECT') return isAuthorityWithPort(target) ? target : refusals.badTargetForm
  if (target.charCodeAt(0) === 0x2f) return ''
  if (target === '*') return method === 'OPTIONS' ? '' : refusals.badTargetForm
  const start = absoluteStart(target)
  if (start === 0) return refusals.badTargetForm
  let end = start
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++
  const authority = target.substring(start, end)
  return isAuthority(authority) ? authority : refusals.badAuthority
}

/** Where the authority of `http://…` or `https://…` starts; 0 for all else. */
function absoluteStart(target: string): number {
  const scheme = target.substring(0, 8).toLowerCase()
  if (scheme.startsWith('http://')) return 7
  return scheme === 'https://' ? 8 : 0
}
