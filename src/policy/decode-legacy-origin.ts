/**
 * One origin of a legacy policy, unknown to typed: the token rule it comes to, with the paths that trigger it
 * (policy-semantics §7). Regular expressions are tried here, so that none is met for the first time by a request.
 */
import { DecodeProblem, quoted } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { items, nonEmptyString, record, required } from '../decode/decode.ts'
import type { Decoder } from '../decode/decode.ts'
import { compileRegex } from '../match/linear-regex.ts'
import { decodeHeaderName } from './decode-header-name.ts'
import { decodeKeySource, defaultTimeoutMs } from './decode-key-source.ts'
import type { JwtRule } from './request-authentication.ts'
import type { PathMatch, TriggerRule } from './trigger-rule.ts'

const jwtFields = ['issuer', 'audiences', 'jwksUri', 'jwks', 'jwtHeaders', 'jwtParams', 'triggerRules']
const matchKinds = ['exact', 'prefix', 'suffix', 'regex'] as const
const mostEntries = 1000

export function decodeOrigin(input: unknown, at: Path, warnings: string[]): JwtRule {
  return required(record(input, at, ['jwt']), 'jwt', at, (jwt, path) => decodeJwt(jwt, path, warnings))
}

function decodeJwt(input: unknown, at: Path, warnings: string[]): JwtRule {
  const fields = record(input, at, jwtFields)
  // Without this, a rule with jwksUri would accept every issuer, as its modern kin does.
  required(fields, 'issuer', at, nonEmptyString)
  const keys = decodeKeySource(fields, at, warnings)
  const headers = items(fields, 'jwtHeaders', at, decodeHeaderName, mostEntries)
  if (headers.includes('authorization')) {
    warnings.push(`${at}.jwtHeaders: the whole value of "authorization" is the token, "Bearer" included`)
  }
  const triggers = items(fields, 'triggerRules', at, decodeTrigger, mostEntries)
  warnings.push(...neverFiring(triggers, `${at}.triggerRules`))
  return {
    ...keys,
    audiences: items(fields, 'audiences', at, nonEmptyString),
    fromHeaders: headers.map((name) => ({ name, prefix: '' })),
    fromParams: items(fields, 'jwtParams', at, nonEmptyString, mostEntries),
    fromCookies: [],
    outputPayloadToHeader: null,
    outputClaimToHeaders: [],
    forwardOriginalToken: true,
    spaceDelimitedClaims: [],
    timeoutMs: defaultTimeoutMs,
    presence: 'OPTIONAL',
    triggers,
  }
}

const decodeTrigger: Decoder<TriggerRule> = (input, at) => {
  const fields = record(input, at, ['excludedPaths', 'includedPaths'])
  return {
    excluded: items(fields, 'excludedPaths', at, decodePathMatch, mostEntries),
    included: items(fields, 'includedPaths', at, decodePathMatch, mostEntries),
  }
}

const decodePathMatch: Decoder<PathMatch> = (input, at) => {
  const fields = record(input, at, matchKinds)
  const [kind, ...others] = matchKinds.filter((name) => fields.has(name))
  if (kind === undefined) throw new DecodeProblem(at, `one of ${matchKinds.join(', ')} must be set`)
  if (others.length > 0) {
    throw new DecodeProblem(
      at,
      `only one of ${matchKinds.join(', ')} can be set, found ${[kind, ...others].join(' and ')}`,
    )
  }
  return { kind, text: required(fields, kind, at, kind === 'regex' ? regex : nonEmptyString) }
}

const regex: Decoder<string> = (input, at) => {
  const text = nonEmptyString(input, at)
  const made = compileRegex(text)
  if (!made.ok)
    throw new DecodeProblem(at, `${quoted(text)} cannot be matched in linear time or at all: ${made.reason}`)
  return text
}

/** A rule whose included paths are of that kind never asks for a token; whoever wrote it meant it to. */
function neverFiring(triggers: readonly TriggerRule[], at: Path): string[] {
  return triggers.flatMap(({ included }, index) => {
    const blind = included.find(isBlind)
    return blind === undefined
      ? []
      : [
          `${at}[${index}].includedPaths: ${quoted(blind.text)} never matches: paths begin with "/" and end before "?"`,
        ]
  })
}

function isBlind({ kind, text }: PathMatch): boolean {
  if (kind === 'regex') return false
  return /[?#]/.test(text) || (kind !== 'suffix' && !text.startsWith('/'))
}
