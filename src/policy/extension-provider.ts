/**
 * The settings of an outside authorizer, from Istio's MeshConfig (policy-semantics §9.2): unknown to typed, or why not. It
 * looks up no service and calls nobody; a bad provider is a value, for it closes only what its CUSTOM rules match.
 */
import { DecodeProblem, attempt, expected, member, quoted } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import {
  boolean,
  integer,
  items,
  mapOf,
  nonEmptyString,
  optional,
  port,
  record,
  required,
  string,
} from '../decode/decode.ts'
import type { Fields } from '../decode/decode.ts'
import { duration } from '../decode/duration.ts'
import { compileString } from '../match/string-matcher.ts'
import type { StringMatcher } from '../match/string-matcher.ts'
import { isDnsLabel, isHost } from './names.ts'

/** `[namespace/]host`. */
export interface AuthorizerService {
  readonly namespace: string | null
  readonly host: string
}

export interface BodyInclusion {
  readonly maxRequestBytes: number
  readonly allowPartialMessage: boolean
  /** gRPC only: the body as bytes instead of text. */
  readonly packAsBytes: boolean
}

interface AnyAuthorizer {
  readonly service: AuthorizerService
  readonly port: number
  readonly timeoutMs: number
  readonly failOpen: boolean
  readonly statusOnError: number
  /** Without effect in a sidecar, whose inbound side has one route. */
  readonly clearRouteCache: boolean
  readonly body: BodyInclusion | null
}

export interface HttpAuthorizer extends AnyAuthorizer {
  readonly kind: 'http'
  /** '' or text that begins with `/`. */
  readonly pathPrefix: string
  /** Matched against lower-case names, as are all the lists below. */
  readonly requestHeaders: readonly StringMatcher[]
  /** Flat list of lower-case name and value. */
  readonly additionalHeaders: readonly string[]
  readonly toUpstreamOnAllow: readonly StringMatcher[]
  readonly toDownstreamOnAllow: readonly StringMatcher[]
  /** Null = all. */
  readonly toDownstreamOnDeny: readonly StringMatcher[] | null
}

export interface GrpcAuthorizer extends AnyAuthorizer {
  readonly kind: 'grpc'
}

export type AuthorizerSettings = HttpAuthorizer | GrpcAuthorizer

export type DecodedAuthorizer =
  | { readonly ok: true; readonly settings: AuthorizerSettings }
  | { readonly ok: false; readonly reason: string }

/** Istio's default; milliseconds. */
const usualTimeoutMs = 600_000
/** A longer wait than this is taken for a mistake: whoever waits holds a connection and its memory. */
const longestTimeoutMs = 3_600_000
/** Bodies are held in memory while the authorizer thinks. */
const mostBodyBytes = 64 * 1024 * 1024

const anyFields = [
  'service',
  'port',
  'timeout',
  'failOpen',
  'statusOnError',
  'clearRouteCache',
  'includeRequestBodyInCheck',
]
const httpFields = [
  'pathPrefix',
  'includeRequestHeadersInCheck',
  'includeHeadersInCheck',
  'includeAdditionalHeadersInCheck',
  'headersToUpstreamOnAllow',
  'headersToDownstreamOnAllow',
  'headersToDownstreamOnDeny',
]

/** The statuses Envoy has names for, apart from interim ones: nobody can be answered with those. */
const knownStatuses = new Set([
  200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402,
  403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 426, 428,
  429, 431, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
])

/** Fields that belong to the message's framing or to the connection: nobody may fix their values. */
const framing = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
])

/** Never throws; the reason begins with the path of what is wrong. */
export function decodeAuthorizer(kind: 'http' | 'grpc', input: unknown, at: Path): DecodedAuthorizer {
  const decoded = attempt(() => (kind === 'http' ? httpAuthorizer(input, at) : grpcAuthorizer(input, at)))
  return decoded.ok ? { ok: true, settings: decoded.value } : decoded
}

function httpAuthorizer(input: unknown, at: Path): HttpAuthorizer {
  const fields = record(input, at, [...anyFields, ...httpFields])
  const patterns = (key: string) => items(fields, key, at, headerPattern, 100)
  const named = patterns('includeRequestHeadersInCheck')
  const older = patterns('includeHeadersInCheck')
  const onDeny = patterns('headersToDownstreamOnDeny')
  const additional = optional(fields, 'includeAdditionalHeadersInCheck', at, additionalHeaders) ?? []
  return {
    kind: 'http',
    ...anyAuthorizer(fields, at),
    pathPrefix: optional(fields, 'pathPrefix', at, pathPrefix) ?? '',
    requestHeaders: named.length === 0 ? older : named,
    additionalHeaders: additional,
    toUpstreamOnAllow: patterns('headersToUpstreamOnAllow'),
    toDownstreamOnAllow: patterns('headersToDownstreamOnAllow'),
    toDownstreamOnDeny: onDeny.length === 0 ? null : onDeny,
  }
}

function grpcAuthorizer(input: unknown, at: Path): GrpcAuthorizer {
  return { kind: 'grpc', ...anyAuthorizer(record(input, at, anyFields), at) }
}

function anyAuthorizer(fields: Fields, at: Path): AnyAuthorizer {
  return {
    service: required(fields, 'service', at, service),
    port: required(fields, 'port', at, port),
    timeoutMs: optional(fields, 'timeout', at, timeout) ?? usualTimeoutMs,
    failOpen: optional(fields, 'failOpen', at, boolean) ?? false,
    statusOnError: optional(fields, 'statusOnError', at, statusOnError) ?? 403,
    clearRouteCache: optional(fields, 'clearRouteCache', at, boolean) ?? false,
    body: optional(fields, 'includeRequestBodyInCheck', at, bodyInclusion),
  }
}

function service(input: unknown, at: Path): AuthorizerService {
  const parts = nonEmptyString(input, at).split('/')
  const [first = '', second] = parts
  const host = (second ?? first).toLowerCase()
  const namespace = second === undefined ? null : first
  if (parts.length > 2 || !isHost(host, false) || (namespace !== null && !isDnsLabel(namespace))) {
    throw expected('"host" or "namespace/host"', input, at)
  }
  return { namespace, host }
}

function timeout(input: unknown, at: Path): number {
  const ms = duration(input, at)
  if (ms < 1 || ms > longestTimeoutMs) throw expected('a duration from "1ms" to "1h"', input, at)
  return ms
}

/** '' is protobuf's way to leave text out. */
function statusOnError(input: unknown, at: Path): number {
  const text = string(input, at)
  if (text === '') return 403
  const status = /^\d{3}$/.test(text) ? Number(text) : 0
  if (!knownStatuses.has(status)) throw expected('a known HTTP status such as "503"', input, at)
  return status
}

function pathPrefix(input: unknown, at: Path): string {
  const text = string(input, at)
  if (text !== '' && !/^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/.test(text)) {
    throw expected('a path that begins with "/", without query, fragment and blanks', input, at)
  }
  return text
}

function headerPattern(input: unknown, at: Path): StringMatcher {
  const text = nonEmptyString(input, at).toLowerCase()
  const matcher = compileString(text)
  if (matcher.kind === 'any') {
    throw new DecodeProblem(at, 'a lone "*" is not supported: write a name, "prefix*" or "*suffix"')
  }
  if (!isFieldName(matcher.text)) throw expected('a header name, "prefix*" or "*suffix"', input, at)
  return matcher
}

function additionalHeaders(input: unknown, at: Path): readonly string[] {
  const headers = mapOf(string, (key, where) => {
    if (!isFieldName(key)) throw new DecodeProblem(where, `${quoted(key)} is no header name`)
    if (framing.has(key.toLowerCase())) {
      throw new DecodeProblem(where, `the header ${quoted(key)} cannot be fixed`)
    }
  })(input, at)
  const seen = new Set<string>()
  return Object.entries(headers).flatMap(([key, value]) => {
    const name = key.toLowerCase()
    if (seen.has(name)) throw new DecodeProblem(at, `the header ${quoted(name)} is given twice`)
    seen.add(name)
    // The value may be a credential of ours: it is not quoted.
    if (!/^[\t\x20-\x7e]*$/.test(value)) {
      throw new DecodeProblem(member(at, key), 'expected a header value of printable ASCII')
    }
    return [name, value]
  })
}

function bodyInclusion(input: unknown, at: Path): BodyInclusion {
  const fields = record(input, at, ['maxRequestBytes', 'allowPartialMessage', 'packAsBytes'])
  return {
    maxRequestBytes: required(fields, 'maxRequestBytes', at, integer(1, mostBodyBytes)),
    allowPartialMessage: optional(fields, 'allowPartialMessage', at, boolean) ?? false,
    packAsBytes: optional(fields, 'packAsBytes', at, boolean) ?? false,
  }
}

const isFieldName = (text: string): boolean =>
  text.length <= 256 && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)
