/**
 * What a decoded AuthorizationPolicy may ask for that the engine does not judge yet. Refusing it here is the only guard
 * between "decoded" and "silently ignored": when the engine learns one of these, its line goes.
 */
import type { AuthorizationPolicy, Condition, Operation, Source, Values } from './authorization-policy.ts'
import { isPathTemplate } from './path-template.ts'

/** Each unevaluated part with its path, in order of appearance; empty when the engine judges all of it. */
export function notEvaluated(policy: AuthorizationPolicy): string[] {
  // Sidecars skip what attaches by targetRefs (policy-semantics §4.1): nothing of it needs judging.
  if (policy.targetsGateway) return []
  const parts: string[] = []
  if (policy.action === 'CUSTOM' || policy.action === 'AUDIT') parts.push(`spec.action: ${policy.action}`)
  if (policy.dryRun) parts.push('metadata.annotations["istio.io/dry-run"]: "true"')
  policy.rules.forEach((rule, index) => {
    const at = `spec.rules[${index}]`
    rule.from.forEach((source, i) => parts.push(...inSource(source, `${at}.from[${i}].source`)))
    rule.to.forEach((operation, i) => parts.push(...inOperation(operation, `${at}.to[${i}].operation`)))
    rule.when.forEach((condition, i) => parts.push(...inCondition(condition, `${at}.when[${i}].key`)))
  })
  return parts
}

function inSource(source: Source, at: string): string[] {
  const parts: string[] = []
  if (source.requestPrincipals !== null) parts.push(`${at}.requestPrincipals`)
  if (source.remoteIpBlocks !== null) parts.push(`${at}.remoteIpBlocks`)
  return parts
}

function inOperation(operation: Operation, at: string): string[] {
  return hasTemplate(operation.paths) ? [`${at}.paths: path template`] : []
}

const hasTemplate = (paths: Values | null): boolean =>
  paths !== null && (paths.values.some(isPathTemplate) || paths.notValues.some(isPathTemplate))

function inCondition({ key }: Condition, at: string): string[] {
  const unevaluated =
    key === 'remote.ip' || key.startsWith('request.auth.') || key.startsWith('experimental.envoy.')
  return unevaluated ? [`${at}: ${key}`] : []
}
