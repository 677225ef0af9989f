/**
 * One written rule to clauses of tests: which fields there are, which values can be judged, and what is lost when some
 * cannot (policy-semantics §3.1). It files nothing and knows no other rule.
 */
import type { Operation, Rule, Source, Values } from '../policy/authorization-policy.ts'
import { isPathTemplate } from '../policy/path-template.ts'
import { AddressSet } from './address-set.ts'
import { attributeOf, hosts, methods, paths } from './attribute.ts'
import type { Attribute, Protocol, RequestAttribute } from './attribute.ts'
import { Alternative, Clause, type ClauseName, type ConnectionTest } from './compiled-rule.ts'
import type { ConnectionAttribute, ValueScope } from './connection-attribute.ts'
import { compileRequestPrincipal } from './request-principal.ts'
import {
  ClaimTest,
  HeaderTest,
  RemoteIpTest,
  RequestField,
  RequestPrincipalTest,
  TextTest,
  type RequestTest,
} from './request-test.ts'
import { TextSet } from './text-set.ts'

export interface RuleScope extends ValueScope {
  readonly protocol: Protocol
  /** What cannot be judged: an ALLOW rule is lost, in the others it counts as a match. */
  readonly widens: boolean
  /** The next free bit of the rule set. */
  readonly nextBit: () => number
}

/** `lost`: keys that cannot be judged here, so that the rule says nothing. */
export type RuleParts = { readonly clauses: readonly Clause[] } | { readonly lost: readonly string[] }

type Field = readonly [Attribute, Values | null]

export function compileRule(rule: Rule, scope: RuleScope): RuleParts {
  const at = (key: string): Attribute => attributeOf(key, scope.protocol)
  const written: readonly (readonly [ClauseName, readonly (readonly Field[])[]])[] = [
    ['from', rule.from.map((source) => fieldsOfSource(source, at))],
    ['to', rule.to.map((operation) => fieldsOfOperation(operation, at))],
    ['when', [rule.when.map((condition): Field => [at(condition.key), condition])]],
  ]
  const lost: string[] = []
  const clauses: Clause[] = []
  for (const [name, alternatives] of written) {
    const compiled = alternatives.map((fields) => compileAlternative(fields, scope, lost))
    // An alternative without tests matches whatever comes, and so does its clause (policy-semantics §3.1).
    if (compiled.length === 0 || compiled.some(isEmpty)) continue
    clauses.push(
      new Clause(
        name,
        compiled.map(({ connection, request }) => new Alternative(scope.nextBit(), connection, request)),
      ),
    )
  }
  return lost.length > 0 ? { lost: [...new Set(lost)] } : { clauses }
}

function fieldsOfSource(source: Source, at: (key: string) => Attribute): readonly Field[] {
  return [
    [at('source.principal'), source.principals],
    [at('request.auth.principal'), source.requestPrincipals],
    [at('source.namespace'), source.namespaces],
    [at('source.serviceAccount'), source.serviceAccounts],
    [at('source.trustDomain'), source.trustDomains],
    [at('source.ip'), source.ipBlocks],
    [at('remote.ip'), source.remoteIpBlocks],
  ]
}

function fieldsOfOperation(operation: Operation, at: (key: string) => Attribute): readonly Field[] {
  return [
    [hosts, operation.hosts],
    [at('destination.port'), operation.ports],
    [methods, operation.methods],
    [paths, operation.paths],
  ]
}

interface Tests {
  readonly connection: ConnectionTest[]
  readonly request: RequestTest[]
}

const isEmpty = ({ connection, request }: Tests): boolean => connection.length === 0 && request.length === 0

function compileAlternative(fields: readonly Field[], scope: RuleScope, lost: string[]): Tests {
  const tests: Tests = { connection: [], request: [] }
  for (const [attribute, written] of fields) {
    if (written === null || isBlank(written)) continue
    const values = judgeable(attribute, written, scope)
    if (values === null) lost.push(attribute.key)
    else if (!isBlank(values)) {
      if (attribute.phase === 'connection') tests.connection.push(connectionTest(attribute, values, scope))
      else if (attribute.phase === 'request') tests.request.push(requestTest(attribute, values))
    }
  }
  return tests
}

const isBlank = ({ values, notValues }: Values): boolean => values.length === 0 && notValues.length === 0

/**
 * What is left of a field's values when those that cannot be judged are gone, null when the rule is lost with them.
 * Where rules widen, an unjudged wanted value counts as a hit and frees its side, an unjudged unwanted one as none.
 */
function judgeable(attribute: Attribute, written: Values, scope: RuleScope): Values | null {
  if (attribute.phase === 'unjudged' || (attribute.phase === 'request' && scope.protocol !== 'http')) {
    return scope.widens ? { values: [], notValues: [] } : null
  }
  const { judges } = attribute
  const whole = written.values.every(judges)
  if (!scope.widens && !(whole && written.notValues.every(judges))) return null
  return { values: whole ? written.values : [], notValues: written.notValues.filter(judges) }
}

function connectionTest(attribute: ConnectionAttribute, written: Values, scope: ValueScope): ConnectionTest {
  const spelt = (values: readonly string[]): readonly string[] | null =>
    values.length === 0 ? null : [...new Set(values.flatMap((value) => attribute.means(value, scope)))]
  return { attribute, written, wanted: spelt(written.values), unwanted: spelt(written.notValues) }
}

function requestTest({ field, key, header, claim }: RequestAttribute, written: Values): RequestTest {
  const { values, notValues } = written
  switch (field) {
    case RequestField.header:
      return new HeaderTest(header, written, textSet(values), textSet(notValues))
    case RequestField.principal:
      return new RequestPrincipalTest(
        written,
        values.map(compileRequestPrincipal),
        notValues.map(compileRequestPrincipal),
      )
    case RequestField.claim:
      return new ClaimTest(key, claim, written, textSet(values), textSet(notValues))
    case RequestField.remoteIp:
      return new RemoteIpTest(written, addressSet(values), addressSet(notValues))
    case RequestField.host:
      return new TextTest(field, key, written, textSet(folded(values)), textSet(folded(notValues)))
    case RequestField.path:
      return new TextTest(field, key, written, pathSet(values), pathSet(notValues))
    default:
      return new TextTest(field, key, written, textSet(values), textSet(notValues))
  }
}

/** `hosts` ignores case (policy-semantics §1.6). */
const folded = (values: readonly string[]): readonly string[] => values.map((value) => value.toLowerCase())

const textSet = (values: readonly string[]): TextSet | null =>
  values.length > 0 ? new TextSet(values) : null

const addressSet = (values: readonly string[]): AddressSet | null =>
  values.length > 0 ? new AddressSet(values) : null

function pathSet(values: readonly string[]): TextSet | null {
  if (values.length === 0) return null
  const templates = values.filter(isPathTemplate)
  return new TextSet(
    templates.length === 0 ? values : values.filter((value) => !isPathTemplate(value)),
    templates,
  )
}
