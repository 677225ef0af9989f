/**
 * What is wrong with whom a CUSTOM policy asks, as far as a folder shows: nobody who could answer, a rival, or the authorizer
 * asked about itself. It looks at no rule's meaning and changes no verdict.
 */
import { applicablePolicies } from '../../authz/applicable.ts'
import { hasSidecar } from '../../cluster/client-tls.ts'
import { quoted } from '../../decode/decode-problem.ts'
import type { FoundProvider } from '../../ext-authz/providers.ts'
import type { AuthorizationPolicy } from '../../policy/authorization-policy.ts'
import type { AuthorizerSettings } from '../../policy/extension-provider.ts'
import type { Workload } from '../../policy/workload.ts'
import type { PolicyFolder } from './load-policy-folder.ts'
import { reachesPort } from './rule-facts.ts'

type Place = Pick<Workload, 'namespace' | 'labels'>

export function customFaults(
  policy: AuthorizationPolicy,
  authorizer: FoundProvider,
  config: PolicyFolder['config'],
  places: readonly Place[],
): string[] {
  const faults: string[] = []
  if (!authorizer.ok)
    faults.push(`what its rules match is denied: ${quoted(policy.provider ?? '')}, ${authorizer.reason}`)
  const rival = otherProvider(policy, config, places)
  if (rival !== null) faults.push(`what its rules match is denied where ${rival} names another provider`)
  if (authorizer.ok && selectsAuthorizer(policy, authorizer.provider.settings, config))
    faults.push('it selects the authorizer too, which would be asked about every question put to it')
  return faults
}

/** A CUSTOM policy with another provider for one of the same workloads: then neither is asked (policy-semantics §9.1). */
function otherProvider(
  { provider }: AuthorizationPolicy,
  { authorizationPolicies, mesh }: PolicyFolder['config'],
  places: readonly Place[],
): string | null {
  for (const place of places) {
    const other = applicablePolicies(authorizationPolicies, place, mesh.rootNamespace).find(
      (one) => one.action === 'CUSTOM' && one.quarantined === null && one.provider !== provider,
    )
    if (other !== undefined) return `${other.meta.namespace}/${other.meta.name}`
  }
  return null
}

/** An endpoint of the authorizer has a sidecar under this policy, and a rule reaches the port it is asked on. */
function selectsAuthorizer(
  policy: AuthorizationPolicy,
  { service, port }: AuthorizerSettings,
  { services, mesh }: PolicyFolder['config'],
): boolean {
  const endpoints = services
    .filter(({ hostname }) => hostname === service.host)
    .flatMap((one) => one.endpoints)
  return endpoints.some(
    (endpoint) =>
      hasSidecar(endpoint) &&
      applicablePolicies([policy], endpoint, mesh.rootNamespace).length > 0 &&
      policy.rules.some((rule) => reachesPort(rule, endpoint.ports[String(port)] ?? port)),
  )
}
