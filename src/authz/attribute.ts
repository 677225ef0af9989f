/**
 * Everything a policy field or condition key may look at (policy-semantics §1.3), by the key it goes by. What cannot be
 * judged is named as such; what follows from that is `compile-rule.ts`'s work.
 */
import { parseCidr } from '../address/cidr.ts'
import { pathTemplateProblem } from '../policy/path-template.ts'
import { claimPath } from './claim.ts'
import { connectionAttributes, type ConnectionAttribute } from './connection-attribute.ts'
import { RequestField } from './request-test.ts'

export interface RequestAttribute {
  readonly phase: 'request'
  readonly key: string
  readonly field: RequestField
  /** Lower-case header name, else ''. */
  readonly header: string
  /** Names of a claim, else empty. */
  readonly claim: readonly string[]
  /** Whether one value can be judged at all. */
  readonly judges: (value: string) => boolean
}

/** Unknown keys, and those this program cannot judge: dynamic metadata of other filters, which it does not have. */
export interface Unjudged {
  readonly phase: 'unjudged'
  readonly key: string
}

export type Attribute = ConnectionAttribute | RequestAttribute | Unjudged

export type Protocol = 'http' | 'tcp'

const always = (): boolean => true

function ofRequest(
  key: string,
  field: RequestField,
  more: Partial<Pick<RequestAttribute, 'header' | 'claim' | 'judges'>> = {},
): RequestAttribute {
  const { header = '', claim = [], judges = always } = more
  return { phase: 'request', key, field, header, claim, judges }
}

/** Fields of an operation without a condition key go by their own names; a condition cannot name them. */
export const hosts = ofRequest('hosts', RequestField.host)
export const methods = ofRequest('methods', RequestField.method)
export const paths = ofRequest('paths', RequestField.path, {
  judges: (value) => pathTemplateProblem(value) === null,
})

const tokenKeys: Readonly<Record<string, RequestAttribute>> = {
  'request.auth.principal': ofRequest('request.auth.principal', RequestField.principal),
  // Both are claims like any other: a text that fits, or a list in which one does (policy-semantics §1.5).
  'request.auth.audiences': ofRequest('request.auth.audiences', RequestField.claim, { claim: ['aud'] }),
  'request.auth.presenter': ofRequest('request.auth.presenter', RequestField.claim, { claim: ['azp'] }),
}

const remoteIp = ofRequest('remote.ip', RequestField.remoteIp, {
  judges: (value) => parseCidr(value) !== null,
})

/** The attribute a `when` key names; the fields of a source go by their key too. */
export function attributeOf(key: string, protocol: Protocol): Attribute {
  if (Object.hasOwn(connectionAttributes, key)) return connectionAttributes[key] as Attribute
  if (key === 'remote.ip') {
    // Without a header to read it from, the client is the socket peer (policy-semantics §1.8).
    return protocol === 'http' ? remoteIp : (connectionAttributes['source.ip'] as Attribute)
  }
  if (Object.hasOwn(tokenKeys, key)) return tokenKeys[key] as Attribute
  const claim = claimPath(key)
  if (claim !== null) return ofRequest(key, RequestField.claim, { claim })
  if (key.startsWith(headerKey) && key.endsWith(']')) return headerOf(key, key.slice(headerKey.length, -1))
  return { phase: 'unjudged', key }
}

const headerKey = 'request.headers['

function headerOf(key: string, name: string): Attribute {
  const header = name.toLowerCase()
  if (header === '' || /[[\]]/.test(header)) return { phase: 'unjudged', key }
  if (header === 'host' || header === ':authority') return ofRequest(key, RequestField.authority)
  if (header === ':method') return ofRequest(key, RequestField.method)
  if (header === ':path') return ofRequest(key, RequestField.target)
  // A request context has no scheme and no extended-CONNECT protocol to ask about.
  if (header.startsWith(':')) return { phase: 'unjudged', key }
  return ofRequest(`${headerKey}${header}]`, RequestField.header, { header })
}
