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
import { specFields } from './decode-meta.ts'
import { decodeSelector, decodeTargets } from './decode-selector.ts'
import { holdsSecret, readKeySetText } from './key-set-text.ts'
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
const longestUri = 2048
const defaultTimeoutMs = 5000

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
  return { meta, selector, targetsGateway, jwtRules }
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
  }
}

type KeySource = Pick<JwtRule, 'issuer' | 'jwksUri' | 'jwks'>

function decodeKeySource(fields: Fields, at: Path, warnings: string[]): KeySource {
  const issuer = optional(fields, 'issuer', at, nonEmptyString)
  const jwksUri = optional(fields, 'jwksUri', at, decodeUri)
  // The empty text is how a message without the field arrives.
  const jwks =
    optional(fields, 'jwks', at, (input, path) =>
      input === '' ? null : decodeInlineKeys(input, path, warnings),
    ) ?? null
  if (jwksUri !== null && jwks !== null) {
    throw new DecodeProblem(at, 'only one of jwksUri and jwks can be set, found both')
  }
  if (issuer === null) {
    if (jwksUri === null) throw new DecodeProblem(`${at}.issuer`, 'must be set (or jwksUri)')
    warnings.push(`${at}: no issuer: tokens of every issuer pass that a key of jwksUri signed`)
  } else if (jwksUri === null && jwks === null && !isHttpUrl(issuer)) {
    warnings.push(`${at}: neither jwksUri nor jwks, and the issuer is no URL to discover keys by`)
  }
  return { issuer: issuer ?? '', jwksUri, jwks }
}

function decodeUri(input: unknown, at: Path): string {
  const text = string(input, at)
  if (!isHttpUrl(text)) throw expected('an http:// or https:// URL', input, at)
  return text
}

/** The WHATWG parser drops blanks and controls in silence; a URL that has any is not what it looks like. */
function isHttpUrl(text: string): boolean {
  if (text.length > longestUri || !/^https?:\/\/[\x21-\x7e]+$/i.test(text)) return false
  const url = URL.parse(text)
  return url !== null && url.hostname !== '' && url.username === '' && url.password === ''
}

function decodeInlineKeys(input: unknown, at: Path, warnings: string[]): string {
  const text = string(input, at)
  const read = readKeySetText(text)
  if (!read.ok) throw new DecodeProblem(at, `expected a JSON Web Key Set: ${read.fault}`)
  if (read.keys.some(holdsSecret)) {
    warnings.push(`${at}: holds private key material, which whoever reads the configuration can sign with`)
  }
  return text
}

function decodeHeaderLocation(input: unknown, at: Path): HeaderLocation {
  const fields = record(input, at, ['name', 'prefix'])
  return {
    name: required(fields, 'name', at, decodeHeaderName),
    prefix: optional(fields, 'prefix', at, string) ?? '',
  }
}

function decodeHeaderName(input: unknown, at: Path): string {
  const name = nonEmptyString(input, at)
  // RFC 9110 §5.6.2 token: no other name can arrive.
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw expected('a header name', input, at)
  return name.toLowerCase()
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
