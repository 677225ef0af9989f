/**
 * Where the keys of a token rule come from, unknown to typed: inline, by URI, or by discovery (policy-semantics §6.1, §8.2).
 * It fetches none.
 */
import { DecodeProblem, expected } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { nonEmptyString, optional, string } from '../decode/decode.ts'
import type { Fields } from '../decode/decode.ts'
import { holdsSecret, readKeySetText } from './key-set-text.ts'
import type { JwtRule } from './request-authentication.ts'

/** For one fetch, unless the rule says otherwise. */
export const defaultTimeoutMs = 5000
const longestUri = 2048

type KeySource = Pick<JwtRule, 'issuer' | 'jwksUri' | 'jwks'>

export function decodeKeySource(fields: Fields, at: Path, warnings: string[]): KeySource {
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
