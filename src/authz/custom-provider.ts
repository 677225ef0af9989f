/**
 * Which outside authorizer the CUSTOM policies of a workload ask, if any (policy-semantics §9.1). It asks nobody: calling
 * the authorizer comes before the token is verified and is not this room's work.
 */
import type { AuthorizationPolicy } from '../policy/authorization-policy.ts'

/** How a provider of `meshConfig.extensionProviders` is spoken to. */
export type ProviderKind = 'http' | 'grpc'

/**
 * `good`: matching requests are for the one named provider. `bad`: it is unknown, or several are named, and matching
 * requests are denied. `nobody asks`: the caller has no providers.
 */
export type CustomProvider =
  { readonly state: 'good'; readonly kind: ProviderKind } | { readonly state: 'bad' | 'nobody asks' }

export function customProvider(
  policies: readonly AuthorizationPolicy[],
  providers: ReadonlyMap<string, ProviderKind> | undefined,
): CustomProvider {
  if (providers === undefined) return { state: 'nobody asks' }
  const names = new Set(
    policies
      .filter(({ action, quarantined }) => action === 'CUSTOM' && quarantined === null)
      .map(({ provider }) => provider ?? ''),
  )
  const [name = ''] = names
  const kind = providers.get(name)
  return names.size > 1 || kind === undefined ? { state: 'bad' } : { state: 'good', kind }
}
