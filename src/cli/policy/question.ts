/**
 * One line of `policy eval`, or one `given` of `policy test`: a request as an operator describes it, decoded to what the
 * engine asks about. It decides nothing; what cannot be meant is refused with the path of the field.
 */
import { parseIp } from '../../address/ip.ts'
import type { Ip } from '../../address/ip.ts'
import { attempt, DecodeProblem, expected, member } from '../../decode/decode-problem.ts'
import {
  boolean,
  corner,
  integer,
  items,
  map,
  oneOf,
  optional,
  record,
  required,
  string,
  strings,
} from '../../decode/decode.ts'
import type { Decoder } from '../../decode/decode.ts'
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts'
import type { GivenAnswer } from './given-answer.ts'

export type QuestionProtocol = 'http' | 'grpc' | 'tcp'

export interface AskedWorkload {
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** Text of the request is one char code a byte, as the wire has it. */
export interface Question {
  readonly workload: AskedWorkload
  readonly protocol: QuestionProtocol
  /** `spiffe://…`, or '' for a peer without mTLS. */
  readonly principalUri: string
  readonly sourceIp: Ip
  /** Stands for what X-Forwarded-For would say; null = ask the headers. */
  readonly remoteIp: Ip | null
  readonly destinationIp: Ip
  readonly destinationPort: number
  readonly sni: string
  readonly method: string
  readonly path: string
  readonly host: string
  /** Flat list, names in lower case. */
  readonly headers: readonly string[]
  /** A payload that counts as verified; null = verify what the request bears. */
  readonly claims: Readonly<Record<string, unknown>> | null
  /** What the authorizer of a CUSTOM rule answers; null = nobody knows. */
  readonly custom: GivenAnswer | null
}

export type ReadQuestion =
  { readonly ok: true; readonly question: Question } | { readonly ok: false; readonly reason: string }

export function readQuestion(value: unknown): ReadQuestion {
  const read = attempt(() => decode(value))
  return read.ok ? { ok: true, question: read.value } : read
}

const fields = [
  'workload',
  'protocol',
  'source',
  'destination',
  'sni',
  'method',
  'path',
  'host',
  'headers',
  'claims',
  'custom',
] as const

const unspecified = parseIp('0.0.0.0') as Ip

/** Other fields are the writer's own, for example an id of the line. */
function decode(value: unknown): Question {
  const asked = corner(value, '', fields)
  const workload = corner(asked.get('workload') ?? {}, 'workload', ['namespace', 'name', 'labels'])
  const source = corner(asked.get('source') ?? {}, 'source', ['principal', 'ip', 'remoteIp'])
  const destination = corner(asked.get('destination') ?? {}, 'destination', ['ip', 'port'])
  const protocol = optional(asked, 'protocol', '', protocolText) ?? 'http'
  const headers = optional(asked, 'headers', '', headerList) ?? []
  if (protocol === 'grpc' && headerOf(headers, 'content-type') === '')
    headers.push('content-type', 'application/grpc')
  return {
    workload: {
      namespace: optional(workload, 'namespace', 'workload', string) ?? 'default',
      name: optional(workload, 'name', 'workload', string) ?? '',
      labels: optional(workload, 'labels', 'workload', strings) ?? {},
    },
    protocol,
    principalUri: optional(source, 'principal', 'source', principal) ?? '',
    sourceIp: optional(source, 'ip', 'source', ip) ?? unspecified,
    remoteIp: optional(source, 'remoteIp', 'source', ip),
    destinationIp: optional(destination, 'ip', 'destination', ip) ?? unspecified,
    destinationPort: optional(destination, 'port', 'destination', port) ?? 0,
    sni: optional(asked, 'sni', '', string) ?? '',
    method: optional(asked, 'method', '', token) ?? (protocol === 'grpc' ? 'POST' : 'GET'),
    path: optional(asked, 'path', '', bytes) ?? '/',
    host: optional(asked, 'host', '', fieldValue) ?? headerOf(headers, 'host'),
    headers,
    claims: optional(asked, 'claims', '', map),
    custom: optional(asked, 'custom', '', givenAnswer),
  }
}

/** Here a field nobody knows is refused: what an authorizer says must not be misread. */
const givenAnswer: Decoder<GivenAnswer> = (input, at) => {
  const known = ['provider', 'allowed', 'error', 'status', 'headers', 'removeHeaders', 'body']
  const said = record(input, at, known)
  const failed = optional(said, 'error', at, boolean) ?? false
  const allowed = failed ? false : required(said, 'allowed', at, boolean)
  if (said.has('status') && (failed || allowed))
    throw new DecodeProblem(member(at, 'status'), 'is of a denial: allowed must be false')
  return {
    provider: optional(said, 'provider', at, string),
    says: failed ? 'error' : allowed ? 'allow' : 'deny',
    status: optional(said, 'status', at, integer(200, 599)) ?? 403,
    headers: optional(said, 'headers', at, headerList) ?? [],
    removeHeaders: items(said, 'removeHeaders', at, token),
    body: optional(said, 'body', at, bytes) ?? '',
  }
}

/** Peers send UTF-8 where they send more than ASCII, and the proxy reads bytes. */
const bytes: Decoder<string> = (input, at) => {
  const value = string(input, at)
  return /^[\x00-\x7f]*$/.test(value) ? value : Buffer.from(value).toString('latin1')
}

const token: Decoder<string> = (input, at) => {
  const value = string(input, at)
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value)) throw expected('an HTTP token', input, at)
  return value
}

const fieldValue: Decoder<string> = (input, at) => {
  const value = bytes(input, at)
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw new DecodeProblem(at, 'expected no control characters')
  return value.replace(/^[ \t]+|[ \t]+$/g, '')
}

const protocolText = oneOf(['http', 'grpc', 'tcp'])

const ip: Decoder<Ip> = (input, at) => {
  const parsed = typeof input === 'string' ? parseIp(input) : null
  if (parsed === null) throw expected('an IP address', input, at)
  return parsed
}

const port = integer(0, 65535)

/** `cluster.local/ns/shop/sa/web`; '' is a peer without mTLS. */
const principal: Decoder<string> = (input, at) => {
  const value = string(input, at)
  if (value === '') return ''
  const id = parseSpiffeId(`spiffe://${value}`)
  if (id === null) throw expected('a SPIFFE identity without spiffe://', input, at)
  return id.uri
}

const headerList: Decoder<string[]> = (input, at) =>
  Object.entries(map(input, at)).flatMap(([written, values]) => {
    const here = member(at, written)
    const name = token(written, here).toLowerCase()
    const list: readonly unknown[] = Array.isArray(values) ? values : [values]
    return list.flatMap((value) => [name, fieldValue(value, here)])
  })

/** The first of that name, or ''. */
export function headerOf(headers: readonly string[], name: string): string {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1] as string
  return ''
}
