/**
 * A SPIFFE ID as an immutable value, parsed by a byte loop and never repaired. It decides what is a name, not who may
 * bear it; an ID without a path (a trust domain's own) is a name too, and whoever needs a workload asks for a path.
 */
import { isTrustDomain } from './trust-domain.ts'

export interface SpiffeId {
  readonly uri: string
  readonly trustDomain: string
  /** With its leading slash; '' for the trust domain's own ID. */
  readonly path: string
  /** From `/ns/NAMESPACE/sa/SERVICEACCOUNT`, exactly; null in any other form. */
  readonly namespace: string | null
  readonly serviceAccount: string | null
  /** The URI without `spiffe://`: what policy calls a principal. */
  readonly principal: string
}

const scheme = 'spiffe://'

/** Bytes; SPIFFE-ID §2.3 asks for support up to here and for no more to be made. */
export const longestSpiffeUri = 2048

/** The ID, or null when one byte is out of place (dataplane §5.1): nothing is decoded, folded or trimmed. */
export function parseSpiffeId(uri: string): SpiffeId | null {
  if (uri.length > longestSpiffeUri || !uri.startsWith(scheme)) return null
  const slash = uri.indexOf('/', scheme.length)
  const pathStart = slash < 0 ? uri.length : slash
  const trustDomain = uri.slice(scheme.length, pathStart)
  if (!isTrustDomain(trustDomain) || !isPath(uri, pathStart)) return null
  const path = uri.slice(pathStart)
  const parts = path.split('/')
  const istio = parts.length === 5 && parts[1] === 'ns' && parts[3] === 'sa'
  return {
    uri,
    trustDomain,
    path,
    namespace: istio ? (parts[2] as string) : null,
    serviceAccount: istio ? (parts[4] as string) : null,
    principal: uri.slice(scheme.length),
  }
}

/**
 * The URI Istio gives a workload; `@` in the trust domain becomes `.` as there. Parts are taken as they are: one that
 * cannot stand in a SPIFFE ID (empty, with a slash, …) gives a text that no parsed Istio identity ever equals.
 */
export function istioSpiffeUri(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `${scheme}${trustDomain.replaceAll('@', '.')}/ns/${namespace}/sa/${serviceAccount}`
}

/** Nothing, or `/segment` repeated to the end; segments are `A-Z a-z 0-9 . - _`, non-empty, and neither `.` nor `..`. */
function isPath(uri: string, start: number): boolean {
  let segment = start + 1
  for (let i = start + 1; i <= uri.length; i++) {
    const c = i === uri.length ? 47 : uri.charCodeAt(i)
    if (c === 47) {
      const length = i - segment
      if (length === 0) return false
      if (length <= 2 && uri.charCodeAt(segment) === 46 && uri.charCodeAt(i - 1) === 46) return false
      segment = i + 1
    } else if (!isSegmentByte(c)) return false
  }
  return true
}

function isSegmentByte(c: number): boolean {
  const lower = c | 32
  return (lower >= 97 && lower <= 122) || (c >= 48 && c <= 57) || c === 45 || c === 46 || c === 95
}
