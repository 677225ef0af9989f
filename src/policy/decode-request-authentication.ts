/**
 * RequestAuthentication, unknown to typed (policy-semantics §6.1, §8.2). It judges what is written, fetches no keys and
 * verifies no token.
 */
import { attempt, DecodeProblem, expected } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import {
  boolean,
  corner,
  items,
  list,
  nonEmptyString,
  oneOf,
  optional,
  record,
  required,
  string,
} from '../decode/decode.ts'
import type { Decoder, Fields } from '../decode/decode.ts'
import { duration } from '../decode/duration.ts'
import { decodeHeaderName } from './decode-header-name.ts'
import { decodeKeySource, defaultTimeoutMs } from './decode-key-source.ts'
import { specFields } from './decode-meta.ts'
import { decodeSelector, decodeTargets } from './decode-selector.ts'
import type {
  ClaimToHeader,
  HeaderLocation,
  JwtRule,
  RequestAuthentication,
} from './request-authentication.ts'
import type { RawResource, ResourceMeta } from './resource.ts'
import type { TokenRefusal } from './token-refusal.ts'

const mostRules = 4096
const mostSpaceDelimitedClaims = 64

const ruleFields = [
  'issuer',
  'audiences',
  'jwksUri',
  'jwks',
  'fromHeaders',
  'fromParams',
  'fromCookies',
  'outputPayloadToHeader',
  'outputClaimToHeaders',
  'forwardOriginalToken',
  'timeout',
  'presence',
  'spaceDelimitedClaims',
]

/**
 * Headers that frame or route a message. Every request loses the client's copies of output headers, and none of these
 * can be lost without the application reading another request than the one that was judged.
 */
const untouchable = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'upgrade',
  'te',
  'trailer',
  'expect',
])

export function decodeRequestAuthentication(
  raw: RawResource,
  meta: ResourceMeta,
  warnings: string[],
): RequestAuthentication {
  const spec = specFields(raw, ['selector', 'targetRef', 'targetRefs', 'jwtRules'])
  const targetsGateway = decodeTargets(spec, 'spec')
  const selector = decodeSelector(spec, 'spec', warnings)
  const jwtRules = items(spec, 'jwtRules', 'spec', (input, at) => decodeRule(input, at, warnings), mostRules)
  return { meta, selector, targetsGateway, jwtRules, legacy: null }
}

function decodeRule(input: unknown, at: Path, warnings: string[]): JwtRule {
  const fields = record(input, at, ruleFields)
  const { issuer, jwksUri, jwks } = decodeKeySource(fields, at, warnings)
  return {
    issuer,
    audiences: items(fields, 'audiences', at, nonEmptyString),
    jwksUri,
    jwks,
    fromHeaders: items(fields, 'fromHeaders', at, decodeHeaderLocation),
    fromParams: items(fields, 'fromParams', at, nonEmptyString),
    fromCookies: items(fields, 'fromCookies', at, nonEmptyString),
    outputPayloadToHeader: optional(fields, 'outputPayloadToHeader', at, decodePayloadHeader),
    outputClaimToHeaders: items(fields, 'outputClaimToHeaders', at, decodeClaimToHeader),
    forwardOriginalToken: optional(fields, 'forwardOriginalToken', at, boolean) ?? false,
    spaceDelimitedClaims:
      optional(fields, 'spaceDelimitedClaims', at, list(nonEmptyString, mostSpaceDelimitedClaims)) ?? [],
    timeoutMs: optional(fields, 'timeout', at, decodeTimeout) ?? defaultTimeoutMs,
    presence: optional(fields, 'presence', at, oneOf(['OPTIONAL', 'REQUIRED'])) ?? 'OPTIONAL',
    triggers: [],
  }
}

function decodeHeaderLocation(input: unknown, at: Path): HeaderLocation {
  const fields = record(input, at, ['name', 'prefix'])
  return {
    name: required(fields, 'name', at, decodeHeaderName),
    prefix: optional(fields, 'prefix', at, string) ?? '',
  }
}

function decodeOutputHeader(input: unknown, at: Path): string {
  const name = nonEmptyString(input, at)
  if (!/^[-_A-Za-z0-9]+$/.test(name)) throw expected('a header name of A-Z, a-z, 0-9, "-" and "_"', input, at)
  const lower = name.toLowerCase()
  if (untouchable.has(lower)) {
    throw new DecodeProblem(at, `the header "${lower}" frames or routes the request and cannot be replaced`)
  }
  return lower
}

// Unlike a claim's header, this one may be written empty for none.
const decodePayloadHeader = (input: unknown, at: Path): string | null =>
  input === '' ? null : decodeOutputHeader(input, at)

function decodeClaimToHeader(input: unknown, at: Path): ClaimToHeader {
  const fields = record(input, at, ['header', 'claim'])
  return {
    header: required(fields, 'header', at, decodeOutputHeader),
    claim: required(fields, 'claim', at, nonEmptyString),
  }
}

function decodeTimeout(input: unknown, at: Path): number {
  const ms = duration(input, at)
  if (ms < 1) throw expected('a duration of at least 1ms', input, at)
  return ms
}

/**
 * Of a refused object: every place a token may be in and every header it would have filled, as far as they can be read.
 * What is damaged is skipped, so that the rest still closes.
 */
export function salvageTokenUse(raw: RawResource): Pick<TokenRefusal, 'locations' | 'outputs'> {
  const fromHeaders: HeaderLocation[] = []
  const fromParams: string[] = []
  const fromCookies: string[] = []
  const outputs: string[] = []
  const spec = attempt(() => corner(raw.object['spec'] ?? {}, '', ['jwtRules']))
  const asFields = (input: unknown): Fields => corner(input, '', ruleFields)
  for (const fields of spec.ok ? salvaged(spec.value, 'jwtRules', asFields) : []) {
    fromHeaders.push(...salvaged(fields, 'fromHeaders', decodeHeaderLocation))
    fromParams.push(...salvaged(fields, 'fromParams', nonEmptyString))
    fromCookies.push(...salvaged(fields, 'fromCookies', nonEmptyString))
    outputs.push(...salvaged(fields, 'outputClaimToHeaders', decodeClaimToHeader).map(({ header }) => header))
    const payload = attempt(() => optional(fields, 'outputPayloadToHeader', '', decodePayloadHeader))
    if (payload.ok && payload.value !== null) outputs.push(payload.value)
  }
  return { locations: { fromHeaders, fromParams, fromCookies }, outputs }
}

/** The items of a list that decode. */
function salvaged<T>(fields: Fields, key: string, decode: Decoder<T>): T[] {
  const input = fields.get(key)
  if (!Array.isArray(input)) return []
  return input.slice(0, mostRules).flatMap((item) => {
    const read = attempt(() => decode(item, ''))
    return read.ok ? [read.value] : []
  })
}
