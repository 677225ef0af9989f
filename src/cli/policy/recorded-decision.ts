/**
 * One line of a decision log, decoded: what was asked, as far as it was told, and what was decided. A line of another version
 * or with anything amiss is refused with the path of the field; nothing is filled in for it.
 */
import { formatIp, parseIp } from '../../address/ip.ts'
import type { Ip } from '../../address/ip.ts'
import { attempt, DecodeProblem, expected } from '../../decode/decode-problem.ts'
import {
  boolean,
  corner,
  integer,
  list,
  map,
  mapOf,
  oneOf,
  optional,
  required,
  string,
  strings,
} from '../../decode/decode.ts'
import type { Decoder } from '../../decode/decode.ts'
import type { PathNormalizationMode } from '../../match/path-normalization.ts'
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts'
import { decisionLineVersion } from '../../telemetry/decision-line.ts'
import type { AskedWorkload } from './question.ts'

/** Text of the request is one char code a byte, as the wire has it. */
export interface Recorded {
  readonly workload: AskedWorkload
  readonly protocol: 'http' | 'grpc' | 'tcp'
  /** `spiffe://…`, or '' for a peer without mTLS. */
  readonly principalUri: string
  readonly sourceIp: Ip
  /** null = nobody read the request. */
  readonly remoteIp: Ip | null
  readonly destinationIp: Ip
  readonly destinationPort: number
  readonly sni: string
  readonly mtls: string
  /** null on connections. */
  readonly request: RecordedRequest | null
  /** What the authorizer of a CUSTOM rule said: `PROVIDER:allowed`; null = nobody was asked. */
  readonly authorizer: string | null
  /** HTTP/2 that was carried unread. */
  readonly unread: boolean
  readonly verdict: RecordedVerdict
  /** So many decisions like it were made, about. */
  readonly weight: number
}

export interface RecordedRequest {
  readonly method: string
  readonly host: string
  readonly path: string
  /** null = it was refused unread, so that nothing of it is known. */
  readonly headers: ReadonlyMap<string, readonly string[]> | null
  readonly claims: Readonly<Record<string, unknown>> | null
  /** Condition keys that are answered above, by absence too. */
  readonly asked: ReadonlySet<string>
  readonly values: string
  readonly token: 'none' | 'verified' | 'refused' | 'peer' | null
  readonly bears: ReadonlySet<string>
  readonly tokenRules: string | null
  readonly tokenHeaders: ReadonlySet<string>
  readonly normalization: PathNormalizationMode
}

export interface RecordedVerdict {
  readonly allowed: boolean
  readonly action: string | null
  readonly policy: string | null
  readonly rule: number | null
  readonly reason: string
}

export type ReadRecorded =
  { readonly ok: true; readonly recorded: Recorded } | { readonly ok: false; readonly reason: string }

export function readRecorded(line: string): ReadRecorded {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    // What was wrong with it would quote it.
    return { ok: false, reason: 'not JSON' }
  }
  const read = attempt(() => decode(value))
  return read.ok ? { ok: true, recorded: read.value } : read
}

const fields = (
  'v workload protocol source destination sni mtls method host path headers claims asked values token bears ' +
  'tokenRules tokenHeaders normalization authorizer unread verdict action policy rule reason sample'
).split(' ')

function decode(value: unknown): Recorded {
  const line = corner(value, '', fields)
  const v = required(line, 'v', '', integer(0, 1_000_000))
  if (v !== decisionLineVersion) throw new DecodeProblem('v', `expected ${decisionLineVersion}, found ${v}`)
  const workload = corner(required(line, 'workload', '', map), 'workload', ['namespace', 'name', 'labels'])
  const source = corner(required(line, 'source', '', map), 'source', ['principal', 'ip', 'remoteIp'])
  const destination = corner(required(line, 'destination', '', map), 'destination', ['ip', 'port'])
  const protocol = required(line, 'protocol', '', oneOf(['http', 'grpc', 'tcp']))
  const sample = required(line, 'sample', '', share)
  return {
    workload: {
      namespace: required(workload, 'namespace', 'workload', string),
      name: required(workload, 'name', 'workload', string),
      labels: required(workload, 'labels', 'workload', strings),
    },
    protocol,
    principalUri: optional(source, 'principal', 'source', principal) ?? '',
    sourceIp: required(source, 'ip', 'source', ip),
    remoteIp: optional(source, 'remoteIp', 'source', ip),
    destinationIp: required(destination, 'ip', 'destination', ip),
    destinationPort: required(destination, 'port', 'destination', integer(0, 65535)),
    sni: optional(line, 'sni', '', string) ?? '',
    mtls: required(line, 'mtls', '', string),
    request: protocol === 'tcp' ? null : decodeRequest(line),
    authorizer: optional(line, 'authorizer', '', string),
    unread: required(line, 'unread', '', boolean),
    verdict: {
      allowed: required(line, 'verdict', '', oneOf(['allowed', 'denied'])) === 'allowed',
      action: optional(line, 'action', '', string),
      policy: optional(line, 'policy', '', string),
      rule: optional(line, 'rule', '', integer(0, 1_000_000)),
      reason: required(line, 'reason', '', string),
    },
    weight: 1 / sample,
  }
}

function decodeRequest(line: ReadonlyMap<string, unknown>): RecordedRequest {
  const headers = optional(line, 'headers', '', mapOf(list(string)))
  return {
    method: required(line, 'method', '', string),
    host: optional(line, 'host', '', string) ?? '',
    path: required(line, 'path', '', string),
    headers: headers === null ? null : new Map(Object.entries(headers)),
    claims: optional(line, 'claims', '', map),
    asked: new Set(required(line, 'asked', '', list(string))),
    values: required(line, 'values', '', string),
    token: optional(line, 'token', '', oneOf(['none', 'verified', 'refused', 'peer'])),
    bears: new Set(required(line, 'bears', '', list(string))),
    tokenRules: optional(line, 'tokenRules', '', string),
    tokenHeaders: new Set(required(line, 'tokenHeaders', '', list(string))),
    normalization: required(line, 'normalization', '', oneOf(modes)),
  }
}

const modes = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES', 'STRICT'] as const

const principal: Decoder<string> = (input, at) => {
  const value = string(input, at)
  const id = parseSpiffeId(`spiffe://${value}`)
  if (id === null) throw expected('a SPIFFE identity without spiffe://', input, at)
  return id.uri
}

const ip: Decoder<Ip> = (input, at) => {
  const parsed = parseIp(string(input, at))
  if (parsed === null) throw expected('an IP address', input, at)
  return parsed
}

const share: Decoder<number> = (input, at) => {
  if (typeof input !== 'number' || !(input > 0 && input <= 1)) throw expected('a number up to 1', input, at)
  return input
}

/** For reports. */
export const callerOf = ({ principalUri, sourceIp }: Recorded): string =>
  principalUri === '' ? `plaintext ${formatIp(sourceIp)}` : principalUri.slice('spiffe://'.length)
