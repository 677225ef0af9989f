/**
 * What can be told of one rule by reading it: which fields it has, and whether anything at all could match. It says only
 * what is certain; a rule that it finds nothing about may still be useless.
 */
import type {
  AuthorizationPolicy,
  Operation,
  Rule,
  Source,
  Values,
} from '../../policy/authorization-policy.ts'

const identityKeys = ['source.principal', 'source.namespace', 'source.serviceAccount', 'source.trustDomain']

/** HTTP-only fields as written (policy-semantics §3.1). */
export function httpFields({ from, to, when }: Rule): string[] {
  const found = new Set<string>()
  for (const source of from) if (source.requestPrincipals !== null) found.add('requestPrincipals')
  for (const { hosts, methods, paths } of to) {
    if (hosts !== null) found.add('hosts')
    if (methods !== null) found.add('methods')
    if (paths !== null) found.add('paths')
  }
  for (const { key } of when) if (key.startsWith('request.')) found.add(key)
  return [...found]
}

/** Fields about the peer's certificate, positive and negative apart. */
export function identityFields(rule: Rule): { readonly wants: boolean; readonly excludes: boolean } {
  const fields = [
    ...rule.from.flatMap((one) => [one.principals, one.namespaces, one.serviceAccounts, one.trustDomains]),
    ...rule.when.filter(({ key }) => identityKeys.includes(key)),
  ].filter((values) => values !== null)
  return {
    wants: fields.some(({ values }) => values.length > 0),
    excludes: fields.some(({ notValues }) => notValues.length > 0),
  }
}

export const hasPaths = ({ rules }: AuthorizationPolicy): boolean =>
  rules.some(({ to }) => to.some(({ paths }) => paths !== null))

/** Anything about an end-user token. */
export const asksForToken = ({ rules }: AuthorizationPolicy): boolean =>
  rules.some(
    ({ from, when }) =>
      from.some(({ requestPrincipals }) => requestPrincipals !== null) ||
      when.some(({ key }) => key.startsWith('request.auth.')),
  )

/** The request's principal by name, negative or positive. */
export const asksForPrincipal = ({ rules }: AuthorizationPolicy): boolean =>
  rules.some(
    ({ from, when }) =>
      from.some(({ requestPrincipals }) => requestPrincipals !== null) ||
      when.some(({ key }) => key === 'request.auth.principal'),
  )

/** Whether the rule says anything about connections to the port. */
export function reachesPort({ to }: Rule, port: number): boolean {
  const text = String(port)
  return (
    to.length === 0 ||
    to.some(
      ({ ports }) =>
        ports === null ||
        ((ports.values.length === 0 || ports.values.includes(text)) && !ports.notValues.includes(text)),
    )
  )
}

export const matchesAll = ({ from, to, when }: Rule): boolean =>
  from.length === 0 && to.length === 0 && when.length === 0

/** Why no request can match, or null. */
export function impossible({ from, to, when }: Rule): string | null {
  return (
    everyOne(from, sourceFault, 'from') ??
    everyOne(to, operationFault, 'to') ??
    when.map((one) => fault(one, one.key)).find((reason) => reason !== null) ??
    null
  )
}

function everyOne<T>(list: readonly T[], faultOf: (one: T) => string | null, clause: string): string | null {
  const faults = list.map(faultOf)
  const [first] = faults
  return first !== undefined && first !== null && faults.every((reason) => reason !== null)
    ? `${clause}: ${first}`
    : null
}

function sourceFault(source: Source): string | null {
  const { principals } = source
  if (principals !== null && principals.values.length > 0) {
    if (principals.values.every((value) => value.startsWith('spiffe://')))
      return 'principals are written without spiffe://'
  }
  return firstFault(Object.entries(source))
}

const operationFault = (operation: Operation): string | null => firstFault(Object.entries(operation))

const firstFault = (fields: readonly (readonly [string, Values | null])[]): string | null =>
  fields
    .map(([name, values]) => (values === null ? null : fault(values, name)))
    .find((reason) => reason !== null) ?? null

/** Every value that is wanted is also excluded. */
function fault({ values, notValues }: Values, name: string): string | null {
  return values.length > 0 && values.every((value) => notValues.includes(value))
    ? `${name}: every value is also excluded`
    : null
}
