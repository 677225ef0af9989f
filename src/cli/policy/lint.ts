/**
 * What an operator should know of a folder before it is in force: what is refused, and what is legal but hardly meant. It
 * warns of nothing it is not sure of, and changes no verdict.
 */
import type { AuthorizationPolicy, Rule } from '../../policy/authorization-policy.ts'
import type { AuthorizerSet } from '../../ext-authz/providers.ts'
import { peerMode } from '../../policy/peer-mode.ts'
import { selects } from '../../policy/resource.ts'
import type { RequestAuthentication } from '../../policy/request-authentication.ts'
import { objectName, warning } from './finding.ts'
import type { Finding, FindingKind } from './finding.ts'
import type { KnownWorkload } from './known-workloads.ts'
import { compatible } from './legacy-place.ts'
import { lintLegacy } from './lint-legacy.ts'
import { customFaults } from './custom-faults.ts'
import { offlineAuthorizers } from './offline-authorizers.ts'
import type { PolicyFolder } from './load-policy-folder.ts'
import {
  asksForToken,
  hasPaths,
  httpFields,
  identityFields,
  impossible,
  matchesAll,
  reachesPort,
} from './rule-facts.ts'

export function lint({ config, state }: PolicyFolder, workloads: readonly KnownWorkload[]): Finding[] {
  const policies = config.authorizationPolicies.filter(({ quarantined }) => quarantined === null)
  const earlier = new Map<string, string>()
  const authorizers = offlineAuthorizers(config, null)
  return [
    ...state.quarantine.map(({ kind, namespace, name, origin, reason }): Finding => ({
      severity: 'error',
      kind: 'refused',
      origin,
      object: kind === 'Document' ? '' : objectName(kind, { namespace, name }),
      message: reason,
    })),
    ...state.warnings.map((text): Finding => {
      const [, origin = '', message = text] = /^(.*?:\d+): (.*)$/s.exec(text) ?? []
      return { severity: 'warning', kind: 'decode', origin, object: '', message }
    }),
    ...policies.flatMap((policy) => lintPolicy(policy, config, workloads, authorizers, earlier)),
    ...config.requestAuthentications.flatMap((one) => lintTokens(one, policies, config.mesh.rootNamespace)),
    ...lintLegacy({ config, state }),
  ]
}

function lintPolicy(
  policy: AuthorizationPolicy,
  config: PolicyFolder['config'],
  workloads: readonly KnownWorkload[],
  authorizers: AuthorizerSet,
  earlier: Map<string, string>,
): Finding[] {
  const { mesh, peerAuthentications } = config
  const { meta, action, selector } = policy
  if (policy.targetsGateway) return []
  const found: Finding[] = []
  const warn = (kind: FindingKind, message: string): void =>
    void found.push(warning(kind, 'AuthorizationPolicy', meta, message))
  if (hasPaths(policy) && mesh.pathNormalization !== 'STRICT')
    warn(
      'path-without-strict',
      `paths are judged with pathNormalization ${mesh.pathNormalization}, not STRICT: servers may read a path otherwise`,
    )
  const selected = workloads.filter(
    (one) =>
      (meta.namespace === mesh.rootNamespace || meta.namespace === one.namespace) &&
      selects(selector, one.labels),
  )
  const places = selected.length > 0 ? selected : [{ namespace: meta.namespace, labels: selector ?? {} }]
  const modes = places.map(({ namespace, labels }) =>
    peerMode(peerAuthentications, namespace, labels, 0, mesh.rootNamespace),
  )
  const open = modes.find((mode) => mode !== 'STRICT')
  const authorizer = action === 'CUSTOM' ? authorizers.find(policy.provider ?? '') : null
  if (authorizer !== null)
    for (const said of customFaults(policy, authorizer, config, places)) warn('custom-provider', said)
  const catchAll = policy.rules.findIndex(matchesAll)
  policy.rules.forEach((rule, index) => {
    const at = `spec.rules[${index}]`
    const never = impossible(rule)
    if (never !== null) warn('never-matches', `${at} can never match: ${never}`)
    if (open !== undefined) {
      const said = underPermissive(rule, action === 'ALLOW')
      if (said !== null)
        warn('identity-under-permissive', `${at} is about identity where mTLS is ${open}: ${said}`)
    }
    const http = httpFields(rule)
    const unasked = authorizer?.ok === true && authorizer.provider.settings.kind === 'http'
    const ports =
      http.length === 0 && !unasked ? [] : tcpPorts(config, policy).filter((port) => reachesPort(rule, port))
    if (ports.length > 0) {
      const what = unasked ? 'an HTTP provider' : http.join(', ')
      warn(
        'http-rule-on-tcp-port',
        `${at} has ${what} and reaches TCP port ${ports.join(', ')}: ${effectOnTcp(action, unasked)}`,
      )
    }
    // Every AUDIT rule that matches is told, so none of them hides another.
    if (action === 'AUDIT') return
    if (catchAll >= 0 && index > catchAll)
      warn('shadowed', `${at} changes nothing: rules[${catchAll}] matches everything`)
    else {
      const same = JSON.stringify([meta.namespace, selector, action, policy.provider, policy.dryRun, rule])
      const before = earlier.get(same)
      if (before !== undefined) warn('shadowed', `${at} changes nothing: the same as ${before}`)
      else earlier.set(same, `${meta.namespace}/${meta.name} ${at}`)
    }
  })
  return found
}

function effectOnTcp(action: AuthorizationPolicy['action'], unasked: boolean): string {
  if (unasked) return 'nobody is asked there'
  return action === 'ALLOW' ? 'the whole rule is lost there' : 'these fields are lost and it widens there'
}

function underPermissive(rule: Rule, allows: boolean): string | null {
  const { wants, excludes } = identityFields(rule)
  if (!allows) return wants ? 'a caller escapes it by speaking plaintext' : null
  if (wants) return 'plaintext callers have none and do not match'
  return excludes ? 'plaintext callers have none and match' : null
}

/** Workload ports that services of the folder declare as TCP or TLS, of workloads the policy selects. */
function tcpPorts(
  { services, mesh }: PolicyFolder['config'],
  { meta, selector }: AuthorizationPolicy,
): number[] {
  const found = new Set<number>()
  for (const { ports, endpoints } of services) {
    const opaque = ports.filter(({ protocol }) => protocol === 'tcp' || protocol === 'tls')
    for (const endpoint of opaque.length === 0 ? [] : endpoints) {
      if (meta.namespace !== mesh.rootNamespace && meta.namespace !== endpoint.namespace) continue
      if (!selects(selector, endpoint.labels)) continue
      for (const { number } of opaque) found.add(endpoint.ports[String(number)] ?? number)
    }
  }
  return [...found].toSorted((x, y) => x - y)
}

function lintTokens(
  { meta, selector, targetsGateway, jwtRules, legacy }: RequestAuthentication,
  policies: readonly AuthorizationPolicy[],
  rootNamespace: string,
): Finding[] {
  if (legacy !== null || targetsGateway || jwtRules.some(({ presence }) => presence === 'REQUIRED')) return []
  const asked = policies.some(
    (policy) =>
      !policy.targetsGateway &&
      !policy.dryRun &&
      (policy.action === 'ALLOW' || policy.action === 'DENY') &&
      (meta.namespace === rootNamespace || [meta.namespace, rootNamespace].includes(policy.meta.namespace)) &&
      compatible(selector, policy.selector) &&
      asksForToken(policy),
  )
  if (asked) return []
  const message = 'no AuthorizationPolicy asks for a token: requests without one pass'
  return [warning('token-never-required', 'RequestAuthentication', meta, message)]
}
