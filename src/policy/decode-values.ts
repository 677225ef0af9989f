/**
 * The value lists of AuthorizationPolicy: one field with its not-twin, and the grammar each kind of value must have
 * (policy-semantics §1.3, §8.1). What a value matches is for the compiler.
 */
import { parseCidr } from '../address/cidr.ts'
import { DecodeProblem, expected } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { items, nonEmptyString, string } from '../decode/decode.ts'
import type { Decoder, Fields } from '../decode/decode.ts'
import type { Values } from './authorization-policy.ts'
import { pathTemplateProblem } from './path-template.ts'

/** `principals` and `notPrincipals` at once; null when both are absent or empty. */
export function twins(
  fields: Fields,
  key: string,
  at: Path,
  decode: Decoder<string>,
  most?: number,
): Values | null {
  const values = items(fields, key, at, decode, most)
  const notValues = items(fields, notTwin(key), at, decode, most)
  return values.length === 0 && notValues.length === 0 ? null : { values, notValues }
}

export const notTwin = (key: string): string => `not${key.charAt(0).toUpperCase()}${key.slice(1)}`

/** Any text but the empty one. */
export const text = nonEmptyString

export function ipBlock(input: unknown, at: Path): string {
  const value = nonEmptyString(input, at)
  if (parseCidr(value) === null) throw expected('an IP address or CIDR', input, at)
  return value
}

/** In its only spelling: `080` is port 80. */
export function portText(input: unknown, at: Path): string {
  const value = string(input, at)
  if (!/^\d+$/.test(value) || Number(value) > 65535) throw expected('a port from 0 to 65535', input, at)
  return String(Number(value))
}

export function trustDomain(input: unknown, at: Path): string {
  const value = nonEmptyString(input, at)
  if (value.includes('/')) throw expected('a trust domain without "/"', input, at)
  const stars = value.split('*').length - 1
  if (stars > 1 || (stars === 1 && !value.startsWith('*') && !value.endsWith('*'))) {
    throw expected('a trust domain with at most one "*", at its start or end', input, at)
  }
  return value
}

/** Completes `sa` to `namespace/sa` with the policy's own namespace. A star has no meaning here and would never match. */
export function serviceAccount(namespace: string): Decoder<string> {
  return (input, at) => {
    const value = nonEmptyString(input, at)
    if (value.length > 320)
      throw new DecodeProblem(at, `expected at most 320 characters, found ${value.length}`)
    const parts = value.split('/')
    if (parts.length > 2 || parts.some((part) => part === '') || value.includes('*')) {
      throw expected('"namespace/account" or "account", without "*"', input, at)
    }
    return parts.length === 2 ? value : `${namespace}/${value}`
  }
}

export function path(input: unknown, at: Path): string {
  const value = nonEmptyString(input, at)
  const problem = pathTemplateProblem(value)
  if (problem !== null) throw expected(problem, input, at)
  return value
}

/** Most values of a serviceAccounts list (policy-semantics §8.1). */
export const mostServiceAccounts = 16

/** Of each value of a `when` key, and how many there may be; the namespace is the policy's. */
type Grammar = (namespace: string) => { readonly decode: Decoder<string>; readonly most?: number }
const plainly =
  (decode: Decoder<string>): Grammar =>
  () => ({ decode })
const plainText = plainly(text)
const grammars: Readonly<Record<string, Grammar>> = {
  'source.ip': plainly(ipBlock),
  'remote.ip': plainly(ipBlock),
  'destination.ip': plainly(ipBlock),
  'destination.port': plainly(portText),
  'source.trustDomain': plainly(trustDomain),
  'source.serviceAccount': (namespace) => ({
    decode: serviceAccount(namespace),
    most: mostServiceAccounts,
  }),
  'source.principal': plainText,
  'source.namespace': plainText,
  'connection.sni': plainText,
  'request.auth.principal': plainText,
  'request.auth.audiences': plainText,
  'request.auth.presenter': plainText,
}

const bracketed = [
  { form: 'request.headers[name]', shape: /^request\.headers\[[^[\]\s]+\]$/ },
  { form: 'request.auth.claims[name]', shape: /^request\.auth\.claims(\[[^[\]]+\])+$/ },
  {
    form: 'experimental.envoy.filters.name[key]',
    shape: /^experimental\.envoy\.filters\.[^[\]\s]+\[[^[\]]+\]$/,
  },
]

/** The grammar of a `when` key's values; a key nobody knows is refused (policy-semantics §1.3). */
export function conditionGrammar(key: string, at: Path): Grammar {
  const known = Object.hasOwn(grammars, key) ? grammars[key] : undefined
  if (known !== undefined) return known
  for (const { form, shape } of bracketed) {
    if (shape.test(key)) return plainText
    const stem = form.slice(0, form.indexOf('[')).replace(/\.name$/, '.')
    if (key.startsWith(stem)) throw expected(`a key of the form ${form}`, key, at)
  }
  throw expected('a known key such as source.ip or request.headers[name]', key, at)
}
