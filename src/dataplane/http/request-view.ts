/**
 * One reading of a request for policy and for the wire: what is authorized is byte for byte what is forwarded (traps 39),
 * header fields included. It refuses what could be read two ways; it decides no policy.
 */
import { RequestContext } from '../../authz/request-context.ts'
import type { RequestHead } from '../../http1/message.ts'
import { Framing } from '../../http1/message.ts'
import type { PathNormalizationMode } from '../../match/path-normalization.ts'
import { normalizePath } from '../../match/path-normalization.ts'
import { rewriteRequest } from './headers.ts'
import type { RequestRewrite } from './headers.ts'

export type RequestView =
  | {
      readonly ok: true
      readonly context: RequestContext
      /** Origin-form, or `*`. */
      readonly target: string
      /** The authority; '' for HTTP/1.0 without Host. */
      readonly host: string
      /** As forwarded: a field that a forger's `Connection` or we ourselves take away satisfies no rule. */
      readonly headers: readonly string[]
      readonly requestId: string
    }
  | { readonly ok: false; readonly status: number; readonly reason: string }

/** An absolute-form target's authority replaces Host (RFC 9112 §3.2.2). CONNECT is refused: no itinerary asked for it. */
export function viewRequest(
  head: RequestHead,
  mode: PathNormalizationMode,
  rewrite: RequestRewrite,
): RequestView {
  if (head.method === 'CONNECT' || head.framing === Framing.Tunnel)
    return refuse(405, 'CONNECT is not served here')
  let target = head.target
  let host = head.host
  if (target.charCodeAt(0) !== 47 && target !== '*') {
    const scheme = schemeLength(target)
    if (scheme === 0) return refuse(400, 'the request target has no form HTTP knows')
    const end = authorityEnd(target, scheme)
    host = target.slice(scheme, end)
    if (host === '') return refuse(400, 'the request target names no host')
    if (host.includes('@')) return refuse(400, 'the request target holds user information')
    for (let i = 0; i < host.length; i++) {
      const byte = host.charCodeAt(i)
      if (byte <= 32 || byte >= 127 || byte === 92)
        return refuse(400, 'the request target names no valid host')
    }
    target = behindAuthority(target.slice(end), head.method)
  }
  if (target === '*' && head.method !== 'OPTIONS') return refuse(400, 'only OPTIONS may ask for *')
  const path = normalizePath(target, mode)
  if (!path.ok) return refuse(400, path.reason)
  const { headers, requestId } = rewriteRequest(head, host, rewrite)
  return {
    ok: true,
    context: new RequestContext(head.method, path.path, path.pathWithQuery, host, headers),
    target: path.pathWithQuery,
    host,
    headers,
    requestId,
  }
}

/** The part of any readable target from its path on, as received. */
export function originForm({ method, target }: RequestHead): string {
  const scheme = schemeLength(target)
  return scheme === 0 ? target : behindAuthority(target.slice(authorityEnd(target, scheme)), method)
}

/** Whom any readable target is for: an absolute form says so itself. */
export function authorityOf({ host, target }: RequestHead): string {
  const scheme = schemeLength(target)
  return scheme === 0 ? host : target.slice(scheme, authorityEnd(target, scheme))
}

const behindAuthority = (rest: string, method: string): string =>
  rest.charCodeAt(0) === 47 ? rest : rest === '' && method === 'OPTIONS' ? '*' : `/${rest}`

function refuse(status: number, reason: string): RequestView {
  return { ok: false, status, reason }
}

function schemeLength(target: string): number {
  const start = target.slice(0, 8).toLowerCase()
  if (start.startsWith('http://')) return 7
  return start === 'https://' ? 8 : 0
}

function authorityEnd(target: string, from: number): number {
  for (let i = from; i < target.length; i++) {
    const byte = target.charCodeAt(i)
    // `/`, `?`, `#`
    if (byte === 47 || byte === 63 || byte === 35) return i
  }
  return target.length
}
