/**
 * Which principals a policy value means once trust domain aliases are counted (policy-semantics §5.1). It rewrites
 * values at load; it never looks at an identity.
 */

/** `meshConfig.trustDomain`, then its aliases. */
export type TrustBundle = readonly string[]

/** In a policy this name says "my trust domain", whatever that is called. */
const local = 'cluster.local'

/** Values of `principals`, `notPrincipals` and `source.principal`; each stands for one or more after expansion. */
export function expandPrincipal(value: string, bundle: TrustBundle): readonly string[] {
  const parts = value.split('/')
  const domain = parts[0] as string
  if (parts.length !== 5 || domain === '*') return [value]
  if (domain !== local && !bundle.some((member) => fits(member, domain))) return [value]
  const path = value.slice(domain.length)
  const expanded = bundle.map((member) => (fitsSuffix(member, domain) ? value : member + path))
  return [...new Set(expanded)]
}

/** Values of `trustDomains` and `source.trustDomain`: `cluster.local` is not special here. */
export function expandTrustDomain(value: string, bundle: TrustBundle): readonly string[] {
  return bundle.includes(value) ? [...new Set(bundle)] : [value]
}

function fits(member: string, domain: string): boolean {
  if (member === domain || fitsSuffix(member, domain)) return true
  return domain.endsWith('*') && member.startsWith(domain.slice(0, -1))
}

function fitsSuffix(member: string, domain: string): boolean {
  return domain.startsWith('*') && member.endsWith(domain.slice(1))
}
