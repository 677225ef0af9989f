/**
 * What becomes of header fields on their way through (dataplane §9): hop-by-hop fields end here, identity headers are
 * ours alone to set, the rest passes in order and unmerged. Each function walks a flat list once; none knows a socket.
 */
import type { RequestHead, ResponseHead } from '../../http1/message.ts'
import { Framing } from '../../http1/message.ts'
import { httpDate } from './http-date.ts'
import { nominated, withoutNominated } from './nominated-headers.ts'
import { newRequestId } from './request-id.ts'

/** Made once a connection. */
export interface RequestRewrite {
  /**
   * Own x-forwarded-client-cert element, appended to what an mTLS peer sent (APPEND_FORWARD); '' removes the header
   * (SANITIZE), which is right for every peer without mTLS and for all outbound requests.
   */
  readonly clientCertElement: string
  /** Set where the request carries no x-forwarded-proto. */
  readonly proto: 'http' | 'https'
}

export interface ResponseRewrite {
  /** Overwrites `server`: 'istio-envoy' on inbound responses and 'envoy' on outbound ones, unless configured otherwise. */
  readonly server: string
  /** Adds x-envoy-upstream-service-time. */
  readonly serviceTime: boolean
}

export interface RewrittenRequest {
  readonly headers: string[]
  readonly requestId: string
}

/** Only WebSocket is tunnelled; any other Upgrade offer is dropped and the request goes on as plain HTTP. */
export function upgrades(head: RequestHead): boolean {
  return (
    head.upgrade === 'websocket' &&
    head.method === 'GET' &&
    head.framing === Framing.None &&
    head.version === 11
  )
}

/** `host` is the authority that was judged: for absolute-form the URI's, whatever the Host field said (RFC 9112 §3.2.2). */
export function rewriteRequest(head: RequestHead, host: string, rule: RequestRewrite): RewrittenRequest {
  const input = head.headers
  const headers: string[] = ['host', host]
  let requestId = ''
  let clientCert = ''
  let proto = false
  let drop: ReadonlySet<string> | null = null
  for (let i = 0; i < input.length; i += 2) {
    const name = input[i] as string
    const value = input[i + 1] as string
    switch (name.length) {
      case 2:
        if (name === 'te') {
          if (listHas(value, 'trailers')) headers.push(name, 'trailers')
          continue
        }
        break
      case 4:
        if (name === 'host') continue
        break
      case 6:
        // A 1.0 client cannot take an interim response (RFC 9110 §10.1.1).
        if (name === 'expect' && head.version === 10) continue
        break
      case 12:
        if (name === 'x-request-id') {
          if (requestId !== '' || value === '') continue
          requestId = value
        }
        break
      case 7:
      case 16:
      case 17:
        if (isHopByHop(name)) continue
        if (name === 'x-forwarded-proto') {
          if (proto || value === '') continue
          proto = true
        }
        break
      case 10:
        if (name === 'connection') drop = nominated(value, drop)
        if (isHopByHop(name)) continue
        break
      case 14:
        if (name === 'http2-settings') continue
        if (name === 'content-length' && head.framing !== Framing.Length) continue
        break
      case 23:
        // Applications behind CGI-like gateways read `_` as `-`: the underscore spelling would be a forged identity.
        if (name.replaceAll('_', '-') === 'x-forwarded-client-cert') {
          if (name === 'x-forwarded-client-cert' && value !== '')
            clientCert += clientCert === '' ? value : `,${value}`
          continue
        }
        break
    }
    if (isPrivate(name)) continue
    headers.push(name, value)
  }
  const kept = drop === null ? headers : withoutNominated(headers, drop)
  if (requestId === '') {
    requestId = newRequestId()
    kept.push('x-request-id', requestId)
  }
  if (!proto) kept.push('x-forwarded-proto', rule.proto)
  if (rule.clientCertElement !== '') {
    kept.push(
      'x-forwarded-client-cert',
      clientCert === '' ? rule.clientCertElement : `${clientCert},${rule.clientCertElement}`,
    )
  }
  if (head.framing === Framing.Chunked) kept.push('transfer-encoding', 'chunked')
  else if (upgrades(head)) kept.push('connection', 'upgrade', 'upgrade', 'websocket')
  return { headers: kept, requestId }
}

/** Framing and connection fields are left to whoever sends it; content-length stays where the body has that length. */
export function rewriteResponse(head: ResponseHead, rule: ResponseRewrite, serviceTimeMs: number): string[] {
  const input = head.headers
  const headers: string[] = []
  let date = false
  let length = false
  let drop: ReadonlySet<string> | null = null
  for (let i = 0; i < input.length; i += 2) {
    const name = input[i] as string
    const value = input[i + 1] as string
    switch (name.length) {
      case 4:
        if (name === 'date') date = true
        break
      case 6:
        if (name === 'server') continue
        break
      case 7:
      case 16:
      case 17:
        if (isHopByHop(name)) continue
        break
      case 10:
        if (name === 'connection') drop = nominated(value, drop)
        if (isHopByHop(name)) continue
        break
      case 14:
        if (name === 'content-length') {
          if (length || head.status === 204 || head.framing === Framing.Chunked) continue
          length = true
        }
        break
      case 27:
        if (name === 'x-envoy-decorator-operation') continue
        break
      case 29:
        if (rule.serviceTime && name === 'x-envoy-upstream-service-time') continue
        break
    }
    if (name.startsWith('x-envoy-peer-metadata')) continue
    headers.push(name, value)
  }
  const kept = drop === null ? headers : withoutNominated(headers, drop)
  if (rule.serviceTime) kept.push('x-envoy-upstream-service-time', String(serviceTimeMs))
  if (!date) kept.push('date', httpDate())
  kept.push('server', rule.server)
  return kept
}

/** An interim response (1xx): hop-by-hop fields are dropped, nothing is added. */
export function rewriteInterim(head: ResponseHead): string[] {
  const headers: string[] = []
  for (let i = 0; i < head.headers.length; i += 2) {
    const name = head.headers[i] as string
    if (!isHopByHop(name) && !name.startsWith('x-envoy-')) headers.push(name, head.headers[i + 1] as string)
  }
  return headers
}

/** Trailers carry no framing, routing, authentication or identity (RFC 9110 §6.5.1); null when nothing is left. */
export function safeTrailers(trailers: readonly string[]): string[] | null {
  const kept: string[] = []
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i] as string
    if (
      !neverTrailers.has(name) &&
      !isPrivate(name) &&
      !name.replaceAll('_', '-').startsWith('x-forwarded-') &&
      !isHopByHop(name)
    ) {
      kept.push(name, trailers[i + 1] as string)
    }
  }
  return kept.length === 0 ? null : kept
}

const neverTrailers = new Set(
  (
    'host content-length content-type content-encoding content-range trailer authorization proxy-authorization ' +
    'www-authenticate proxy-authenticate cookie set-cookie x-request-id te expect range cache-control max-forwards'
  ).split(' '),
)

/** The `x-envoy-*` namespace is the proxies' own: a client's control headers and peer metadata never pass (CVE-2023-27487). */
function isPrivate(name: string): boolean {
  return name.charCodeAt(0) === 120 && name.charCodeAt(2) === 101 && name.startsWith('x-envoy-')
}

function isHopByHop(name: string): boolean {
  switch (name.length) {
    case 2:
      return name === 'te'
    case 7:
      return name === 'upgrade'
    case 10:
      return name === 'connection' || name === 'keep-alive'
    case 16:
      return name === 'proxy-connection'
    case 17:
      return name === 'transfer-encoding'
    default:
      return false
  }
}

function listHas(value: string, wanted: string): boolean {
  if (value === wanted) return true
  return value.split(',').some((item) => item.split(';', 1)[0]?.trim().toLowerCase() === wanted)
}
