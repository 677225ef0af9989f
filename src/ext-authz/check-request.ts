/**
 * What an authorizer is told about a connection and a request (policy-semantics §9.2, §9.3), for both protocols. It makes
 * values: nothing is sent here, and nothing of the request is changed.
 */
import type { GrpcAuthorizer, HttpAuthorizer } from '../policy/extension-provider.ts'
import { endsHere, matchesAny, toText, utf8 } from './header-rules.ts'

export interface CheckPeer {
  /** Canonical IP text. */
  readonly address: string
  readonly port: number
  /** `spiffe://...`, verified, or ''. */
  readonly principal: string
}

export interface CheckConnection {
  readonly source: CheckPeer
  readonly destination: CheckPeer
  /** Of the TLS session that this proxy terminated, or ''. */
  readonly sni: string
}

export interface CheckBody {
  /** At most `maxRequestBytes`. */
  readonly bytes: Buffer
  /** False when the request has more. */
  readonly complete: boolean
}

/** A request as it would be forwarded: path normalized, identity headers ours. */
export interface CheckHttp {
  readonly id: string
  readonly method: string
  /** Origin-form with query, or `*`. */
  readonly target: string
  readonly host: string
  readonly scheme: 'http' | 'https'
  /** `HTTP/1.1` and so on. */
  readonly protocol: string
  /** Flat list, lower-case names; repeated fields repeated. */
  readonly headers: readonly string[]
  /** 0 = it has no body; -1 = not known. */
  readonly contentLength: number
  /** Null when the provider is shown none or the request has none. */
  readonly body: CheckBody | null
}

/** The call to an HTTP authorizer; `headers` is flat and has one field a name. */
export interface HttpCheck {
  readonly method: string
  readonly path: string
  readonly headers: readonly string[]
  readonly body: Buffer | null
}

const partialBody = 'x-envoy-auth-partial-body'

export function httpCheck(settings: HttpAuthorizer, request: CheckHttp): HttpCheck {
  const shown = joined(
    request.headers,
    (name) => name === 'authorization' || matchesAny(settings.requestHeaders, name),
  )
  const fixed = settings.additionalHeaders
  for (let i = 0; i < fixed.length; i += 2) shown.set(fixed[i] as string, fixed[i + 1] as string)
  const body = request.body
  if (body !== null) shown.set(partialBody, String(!body.complete))
  const headers = ['host', request.host, 'content-length', String(body === null ? 0 : body.bytes.length)]
  for (const [name, value] of shown) headers.push(name, value)
  // `*` is the target of OPTIONS for a whole server; a call has to name a path.
  const target = request.target === '*' && settings.pathPrefix === '' ? '/*' : request.target
  return {
    method: request.method,
    path: settings.pathPrefix + target,
    headers,
    body: body === null ? null : body.bytes,
  }
}

/** A CheckRequest as proto-loader takes it; without `request` it is a check of a TCP connection. */
export function grpcCheck(
  settings: GrpcAuthorizer,
  connection: CheckConnection,
  request: CheckHttp | null,
  nowMs: number,
): object {
  const seconds = Math.floor(nowMs / 1000)
  return {
    attributes: {
      source: peer(connection.source),
      destination: peer(connection.destination),
      ...(request === null
        ? {}
        : {
            request: {
              time: { seconds, nanos: Math.floor(nowMs - seconds * 1000) * 1_000_000 },
              http: httpAttributes(settings, request),
            },
          }),
      ...(connection.sni === '' ? {} : { tls_session: { sni: connection.sni } }),
    },
  }
}

function peer({ address, port, principal }: CheckPeer): object {
  return { address: { socket_address: { address, port_value: port } }, principal }
}

function httpAttributes(settings: GrpcAuthorizer, request: CheckHttp): object {
  const headers = joined(request.headers, () => true)
  // Of the request that is asked about: an HTTP check has a length of its own.
  if (request.contentLength > 0) headers.set('content-length', String(request.contentLength))
  const { method, target, host, scheme, body } = request
  if (body !== null) headers.set(partialBody, String(!body.complete))
  const entries = [
    { key: ':authority', value: toText(host) },
    { key: ':method', value: method },
    { key: ':path', value: target },
    { key: ':scheme', value: scheme },
  ]
  for (const [key, value] of headers) entries.push({ key, value: toText(value) })
  return {
    id: toText(request.id),
    method,
    headers: entries,
    // With its query: the field of that name is always empty in Envoy too.
    path: target,
    host: toText(host),
    scheme,
    size: request.contentLength,
    protocol: request.protocol,
    ...(body === null
      ? {}
      : settings.body?.packAsBytes
        ? { raw_body: body.bytes }
        : { body: utf8(body.bytes) }),
  }
}

/** One value a name, with all its values in order, so that no reader can miss one (CVE-2021-32777). */
function joined(headers: readonly string[], wanted: (name: string) => boolean): Map<string, string> {
  const result = new Map<string, string>()
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (endsHere(name) || name === partialBody || !wanted(name)) continue
    const value = headers[i + 1] as string
    const before = result.get(name)
    result.set(name, before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ','}${value}`)
  }
  return result
}
