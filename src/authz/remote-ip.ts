/**
 * The client address that `remote.ip` means at a sidecar (policy-semantics §1.8): the last entry of `X-Forwarded-For`
 * when that is an address, else the socket peer. The header is believed as it came: any in-mesh client can forge it.
 */
import { parseIp, type Ip } from '../address/ip.ts'
import type { RequestContext } from './request-context.ts'

/** Read once a request, and only when a rule asks. */
export function remoteIp(request: RequestContext, socketPeer: Ip): Ip {
  if (request.remoteIp === null) request.remoteIp = lastForwarded(request.headers) ?? socketPeer
  return request.remoteIp
}

/** Repeated headers are one list, so the last entry is the last header's. */
function lastForwarded(headers: readonly string[]): Ip | null {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i] !== 'x-forwarded-for') continue
    const value = headers[i + 1] as string
    return parseIp(value.slice(value.lastIndexOf(',') + 1).trim())
  }
  return null
}
