/**
 * The stub that stands in for a refused object: it closes what the object was about, and nothing else (architecture §4).
 * What cannot be read of the object's scope is taken as wide as it could have been meant.
 */
import type { AuthorizationPolicy } from './authorization-policy.ts'
import { salvageHost } from './decode-destination-rule.ts'
import { legacyStub } from './decode-legacy-policy.ts'
import { salvageTokenUse } from './decode-request-authentication.ts'
import { salvageSelector, salvageTargets } from './decode-selector.ts'
import type { DestinationRule } from './destination-rule.ts'
import type { LegacyPolicy } from './legacy-policy.ts'
import type { PeerAuthentication } from './peer-authentication.ts'
import type { RawResource, ResourceMeta } from './resource.ts'
import type { TokenRefusal } from './token-refusal.ts'

/** The kinds whose absence would open something: only they have stubs. */
export type Stub =
  | { readonly kind: 'AuthorizationPolicy'; readonly value: AuthorizationPolicy }
  | { readonly kind: 'PeerAuthentication'; readonly value: PeerAuthentication }
  | { readonly kind: 'RequestAuthentication'; readonly value: TokenRefusal }
  | { readonly kind: 'DestinationRule'; readonly value: DestinationRule }
  | { readonly kind: 'Policy' | 'MeshPolicy'; readonly value: LegacyPolicy }

/** null for kinds without a stub, and for a RequestAuthentication that is surely not about sidecars. */
export function failClosed(
  raw: RawResource,
  meta: ResourceMeta,
  reason: string,
  domain: string,
): Stub | null {
  switch (raw.kind) {
    case 'AuthorizationPolicy':
      return { kind: raw.kind, value: denyAll(raw, meta, reason) }
    case 'PeerAuthentication':
      return { kind: raw.kind, value: strict(raw, meta, reason) }
    case 'RequestAuthentication': {
      if (salvageTargets(raw)) return null
      const { namespace, name } = meta
      const selector = salvageSelector(raw)
      return { kind: raw.kind, value: { namespace, name, selector, reason, ...salvageTokenUse(raw) } }
    }
    case 'DestinationRule':
      return { kind: raw.kind, value: noDialling(raw, meta, reason, domain) }
    case 'Policy':
    case 'MeshPolicy':
      return { kind: raw.kind, value: legacyStub(raw, meta, reason) }
    default:
      return null
  }
}

function denyAll(raw: RawResource, meta: ResourceMeta, reason: string): AuthorizationPolicy {
  return {
    meta,
    action: 'DENY',
    selector: salvageSelector(raw),
    targetsGateway: salvageTargets(raw),
    rules: [{ from: [], to: [], when: [] }],
    provider: null,
    dryRun: false,
    quarantined: reason,
  }
}

function strict(raw: RawResource, meta: ResourceMeta, reason: string): PeerAuthentication {
  return {
    meta,
    selector: salvageSelector(raw),
    mode: 'STRICT',
    portLevel: {},
    quarantined: reason,
    legacy: null,
  }
}

/** Exported to everybody and private to no workload: a rule whose reach is unknown reaches all its clients. */
function noDialling(raw: RawResource, meta: ResourceMeta, reason: string, domain: string): DestinationRule {
  return {
    meta,
    host: salvageHost(raw, meta.namespace, domain),
    trafficPolicy: null,
    subsets: [],
    exportTo: [],
    workloadSelector: null,
    quarantined: reason,
  }
}
