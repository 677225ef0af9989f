/**
 * AuthorizationPolicy as Istio hands it to Envoy's RBAC filters (policy-semantics §1.2–1.5, §5): each value becomes one
 * matcher of Envoy's own. It knows nothing of our compiler and judges nothing.
 */
import type { AuthorizationPolicy, Condition, Rule, Values } from '../../src/policy/authorization-policy.ts'
import { typed } from './running-envoy.ts'

interface Mesh {
  readonly trustDomain: string
  readonly trustDomainAliases: readonly string[]
}

type Matcher = Readonly<Record<string, unknown>>

/** DENY before ALLOW, each only when there is such a policy. */
export function rbacFilters(policies: readonly AuthorizationPolicy[], mesh: Mesh): object[] {
  return (['DENY', 'ALLOW'] as const).flatMap((action) => {
    const own = policies.filter((policy) => policy.action === action)
    if (own.length === 0) return []
    const rules = own.flatMap((policy) => rulesOf(policy, mesh))
    return [
      typed('envoy.filters.http.rbac', 'filters.http.rbac.v3.RBAC', {
        rules: { action, policies: Object.fromEntries(rules) },
      }),
    ]
  })
}

/** Tokens are taken from Authorization, any issuer's, and may be missing. */
export function tokenFilter(jwks: string): object {
  return typed('envoy.filters.http.jwt_authn', 'filters.http.jwt_authn.v3.JwtAuthentication', {
    providers: {
      any: {
        local_jwks: { inline_string: jwks },
        payload_in_metadata: 'payload',
        normalize_payload_in_metadata: { space_delimited_claims: ['scope', 'permission'] },
      },
    },
    rules: [
      {
        match: { prefix: '/' },
        requires: { requires_any: { requirements: [{ provider_name: 'any' }, { allow_missing: {} }] } },
      },
    ],
  })
}

function rulesOf(policy: AuthorizationPolicy, mesh: Mesh): [string, object][] {
  const { name, namespace } = policy.meta
  const id = (index: number): string => `ns[${namespace}]-policy[${name}]-rule[${index}]`
  if (policy.rules.length === 0)
    return [[id(0), { permissions: [{ not_rule: { any: true } }], principals: [{ not_id: { any: true } }] }]]
  return policy.rules.map((rule, index) => [id(index), ruleOf(rule, new Translation(namespace, mesh))])
}

function ruleOf({ from, to, when }: Rule, translation: Translation): object {
  const [ofCaller, ofRequest] = [when.filter(isOfCaller), when.filter((one) => !isOfCaller(one))]
  const keyed = (conditions: readonly Condition[]): [string, Values][] =>
    conditions.map((one): [string, Values] => [one.key, one])
  const sources = from.length === 0 ? [[]] : from.map((one) => named(one, sourceKeys))
  const operations = to.length === 0 ? [[]] : to.map((one) => named(one, operationKeys))
  return {
    principals: sources.map((fields) => translation.all([...fields, ...keyed(ofCaller)], 'ids')),
    permissions: operations.map((fields) => translation.all([...fields, ...keyed(ofRequest)], 'rules')),
  }
}

const isOfCaller = ({ key }: Condition): boolean => !/^(destination|connection)\./.test(key)

const sourceKeys: Readonly<Record<string, string>> = {
  principals: 'source.principal',
  requestPrincipals: 'request.auth.principal',
  namespaces: 'source.namespace',
  serviceAccounts: 'source.serviceAccount',
  trustDomains: 'source.trustDomain',
  ipBlocks: 'source.ip',
  remoteIpBlocks: 'remote.ip',
}
const operationKeys: Readonly<Record<string, string>> = {
  hosts: 'hosts',
  ports: 'destination.port',
  methods: 'methods',
  paths: 'paths',
}

const named = (fields: object, keys: Readonly<Record<string, string>>): [string, Values][] =>
  (Object.entries(fields) as [string, Values | null][]).flatMap(([field, values]): [string, Values][] =>
    values === null ? [] : [[keys[field] ?? field, values]],
  )

const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const regex = (pattern: string): Matcher => ({ safe_regex: { regex: pattern } })

/** Presence, suffix, prefix, exact, tried in this order. */
function text(value: string): Matcher {
  if (value === '*') return regex('.+')
  if (value.startsWith('*')) return { suffix: value.slice(1) }
  return value.endsWith('*') ? { prefix: value.slice(0, -1) } : { exact: value }
}

function header(name: string, value: string, ignoreCase = false): Matcher {
  if (value === '*') return { header: { name, present_match: true } }
  return { header: { name, string_match: { ...text(value), ...(ignoreCase && { ignore_case: true }) } } }
}

function address(value: string): Matcher {
  const [prefix = '', length] = value.split('/')
  return { address_prefix: prefix, prefix_len: Number(length ?? 32) }
}

const metadata = (path: readonly string[], value: Matcher): Matcher => ({
  metadata: {
    filter: 'envoy.filters.http.jwt_authn',
    path: ['payload', ...path].map((key) => ({ key })),
    value,
  },
})
const ofList = (value: string): Matcher => {
  const own = { string_match: text(value) }
  return { or_match: { value_matchers: [{ list_match: { one_of: own } }, own] } }
}

class Translation {
  readonly namespace: string
  readonly bundle: readonly string[]

  constructor(namespace: string, { trustDomain, trustDomainAliases }: Mesh) {
    this.namespace = namespace
    this.bundle = [trustDomain, ...trustDomainAliases]
  }

  /** AND over fields, each any of its values and none of its not-values; `word` is Envoy's name for a list of its kind. */
  all(fields: readonly [string, Values][], word: 'ids' | 'rules'): Matcher {
    const [or, and, not] =
      word === 'ids' ? ['or_ids', 'and_ids', 'not_id'] : ['or_rules', 'and_rules', 'not_rule']
    const any = (key: string, values: readonly string[]): Matcher => ({
      [or as string]: { [word]: values.flatMap((value) => this.value(key, value)) },
    })
    const parts = fields.flatMap(([key, { values, notValues }]) => [
      ...(values.length > 0 ? [any(key, values)] : []),
      ...(notValues.length > 0 ? [{ [not as string]: any(key, notValues) }] : []),
    ])
    return parts.length === 0 ? { any: true } : { [and as string]: { [word]: parts } }
  }

  value(key: string, value: string): Matcher[] {
    const peer = (matcher: Matcher): Matcher => ({ authenticated: { principal_name: matcher } })
    switch (key) {
      case 'source.principal':
        return this.principals(value).map((one) => peer(identity(one)))
      case 'source.namespace':
        return [peer(regex(`.*/ns/${value.split('*').map(quote).join('.*')}/.*`))]
      case 'source.serviceAccount': {
        const [ns = '', sa = ''] = value.includes('/') ? value.split('/') : [this.namespace, value]
        return [peer(regex(`spiffe://.+/ns/${quote(ns)}/(.+/|)sa/${quote(sa)}(/.+)?`))]
      }
      case 'source.trustDomain':
        return (this.bundle.includes(value) ? this.bundle : [value]).map((one) => peer(trustDomain(one)))
      case 'source.ip':
        return [{ direct_remote_ip: address(value) }]
      case 'remote.ip':
        return [{ remote_ip: address(value) }]
      case 'destination.ip':
        return [{ destination_ip: address(value) }]
      case 'destination.port':
        return [{ destination_port: Number(value) }]
      case 'connection.sni':
        return [{ requested_server_name: text(value) }]
      case 'methods':
        return [header(':method', value)]
      case 'hosts':
        return [header(':authority', value, true)]
      case 'paths':
        return [pathMatcher(value)]
      case 'request.auth.principal':
        return [requestPrincipal(value)]
      case 'request.auth.audiences':
        return [metadata(['aud'], ofList(value))]
      case 'request.auth.presenter':
        return [metadata(['azp'], ofList(value))]
      default: {
        const claims = /^request\.auth\.claims\[(.*)\]$/.exec(key)?.[1]?.split('][')
        if (claims !== undefined) return [metadata(claims, ofList(value))]
        const name = /^request\.headers\[(.*)\]$/.exec(key)?.[1] ?? ''
        return [header(name.toLowerCase() === 'host' ? ':authority' : name, value)]
      }
    }
  }

  /** policy-semantics §5.1 */
  principals(value: string): readonly string[] {
    const [domain = '', ...path] = value.split('/')
    if (path.length !== 4 || domain === '*') return [value]
    const fitsEnd = (member: string): boolean => domain.startsWith('*') && member.endsWith(domain.slice(1))
    const fits = (member: string): boolean =>
      member === domain || fitsEnd(member) || (domain.endsWith('*') && member.startsWith(domain.slice(0, -1)))
    if (domain !== 'cluster.local' && !this.bundle.some(fits)) return [value]
    return this.bundle.map((member) => (fitsEnd(member) ? value : [member, ...path].join('/')))
  }
}

function identity(value: string): Matcher {
  if (value === '*') return regex('.+')
  if (value.startsWith('*')) return regex(`spiffe://.*${quote(value.slice(1))}`)
  return value.endsWith('*') ? { prefix: `spiffe://${value.slice(0, -1)}` } : { exact: `spiffe://${value}` }
}

function trustDomain(value: string): Matcher {
  if (value === '*') return { prefix: 'spiffe://' }
  if (!value.includes('*')) return { prefix: `spiffe://${value}/` }
  return regex(`spiffe://${value.split('*').map(quote).join('[^/]*')}/.*`)
}

function pathMatcher(value: string): Matcher {
  if (!/\{\*\*?\}/.test(value)) return { url_path: { path: text(value) } }
  const template = value.replaceAll('{*}', '*').replaceAll('{**}', '**')
  return {
    uri_template: typed('uri-template', 'path.match.uri_template.v3.UriTemplateMatchConfig', {
      path_template: template,
    }),
  }
}

/** The table of policy-semantics §1.5. */
function requestPrincipal(value: string): Matcher {
  const slash = value.lastIndexOf('/')
  const [iss, sub] = slash < 0 ? [value, ''] : [value.slice(0, slash), value.slice(slash + 1)]
  const any = regex('.+')
  const both = (issuer: Matcher, subject: Matcher): Matcher => ({
    and_ids: {
      ids: [metadata(['iss'], { string_match: issuer }), metadata(['sub'], { string_match: subject })],
    },
  })
  if (value === '*') return both(any, any)
  if (value.startsWith('*')) {
    if (slash < 0) return both(any, { suffix: value.slice(1) })
    return both(iss === '*' ? any : { suffix: iss.slice(1) }, { exact: sub })
  }
  if (value.endsWith('*')) {
    if (slash < 0) return both({ prefix: value.slice(0, -1) }, any)
    return both({ exact: iss }, sub === '*' ? any : { prefix: sub.slice(0, -1) })
  }
  return both({ exact: iss }, { exact: sub })
}
