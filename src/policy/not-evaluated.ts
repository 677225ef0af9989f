/**
 * What a decoded AuthorizationPolicy may ask for that the engine does not judge yet. Refusing it here is the only guard
 * between "decoded" and "silently ignored": when the engine learns one of these, its line goes.
 */
import type { AuthorizationPolicy } from './authorization-policy.ts'

/** Each unevaluated part with its path, in order of appearance; empty when the engine judges all of it. */
export function notEvaluated(policy: AuthorizationPolicy): string[] {
  // Sidecars skip what attaches by targetRefs (policy-semantics §4.1): nothing of it needs judging.
  if (policy.targetsGateway) return []
  const parts: string[] = []
  policy.rules.forEach((rule, index) =>
    rule.when.forEach(({ key }, i) => {
      // Metadata of other filters: there are none here, and a condition on nothing would be a DENY that never denies.
      if (key.startsWith('experimental.envoy.') || isUnseen(key))
        parts.push(`spec.rules[${index}].when[${i}].key: ${key}`)
    }),
  )
  return parts
}

/** Pseudo header fields that a request has in Envoy and not here: `:scheme` above all. */
function isUnseen(key: string): boolean {
  const name = /^request\.headers\[(:.*)\]$/.exec(key)?.[1]?.toLowerCase()
  return name !== undefined && ![':authority', ':method', ':path'].includes(name)
}
