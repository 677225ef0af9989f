/**
 * What a policy may ask of a connection: identity, addresses, port, SNI. Each value is compiled to one question, so that
 * equal values of many rules are asked once (`connection-index.ts`).
 */
import { cidrContains, parseCidr } from '../address/cidr.ts'
import type { Ip } from '../address/ip.ts'
import { matchNamespace, matchServiceAccount, matchTrustDomain } from './identity-match.ts'
import type { ConnectionContext } from './request-context.ts'
import { expandPrincipal, expandTrustDomain, type TrustBundle } from './trust-domain-aliases.ts'

export interface ValueScope {
  /** Namespace of the policy: completes the short form of a service account. */
  readonly namespace: string
  readonly bundle: TrustBundle
}

export type ConnectionQuestion = (connection: ConnectionContext) => boolean

interface Common {
  readonly phase: 'connection'
  readonly key: string
  /** Whether one value can be judged at all. */
  readonly judges: (value: string) => boolean
  /** The values a written one stands for, in one spelling: aliases, short forms. */
  readonly means: (value: string, scope: ValueScope) => readonly string[]
}

export type ConnectionAttribute =
  /** Generic matching (policy-semantics §1.2) on a text; null = absent. */
  | (Common & { readonly kind: 'text'; readonly read: (connection: ConnectionContext) => string | null })
  /** A question of its own for each value. */
  | (Common & { readonly kind: 'question'; readonly ask: (value: string) => ConnectionQuestion })

const scheme = 'spiffe://'
const itself = (value: string): readonly string[] => [value]
const always = (): boolean => true

function ofAddress(key: string, read: (connection: ConnectionContext) => Ip): ConnectionAttribute {
  return {
    phase: 'connection',
    key,
    judges: (value) => parseCidr(value) !== null,
    means: itself,
    kind: 'question',
    ask: (value) => {
      const block = parseCidr(value)
      return (connection) => block !== null && cidrContains(block, read(connection))
    },
  }
}

function ofIdentity(
  key: string,
  judges: (value: string) => boolean,
  means: (value: string, scope: ValueScope) => readonly string[],
  compile: (value: string) => (uri: string) => boolean,
): ConnectionAttribute {
  const ask = (value: string): ConnectionQuestion => {
    const fits = compile(value)
    return (connection) => fits(connection.principalUri)
  }
  return { phase: 'connection', key, judges, means, kind: 'question', ask }
}

/** A port in its only spelling. */
function isPort(value: string): boolean {
  const port = Number(value)
  return String(port) === value && Number.isInteger(port) && port >= 0 && port <= 65535
}

const attributes: readonly ConnectionAttribute[] = [
  {
    phase: 'connection',
    key: 'source.principal',
    judges: always,
    means: (value, { bundle }) => expandPrincipal(value, bundle),
    kind: 'text',
    // Written without `spiffe://`. Of a name of another scheme only `*` knows: it is present, with nothing to match.
    read: ({ principalUri: uri }) =>
      uri === '' ? null : uri.startsWith(scheme) ? uri.slice(scheme.length) : '',
  },
  ofIdentity('source.namespace', always, itself, matchNamespace),
  ofIdentity(
    'source.serviceAccount',
    (value) => value.split('/').length <= 2,
    (value, { namespace }) => [value.includes('/') ? value : `${namespace}/${value}`],
    (value) => {
      const slash = value.indexOf('/')
      return matchServiceAccount(value.slice(0, slash), value.slice(slash + 1))
    },
  ),
  ofIdentity(
    'source.trustDomain',
    (value) => !value.includes('/'),
    (value, { bundle }) => expandTrustDomain(value, bundle),
    matchTrustDomain,
  ),
  ofAddress('source.ip', (connection) => connection.sourceIp),
  ofAddress('destination.ip', (connection) => connection.destinationIp),
  {
    phase: 'connection',
    key: 'destination.port',
    judges: isPort,
    means: itself,
    kind: 'text',
    // `*` is no port, so generic matching is equality here.
    read: ({ destinationPort }) => String(destinationPort),
  },
  {
    phase: 'connection',
    key: 'connection.sni',
    judges: always,
    means: itself,
    kind: 'text',
    read: ({ sni }) => (sni === '' ? null : sni),
  },
]

export const connectionAttributes: Readonly<Record<string, ConnectionAttribute>> = Object.fromEntries(
  attributes.map((attribute) => [attribute.key, attribute]),
)
