/**
 * Turns the policies that apply to a workload into compiled rules, once a load: DENY and ALLOW apart, decisions and
 * permits prebuilt. It never throws; what cannot be judged loses its ALLOW rule and widens its DENY rule.
 */
import type { AuthorizationPolicy, Operation, Rule, Source, Values } from '../policy/authorization-policy.ts'
import { attributeOf, hosts, methods, paths, type Attribute, type AttributeScope } from './attribute.ts'
import { RequestTest, type Alternative, type Clause, type CompiledPolicy } from './compiled-policy.ts'
import type { CompiledRule, ConnectionTest } from './compiled-policy.ts'
import type { Decision, DecisionReason } from './decision.ts'
import { grant } from './permit.ts'
import { TextSet } from './text-set.ts'

export interface CompileOptions {
  readonly trustDomain: string
  readonly trustDomainAliases: readonly string[]
  /** `tcp`: fields that need a request are lost as policy-semantics §3.1 says. */
  readonly protocol: 'http' | 'tcp'
}

/** `policies` are those of `applicablePolicies`; AUDIT and dry-run never change a verdict and are passed over. */
export function compile(policies: readonly AuthorizationPolicy[], options: CompileOptions): CompiledPolicy {
  const bundle = [options.trustDomain, ...options.trustDomainAliases]
  const deny: CompiledRule[] = []
  const allow: CompiledRule[] = []
  let allowPolicies = 0
  for (const policy of policies) {
    const scope: RuleScope = {
      namespace: policy.meta.namespace,
      bundle,
      http: options.protocol === 'http',
      denies: policy.action === 'DENY',
    }
    if (policy.quarantined !== null) deny.push(stub(policy))
    else if (policy.action === 'AUDIT' || policy.dryRun) continue
    else if (policy.action === 'DENY') deny.push(...compileRules(policy, scope))
    else if (policy.action === 'ALLOW') {
      // It counts even when every rule of it is lost (policy-semantics trap 2).
      allowPolicies += 1
      allow.push(...compileRules(policy, scope))
    } else deny.push(stub(policy))
  }
  const refusal = denied('no_allow_matched', null, null, 'none')
  return {
    deny: deny.sort(byId),
    allow: allow.sort(byId),
    otherwise: allowPolicies > 0 ? refusal : allowed('no_allow_policy', null, null, ''),
    refusal,
  }
}

interface RuleScope extends AttributeScope {
  readonly http: boolean
  /** DENY: what cannot be judged counts as a match. */
  readonly denies: boolean
}

/** A rule of an ALLOW policy with something in it that cannot be judged. */
const lost = Symbol('lost rule')
type Lost = typeof lost

function compileRules(policy: AuthorizationPolicy, scope: RuleScope): CompiledRule[] {
  return policy.rules.flatMap((rule, index) => {
    const clauses = compileClauses(rule, scope)
    if (clauses === lost) return []
    const id = ruleId(policy, index)
    const decision = scope.denies
      ? denied('deny_rule', nameOf(policy), index, id)
      : allowed('allow_rule', nameOf(policy), index, id)
    return [{ id, decision, clauses }]
  })
}

function compileClauses(rule: Rule, scope: RuleScope): readonly Clause[] | Lost {
  const from = rule.from.map((source) => compileAlternative(fieldsOfSource(source), scope))
  const to = rule.to.map((operation) => compileAlternative(fieldsOfOperation(operation), scope))
  const when = compileAlternative(
    rule.when.map((condition) => [attributeOf(condition.key), condition] as const),
    scope,
  )
  const clauses: Clause[] = []
  const parts: readonly (readonly (Alternative | Lost)[])[] = [from, to, [when]]
  for (const written of parts) {
    const alternatives: Alternative[] = []
    for (const alternative of written) {
      if (alternative === lost) return lost
      alternatives.push(alternative)
    }
    // An alternative without tests matches whatever comes, and so does its clause (policy-semantics §3.1).
    if (alternatives.length === 0 || alternatives.some(isEmpty)) continue
    clauses.push({ alternatives, requests: alternatives.map((alternative) => alternative.request) })
  }
  return clauses
}

const isEmpty = ({ connection, request }: Alternative): boolean =>
  connection.length === 0 && request.length === 0

type Field = readonly [Attribute, Values | null]

function fieldsOfSource(source: Source): readonly Field[] {
  return [
    [attributeOf('source.principal'), source.principals],
    [attributeOf('request.auth.principal'), source.requestPrincipals],
    [attributeOf('source.namespace'), source.namespaces],
    [attributeOf('source.serviceAccount'), source.serviceAccounts],
    [attributeOf('source.trustDomain'), source.trustDomains],
    [attributeOf('source.ip'), source.ipBlocks],
    [attributeOf('remote.ip'), source.remoteIpBlocks],
  ]
}

function fieldsOfOperation(operation: Operation): readonly Field[] {
  return [
    [hosts, operation.hosts],
    [attributeOf('destination.port'), operation.ports],
    [methods, operation.methods],
    [paths, operation.paths],
  ]
}

function compileAlternative(fields: readonly Field[], scope: RuleScope): Alternative | Lost {
  const connection: ConnectionTest[] = []
  const request: RequestTest[] = []
  for (const [attribute, written] of fields) {
    if (written === null || (written.values.length === 0 && written.notValues.length === 0)) continue
    const judged = judgeable(attribute, written, scope)
    if (judged === lost) return lost
    const { values, notValues } = judged
    if (values.length === 0 && notValues.length === 0) continue
    if (attribute.kind === 'connection') connection.push(connectionTest(attribute, values, notValues, scope))
    else if (attribute.kind === 'request') {
      const fold = (texts: readonly string[]): readonly string[] =>
        attribute === hosts ? texts.map((text) => text.toLowerCase()) : texts
      request.push(
        new RequestTest(attribute.field, attribute.header, textSet(fold(values)), textSet(fold(notValues))),
      )
    }
  }
  return { connection, request }
}

/**
 * What is left of a field's values when those that cannot be judged are gone: for ALLOW nothing may go; for DENY an
 * unjudged wanted value counts as a hit and frees its whole side, an unjudged unwanted value counts as none.
 */
function judgeable(attribute: Attribute, written: Values, scope: RuleScope): Values | Lost {
  if (attribute.kind === 'unjudged' || (attribute.kind === 'request' && !scope.http)) {
    return scope.denies ? { values: [], notValues: [] } : lost
  }
  const { judges } = attribute
  const whole = written.values.every(judges)
  if (!scope.denies && !(whole && written.notValues.every(judges))) return lost
  return { values: whole ? written.values : [], notValues: written.notValues.filter(judges) }
}

function connectionTest(
  attribute: Attribute & { kind: 'connection' },
  values: readonly string[],
  notValues: readonly string[],
  scope: AttributeScope,
): ConnectionTest {
  const wanted = values.length > 0 ? attribute.any(values, scope) : null
  const unwanted = notValues.length > 0 ? attribute.any(notValues, scope) : null
  return (connection) =>
    (wanted === null || wanted(connection)) && (unwanted === null || !unwanted(connection))
}

const textSet = (values: readonly string[]): TextSet | null =>
  values.length > 0 ? new TextSet(values) : null

const nameOf = ({ meta }: AuthorizationPolicy): string => `${meta.namespace}/${meta.name}`

const ruleId = ({ meta }: AuthorizationPolicy, index: number): string =>
  `ns[${meta.namespace}]-policy[${meta.name}]-rule[${index}]`

const byId = (x: CompiledRule, y: CompiledRule): number => (x.id < y.id ? -1 : x.id > y.id ? 1 : 0)

/** Denies all: a refused object, or an action whose judge this program does not have. */
function stub(policy: AuthorizationPolicy): CompiledRule {
  const id = ruleId(policy, 0)
  return { id, decision: denied('quarantined_policy', nameOf(policy), null, id), clauses: [] }
}

function denied(reason: DecisionReason, policy: string | null, rule: number | null, id: string): Decision {
  const detail = `rbac_access_denied_matched_policy[${id}]`
  return Object.freeze({ allowed: false, permit: null, reason, policy, rule, detail })
}

function allowed(reason: DecisionReason, policy: string | null, rule: number | null, id: string): Decision {
  return Object.freeze({ allowed: true, permit: grant(id), reason, policy, rule, detail: '' })
}
