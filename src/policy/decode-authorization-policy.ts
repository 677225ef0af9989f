/**
 * AuthorizationPolicy, unknown to typed, refusing all that Istio's validation refuses (policy-semantics §8.1) and every
 * field we do not know. What is legal but not evaluated yet passes here; `not-evaluated.ts` stops it.
 */
import { DecodeProblem, expected, member } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { items, oneOf, optional, record, required, nonEmptyString, string } from '../decode/decode.ts'
import type { Decoder, Fields } from '../decode/decode.ts'
import type {
  Action,
  AuthorizationPolicy,
  Condition,
  Operation,
  Rule,
  Source,
  Values,
} from './authorization-policy.ts'
import { specFields } from './decode-meta.ts'
import { decodeSelector, decodeTargets } from './decode-selector.ts'
import * as value from './decode-values.ts'
import type { RawResource, ResourceMeta } from './resource.ts'

export const dryRunAnnotation = 'istio.io/dry-run'

const sourceFields = [
  'principals',
  'requestPrincipals',
  'namespaces',
  'serviceAccounts',
  'trustDomains',
  'ipBlocks',
  'remoteIpBlocks',
]
const operationFields = ['hosts', 'ports', 'methods', 'paths']
const withTwins = (fields: readonly string[]): string[] =>
  fields.flatMap((field) => [field, value.notTwin(field)])

const mostRules = 512

export function decodeAuthorizationPolicy(
  raw: RawResource,
  meta: ResourceMeta,
  warnings: string[],
): AuthorizationPolicy {
  const spec = specFields(raw, ['selector', 'targetRef', 'targetRefs', 'rules', 'action', 'provider'])
  const at = 'spec'
  const targetsGateway = decodeTargets(spec, at)
  const action = optional(spec, 'action', at, oneOf(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'])) ?? 'ALLOW'
  const rules = items(spec, 'rules', at, decodeRule(meta.namespace), mostRules)
  if (rules.length === 0 && (action === 'DENY' || action === 'CUSTOM')) {
    throw new DecodeProblem(
      'spec.rules',
      `must not be empty: a ${action} policy without rules would never match`,
    )
  }
  const provider = decodeProvider(spec, at, action)
  if (action === 'CUSTOM') refuseIdentityInCustom(rules)
  if (action === 'DENY') warnings.push(...httpOnlyDenyWarnings(rules))
  warnings.push(...schemeWarnings(rules))
  return {
    meta,
    action,
    selector: decodeSelector(spec, at, warnings),
    targetsGateway,
    rules,
    provider,
    dryRun: decodeDryRun(meta, action),
    quarantined: null,
  }
}

function decodeProvider(spec: Fields, at: Path, action: Action): string | null {
  const provider = optional(spec, 'provider', at, (input, path) => {
    const fields = record(input, path, ['name'])
    return optional(fields, 'name', path, string) ?? ''
  })
  if (action !== 'CUSTOM') {
    if (provider !== null) throw new DecodeProblem('spec.provider', `must not be set with action ${action}`)
    return null
  }
  if (provider === null || provider === '') {
    throw new DecodeProblem('spec.provider.name', 'must not be empty with action CUSTOM')
  }
  return provider
}

/** As Go's ParseBool, which Istio uses (policy-semantics §2.3). */
function decodeDryRun(meta: ResourceMeta, action: Action): boolean {
  const text = meta.annotations[dryRunAnnotation]
  if (text === undefined) return false
  const at = `metadata.annotations["${dryRunAnnotation}"]`
  const truth = ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)
  if (!truth && !['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text))
    throw expected('a boolean', text, at)
  if (action !== 'ALLOW' && action !== 'DENY') {
    throw new DecodeProblem(at, `dry run is for the actions ALLOW and DENY, not ${action}`)
  }
  return truth
}

/** A list that, when present, has items: `from: []` must not come to mean "from anywhere" (policy-semantics §1.1). */
function filled<T>(fields: Fields, key: string, at: Path, decode: Decoder<T>): readonly T[] {
  const entries = items(fields, key, at, decode, mostRules)
  if (fields.has(key) && entries.length === 0) throw new DecodeProblem(member(at, key), 'must not be empty')
  return entries
}

const decodeRule =
  (namespace: string): Decoder<Rule> =>
  (input, at) => {
    const fields = record(input, at, ['from', 'to', 'when'])
    return {
      from: filled(fields, 'from', at, wrapped('source', decodeSource(namespace))),
      to: filled(fields, 'to', at, wrapped('operation', decodeOperation)),
      when: items(fields, 'when', at, decodeCondition(namespace)),
    }
  }

const wrapped =
  <T>(key: string, decode: Decoder<T>): Decoder<T> =>
  (input, at) =>
    required(record(input, at, [key]), key, at, decode)

const decodeSource =
  (namespace: string): Decoder<Source> =>
  (input, at) => {
    const fields = record(input, at, withTwins(sourceFields))
    const most = value.mostServiceAccounts
    const source: Source = {
      principals: value.twins(fields, 'principals', at, value.text),
      requestPrincipals: value.twins(fields, 'requestPrincipals', at, value.text),
      namespaces: value.twins(fields, 'namespaces', at, value.text),
      serviceAccounts: value.twins(fields, 'serviceAccounts', at, value.serviceAccount(namespace), most),
      trustDomains: value.twins(fields, 'trustDomains', at, value.trustDomain),
      ipBlocks: value.twins(fields, 'ipBlocks', at, value.ipBlock),
      remoteIpBlocks: value.twins(fields, 'remoteIpBlocks', at, value.ipBlock),
    }
    refuseEmpty(source, at, 'source')
    if (source.serviceAccounts !== null && (source.principals !== null || source.namespaces !== null)) {
      throw new DecodeProblem(at, 'serviceAccounts cannot be combined with principals or namespaces')
    }
    return source
  }

const decodeOperation: Decoder<Operation> = (input, at) => {
  const fields = record(input, at, withTwins(operationFields))
  const operation: Operation = {
    hosts: value.twins(fields, 'hosts', at, value.text),
    ports: value.twins(fields, 'ports', at, value.portText),
    methods: value.twins(fields, 'methods', at, value.text),
    paths: value.twins(fields, 'paths', at, value.path),
  }
  refuseEmpty(operation, at, 'operation')
  return operation
}

function refuseEmpty(fields: Source | Operation, at: Path, what: string): void {
  if (Object.values(fields).every((entry) => entry === null)) {
    throw new DecodeProblem(at, `must have at least one field: an empty ${what} would match everything`)
  }
}

const decodeCondition =
  (namespace: string): Decoder<Condition> =>
  (input, at) => {
    const fields = record(input, at, ['key', 'values', 'notValues'])
    const key = required(fields, 'key', at, nonEmptyString)
    const { decode, most } = value.conditionGrammar(key, `${at}.key`)(namespace)
    const values = items(fields, 'values', at, decode, most)
    const notValues = items(fields, 'notValues', at, decode, most)
    if (values.length === 0 && notValues.length === 0) {
      throw new DecodeProblem(at, 'at least one of values and notValues must be set')
    }
    return { key, values, notValues }
  }

// CUSTOM runs before the token is verified, and an outside authorizer is asked about strangers (policy-semantics §8.1).
function refuseIdentityInCustom(rules: readonly Rule[]): void {
  const fields = ['principals', 'requestPrincipals', 'namespaces', 'serviceAccounts', 'trustDomains'] as const
  const keys = ['source.namespace', 'source.serviceAccount', 'source.trustDomain', 'source.principal']
  rules.forEach((rule, index) => {
    const at = `spec.rules[${index}]`
    rule.from.forEach((source, position) => {
      const used = fields.find((field) => source[field] !== null)
      if (used === undefined) return
      throw new DecodeProblem(`${at}.from[${position}].source`, `${used} cannot be used with action CUSTOM`)
    })
    rule.when.forEach(({ key }, position) => {
      if (!keys.includes(key) && !key.startsWith('request.auth.')) return
      throw new DecodeProblem(`${at}.when[${position}].key`, `${key} cannot be used with action CUSTOM`)
    })
  })
}

// Trap 32 of policy-semantics: on a TCP port the HTTP fields fall away and the rest of such a rule is nothing.
function httpOnlyDenyWarnings(rules: readonly Rule[]): string[] {
  return rules.flatMap((rule, index) => {
    const tcpSource = (source: Source): boolean =>
      Object.entries(source).some(([field, entry]) => field !== 'requestPrincipals' && entry !== null)
    const widened =
      !(rule.from.length > 0 && rule.from.every(tcpSource)) &&
      !(rule.to.length > 0 && rule.to.every((operation) => operation.ports !== null)) &&
      !rule.when.some(({ key }) => !key.startsWith('request.'))
    const restricted = rule.from.length > 0 || rule.to.length > 0 || rule.when.length > 0
    if (!widened || !restricted) return []
    return [
      `spec.rules[${index}]: only HTTP attributes: this DENY refuses all TCP traffic of what it selects`,
    ]
  })
}

// Trap 27 of policy-semantics: identities are written without the scheme, so this is a value that never matches.
function schemeWarnings(rules: readonly Rule[]): string[] {
  const schemed = (entry: Values | null): boolean =>
    entry !== null && [...entry.values, ...entry.notValues].some((text) => text.startsWith('spiffe://'))
  return rules.flatMap((rule, index) => {
    const used =
      rule.from.some((source) => schemed(source.principals)) ||
      rule.when.some((condition) => condition.key === 'source.principal' && schemed(condition))
    return used
      ? [`spec.rules[${index}]: principals are written without "spiffe://": with it they never match`]
      : []
  })
}
