/**
 * Everything a policy field or condition key may look at (policy-semantics §1.3), and how one list of values becomes a
 * question to it. What cannot be judged is named as such; what follows from that is `compile.ts`'s work.
 */
import { cidrContains, parseCidr, type Cidr } from '../address/cidr.ts'
import type { Ip } from '../address/ip.ts'
import { type ConnectionTest, RequestField } from './compiled-policy.ts'
import { matchNamespace, matchPrincipals, matchServiceAccount, matchTrustDomains } from './identity-match.ts'
import { TextSet } from './text-set.ts'
import { expandPrincipal, expandTrustDomain, type TrustBundle } from './trust-domain-aliases.ts'

export interface AttributeScope {
  /** Namespace of the policy: completes the short form of a service account. */
  readonly namespace: string
  readonly bundle: TrustBundle
}

export type Attribute =
  | {
      readonly kind: 'connection'
      /** Whether one value can be judged at all. */
      readonly judges: (value: string) => boolean
      /** Any of the values, all of them judgeable. */
      readonly any: (values: readonly string[], scope: AttributeScope) => ConnectionTest
    }
  | {
      readonly kind: 'request'
      readonly field: RequestField
      readonly header: string
      readonly judges: (value: string) => boolean
    }
  /** Unknown keys, and those this program cannot judge: claims, client addresses from headers, dynamic metadata. */
  | { readonly kind: 'unjudged' }

const always = (): boolean => true
const unjudged: Attribute = { kind: 'unjudged' }

function ofRequest(field: RequestField, header = '', judges: (value: string) => boolean = always): Attribute {
  return { kind: 'request', field, header, judges }
}

function ofAddress(read: (connection: Parameters<ConnectionTest>[0]) => Ip): Attribute {
  return {
    kind: 'connection',
    judges: (value) => parseCidr(value) !== null,
    any: (values) => {
      const ranges = values.map(parseCidr).filter((range): range is Cidr => range !== null)
      return (connection) => ranges.some((range) => cidrContains(range, read(connection)))
    },
  }
}

function portOf(value: string): number | null {
  const port = Number(value)
  return String(port) === value && Number.isInteger(port) && port >= 0 && port <= 65535 ? port : null
}

const connectionKeys: Readonly<Record<string, Attribute>> = {
  'source.principal': {
    kind: 'connection',
    judges: always,
    any: (values, { bundle }) => {
      const matches = matchPrincipals(values.flatMap((value) => expandPrincipal(value, bundle)))
      return (connection) => matches(connection.principalUri)
    },
  },
  'source.namespace': {
    kind: 'connection',
    judges: always,
    any: (values) => {
      const matches = values.map(matchNamespace)
      return (connection) => matches.some((match) => match(connection.principalUri))
    },
  },
  'source.serviceAccount': {
    kind: 'connection',
    judges: (value) => value.split('/').length <= 2,
    any: (values, { namespace }) => {
      const matches = values.map((value) => {
        const slash = value.indexOf('/')
        return slash < 0
          ? matchServiceAccount(namespace, value)
          : matchServiceAccount(value.slice(0, slash), value.slice(slash + 1))
      })
      return (connection) => matches.some((match) => match(connection.principalUri))
    },
  },
  'source.trustDomain': {
    kind: 'connection',
    judges: (value) => !value.includes('/'),
    any: (values, { bundle }) => {
      const matches = matchTrustDomains(values.flatMap((value) => expandTrustDomain(value, bundle)))
      return (connection) => matches(connection.principalUri)
    },
  },
  'source.ip': ofAddress((connection) => connection.sourceIp),
  'destination.ip': ofAddress((connection) => connection.destinationIp),
  'destination.port': {
    kind: 'connection',
    judges: (value) => portOf(value) !== null,
    any: (values) => {
      const ports = new Set(values.map(portOf))
      return (connection) => ports.has(connection.destinationPort)
    },
  },
  'connection.sni': {
    kind: 'connection',
    judges: always,
    any: (values) => {
      const set = new TextSet(values)
      return (connection) => connection.sni !== '' && set.has(connection.sni)
    },
  },
}

/** `hosts` ignores case, the port stays part of the text (policy-semantics §1.6). */
export const hosts = ofRequest(RequestField.host)
export const methods = ofRequest(RequestField.method)
/** Templates and stray braces are not judged. */
export const paths = ofRequest(RequestField.path, '', (value) => !/[{}]/.test(value))

const headerKey = 'request.headers['

/** The attribute a `when` key names; the fields of a source go by their key too. */
export function attributeOf(key: string): Attribute {
  if (key.startsWith(headerKey) && key.endsWith(']')) return headerOf(key.slice(headerKey.length, -1))
  return Object.hasOwn(connectionKeys, key) ? (connectionKeys[key] as Attribute) : unjudged
}

function headerOf(name: string): Attribute {
  const header = name.toLowerCase()
  if (header === '' || /[[\]]/.test(header)) return unjudged
  if (header === 'host' || header === ':authority') return ofRequest(RequestField.authority)
  if (header === ':method') return ofRequest(RequestField.method)
  if (header === ':path') return ofRequest(RequestField.target)
  // A request context has no scheme and no extended-CONNECT protocol to ask about.
  return header.startsWith(':') ? unjudged : ofRequest(RequestField.header, header)
}
