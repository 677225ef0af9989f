/**
 * The plain, slow, obviously right judge: reads policy values and answers by the letter of policy-semantics §1–3 and §5,
 * with regular expressions and loops, sharing nothing with the compiler. Tests compare the compiled engine with it.
 */
import type {
  AuthorizationPolicy,
  Condition,
  Operation,
  Rule,
  Source,
  Values,
} from '../../src/policy/authorization-policy.ts'

export interface PlainRequest {
  readonly method: string
  readonly path: string
  readonly pathWithQuery: string
  readonly host: string
  readonly headers: readonly (readonly [string, string])[]
  /** Payload of a verified token; null = none. */
  readonly token: Readonly<Record<string, unknown>> | null
  /** Where a legacy policy binds the principal to the peer: its name; null = the token's. */
  readonly peer: string | null
}

export interface PlainConnection {
  readonly principalUri: string
  readonly sourceIp: string
  readonly destinationIp: string
  readonly destinationPort: number
  readonly sni: string
}

export interface Mesh {
  readonly trustDomain: string
  readonly trustDomainAliases: readonly string[]
}

export interface Verdict {
  readonly allowed: boolean
  readonly reason: string
  readonly policy: string | null
  readonly rule: number | null
}

/** `request` null = a TCP connection. Only dotted IPv4 is understood. */
export function referenceVerdict(
  policies: readonly AuthorizationPolicy[],
  mesh: Mesh,
  connection: PlainConnection,
  request: PlainRequest | null,
): Verdict {
  const hits: { id: string; verdict: Verdict }[] = []
  for (const policy of policies) {
    const name = `${policy.meta.namespace}/${policy.meta.name}`
    const id = (index: number): string =>
      `ns[${policy.meta.namespace}]-policy[${policy.meta.name}]-rule[${index}]`
    if (policy.quarantined !== null) {
      hits.push({
        id: id(0),
        verdict: { allowed: false, reason: 'quarantined_policy', policy: name, rule: null },
      })
      continue
    }
    if (policy.dryRun || policy.action === 'AUDIT' || policy.action === 'CUSTOM') continue
    policy.rules.forEach((rule, index) => {
      if (!new Judge(policy, mesh, connection, request).rule(rule)) return
      const denies = policy.action === 'DENY'
      const reason = denies ? 'deny_rule' : 'allow_rule'
      hits.push({ id: id(index), verdict: { allowed: !denies, reason, policy: name, rule: index } })
    })
  }
  hits.sort(byId)
  const deny = hits.find(({ verdict }) => !verdict.allowed)
  if (deny !== undefined) return deny.verdict
  const enforcedAllow = policies.filter(
    (policy) => policy.action === 'ALLOW' && !policy.dryRun && policy.quarantined === null,
  )
  if (enforcedAllow.length === 0)
    return { allowed: true, reason: 'no_allow_policy', policy: null, rule: null }
  const allow = hits.find(({ verdict }) => verdict.allowed)
  return allow?.verdict ?? { allowed: false, reason: 'no_allow_matched', policy: null, rule: null }
}

const byId = (x: { id: string }, y: { id: string }): number =>
  Buffer.compare(Buffer.from(x.id), Buffer.from(y.id))

/** What must come of the policies that give no verdict themselves. */
export interface Beside {
  /** Ids of all AUDIT rules that match. */
  readonly audit: readonly string[]
  /** Per dry-run action: its result and the first rule that matched. */
  readonly shadow: readonly { action: string; result: string; policyId: string | null }[]
  /** The first CUSTOM rule that matches, when there is one good provider. */
  readonly custom: string | null
}

export function referenceBeside(
  policies: readonly AuthorizationPolicy[],
  mesh: Mesh,
  connection: PlainConnection,
  request: PlainRequest | null,
): Beside {
  const matching = (wanted: (policy: AuthorizationPolicy) => boolean): string[] =>
    policies
      .filter((policy) => policy.quarantined === null && wanted(policy))
      .flatMap((policy) =>
        policy.rules.flatMap((rule, index) =>
          new Judge(policy, mesh, connection, request).rule(rule)
            ? [{ id: `ns[${policy.meta.namespace}]-policy[${policy.meta.name}]-rule[${index}]` }]
            : [],
        ),
      )
      .sort(byId)
      .map(({ id }) => id)
  const shadow = (['DENY', 'ALLOW'] as const).flatMap((action) => {
    const dry = (policy: AuthorizationPolicy): boolean => policy.action === action && policy.dryRun
    if (!policies.some((policy) => policy.quarantined === null && dry(policy))) return []
    const policyId = matching(dry)[0] ?? null
    return [{ action, result: (policyId === null) === (action === 'DENY') ? 'allowed' : 'denied', policyId }]
  })
  return {
    audit: matching(({ action }) => action === 'AUDIT'),
    shadow,
    custom: matching(({ action }) => action === 'CUSTOM')[0] ?? null,
  }
}

/** A field that cannot be judged here: no request, or nothing in this program that knows. */
const unknown = Symbol('unknown')

class Judge {
  readonly policy: AuthorizationPolicy
  readonly mesh: Mesh
  readonly connection: PlainConnection
  readonly request: PlainRequest | null

  constructor(
    policy: AuthorizationPolicy,
    mesh: Mesh,
    connection: PlainConnection,
    request: PlainRequest | null,
  ) {
    this.policy = policy
    this.mesh = mesh
    this.connection = connection
    this.request = request
  }

  rule(rule: Rule): boolean {
    if (this.policy.action === 'ALLOW' && this.hasUnknown(rule)) return false
    const from = rule.from.length === 0 || rule.from.some((source) => this.source(source))
    const to = rule.to.length === 0 || rule.to.some((operation) => this.operation(operation))
    return from && to && rule.when.every((condition) => this.condition(condition))
  }

  hasUnknown(rule: Rule): boolean {
    const fields: [string, Values | null][] = [
      ...rule.from.flatMap(sourceFields),
      ...rule.to.flatMap(operationFields),
      ...rule.when.map((condition): [string, Values] => [condition.key, condition]),
    ]
    return fields.some(
      ([key, values]) =>
        values !== null &&
        [...values.values, ...values.notValues].some((value) => this.hit(key, value) === unknown),
    )
  }

  source(source: Source): boolean {
    return sourceFields(source).every(([key, values]) => this.field(key, values))
  }

  operation(operation: Operation): boolean {
    return operationFields(operation).every(([key, values]) => this.field(key, values))
  }

  condition(condition: Condition): boolean {
    return this.field(condition.key, condition)
  }

  // Only DENY comes here with unknowns: they count towards a match on both sides.
  field(key: string, values: Values | null): boolean {
    if (values === null) return true
    const positive =
      values.values.length === 0 || values.values.some((value) => this.hit(key, value) !== false)
    const negative = values.notValues.every((value) => this.hit(key, value) !== true)
    return positive && negative
  }

  hit(key: string, value: string): boolean | typeof unknown {
    const { principalUri: uri, sourceIp, destinationIp, destinationPort, sni } = this.connection
    switch (key) {
      case 'source.principal':
        return this.principals(value).some((pattern) => principalRegex(pattern).test(uri))
      case 'source.namespace':
        return new RegExp(`^.*/ns/${starred(value)}/.*$`).test(uri)
      case 'source.serviceAccount': {
        const [ns, sa] = value.includes('/') ? value.split('/') : [this.policy.meta.namespace, value]
        return new RegExp(`^spiffe://.+/ns/${quote(ns ?? '')}/(.+/)?sa/${quote(sa ?? '')}(/.+)?$`).test(uri)
      }
      case 'source.trustDomain': {
        const bundle = [this.mesh.trustDomain, ...this.mesh.trustDomainAliases]
        const domains = bundle.includes(value) ? bundle : [value]
        return domains.some((domain) =>
          domain === '*' ? uri.startsWith('spiffe://') : trustDomainRegex(domain).test(uri),
        )
      }
      case 'source.ip':
        return inBlock(value, sourceIp)
      case 'destination.ip':
        return inBlock(value, destinationIp)
      case 'destination.port':
        return /^\d+$/.test(value) ? Number(value) === destinationPort : unknown
      case 'connection.sni':
        return generic(value, sni)
      case 'remote.ip':
        return inBlock(value, this.remoteIp())
    }
    if (this.request === null) return unknown
    if (key.startsWith('request.auth.')) return this.token(key, value)
    const { method, path, pathWithQuery, host, headers } = this.request
    if (key === 'methods') return generic(value, method)
    if (key === 'hosts') return generic(value.toLowerCase(), host.toLowerCase())
    if (key === 'paths') {
      if (!/[{}]/.test(value)) return generic(value, path)
      return isTemplate(value) ? templateRegex(value).test(path) : unknown
    }
    const header = /^request\.headers\[([^[\]]+)\]$/.exec(key)?.[1]?.toLowerCase()
    if (header === undefined) return unknown
    if (header === 'host' || header === ':authority') return generic(value, host)
    if (header === ':method') return generic(value, method)
    if (header === ':path') return generic(value, pathWithQuery)
    if (header.startsWith(':')) return unknown
    return headers.some(([name, text]) => name === header && (value === '*' || generic(value, text)))
  }

  /** policy-semantics §1.8 */
  remoteIp(): string {
    const lists = (this.request?.headers ?? []).filter(([name]) => name === 'x-forwarded-for')
    const last = lists.at(-1)?.[1].split(',').at(-1)?.trim() ?? ''
    const octets = last.split('.')
    const valid =
      octets.length === 4 && octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && +octet < 256)
    return valid ? last : this.connection.sourceIp
  }

  /** policy-semantics §1.5 */
  token(key: string, value: string): boolean | typeof unknown {
    const payload = this.request?.token ?? {}
    const fits = (claim: unknown): boolean =>
      (Array.isArray(claim) ? claim : [claim]).some((one) => typeof one === 'string' && generic(value, one))
    if (key === 'request.auth.audiences') return fits(payload['aud'])
    if (key === 'request.auth.presenter') return fits(payload['azp'])
    if (key === 'request.auth.principal') {
      const peer = this.request?.peer ?? null
      if (peer !== null) return peer !== '' && generic(value, peer)
      const { iss, sub } = payload
      if (typeof iss !== 'string' || typeof sub !== 'string' || iss === '' || sub === '') return false
      return requestPrincipal(value, iss, sub)
    }
    const path = /^request\.auth\.claims((?:\[[^[\]]+\])+)$/.exec(key)?.[1]
    if (path === undefined) return unknown
    let claim: unknown = payload
    for (const [, name = ''] of path.matchAll(/\[([^[\]]+)\]/g)) {
      const object = Object.prototype.toString.call(claim) === '[object Object]' ? Object(claim) : {}
      claim = Object.entries(object).find(([own]) => own === name)?.[1]
    }
    return fits(claim)
  }

  /** policy-semantics §5.1 */
  principals(value: string): string[] {
    const bundle = [this.mesh.trustDomain, ...this.mesh.trustDomainAliases]
    const match = /^([^/]*)(\/[^/]*\/[^/]*\/[^/]*\/[^/]*)$/.exec(value)
    if (match === null) return [value]
    const [, domain = '', path = ''] = match
    if (domain === '*') return [value]
    const pattern = domain.startsWith('*')
      ? new RegExp(`.*${quote(domain.slice(1))}$`)
      : domain.endsWith('*')
        ? new RegExp(`^${quote(domain.slice(0, -1))}`)
        : new RegExp(`^${quote(domain)}$`)
    if (domain !== 'cluster.local' && !bundle.some((member) => pattern.test(member) || member === domain))
      return [value]
    return bundle.map((member) => (domain.startsWith('*') && pattern.test(member) ? value : member + path))
  }
}

function sourceFields(source: Source): [string, Values | null][] {
  return [
    ['source.principal', source.principals],
    ['request.auth.principal', source.requestPrincipals],
    ['source.namespace', source.namespaces],
    ['source.serviceAccount', source.serviceAccounts],
    ['source.trustDomain', source.trustDomains],
    ['source.ip', source.ipBlocks],
    ['remote.ip', source.remoteIpBlocks],
  ]
}

function operationFields(operation: Operation): [string, Values | null][] {
  return [
    ['hosts', operation.hosts],
    ['destination.port', operation.ports],
    ['methods', operation.methods],
    ['paths', operation.paths],
  ]
}

const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')

const starred = (text: string): string => text.split('*').map(quote).join('.*')

function principalRegex(pattern: string): RegExp {
  if (pattern === '*') return /^[^]+$/
  if (pattern.startsWith('*')) return new RegExp(`^spiffe://.*${quote(pattern.slice(1))}$`)
  if (pattern.endsWith('*')) return new RegExp(`^spiffe://${quote(pattern.slice(0, -1))}`)
  return new RegExp(`^spiffe://${quote(pattern)}$`)
}

function trustDomainRegex(domain: string): RegExp {
  if (domain.startsWith('*')) return new RegExp(`^spiffe://[^/]*${quote(domain.slice(1))}/.*`)
  if (domain.endsWith('*')) return new RegExp(`^spiffe://${quote(domain.slice(0, -1))}[^/]*/.*`)
  return new RegExp(`^spiffe://${quote(domain)}/`)
}

/** It begins with a slash, operators fill whole segments, none follows `{**}`. */
function isTemplate(value: string): boolean {
  if (!value.startsWith('/')) return false
  const operators = value.split('/').filter((segment) => /[{}]/.test(segment))
  const rest = operators.indexOf('{**}')
  return (
    operators.every((segment) => /^\{\*\*?\}$/.test(segment)) && (rest < 0 || rest === operators.length - 1)
  )
}

/** policy-semantics §1.10 */
function templateRegex(template: string): RegExp {
  const set = "A-Za-z0-9\\-._~%!$&'()*+,;:@="
  const operators: Record<string, string> = { '{*}': `[${set}]+`, '{**}': `[${set}/]*` }
  const pieces = template.split(/(\{\*\*?\})/).map((piece) => operators[piece] ?? quote(piece))
  return new RegExp(`^${pieces.join('')}$`)
}

/** The table of policy-semantics §1.5, row by row. */
function requestPrincipal(pattern: string, iss: string, sub: string): boolean {
  const [, head = '', tail = null] = /^(.*)\/([^/]*)$/.exec(pattern) ?? []
  if (pattern === '*') return true
  if (pattern.startsWith('*')) {
    if (tail === null) return sub.endsWith(pattern.slice(1))
    return (head === '*' || iss.endsWith(head.slice(1))) && sub === tail
  }
  if (pattern.endsWith('*')) {
    if (tail === null) return iss.startsWith(pattern.slice(0, -1))
    return iss === head && sub.startsWith(tail.slice(0, -1))
  }
  return tail !== null && iss === head && sub === tail
}

/** policy-semantics §1.2 */
function generic(value: string, text: string): boolean {
  if (text === '') return false
  if (value === '*') return true
  if (value.startsWith('*')) return text.endsWith(value.substring(1))
  if (value.endsWith('*')) return text.startsWith(value.substring(0, value.length - 1))
  return value === text
}

function inBlock(block: string, address: string): boolean | typeof unknown {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(block)
  if (match === null) return unknown
  const binary = (octets: readonly string[]): string =>
    octets.map((octet) => Number(octet).toString(2).padStart(8, '0')).join('')
  const length = Number(match[5] ?? '32')
  return binary(match.slice(1, 5)).slice(0, length) === binary(address.split('.')).slice(0, length)
}
