/** The objects in force, sorted by kind and services assembled: what snapshots are cut from. It decides nothing. */
import { assembleServices } from '../policy/assemble-services.ts'
import type { Accepted } from '../policy/decode-resource.ts'
import { legacyPeers, legacyTokens } from '../policy/legacy-attachment.ts'
import type { Service } from '../policy/service.ts'
import type { DecodedConfig } from './build-snapshot.ts'
import type { Entry } from './entry.ts'
import type { ConfigState } from './resource-state.ts'

/** `services`: those that arrived assembled. */
export function assembleConfig(state: ConfigState, services: readonly Service[]): DecodedConfig {
  const { entries, mesh, quarantine } = state
  const legacy = [...state.legacy.values()]
  const sources = {
    services: values(entries, 'Service'),
    endpoints: [...values(entries, 'Endpoints'), ...values(entries, 'EndpointSlice')],
    pods: values(entries, 'Pod'),
    serviceEntries: values(entries, 'ServiceEntry'),
    workloadEntries: values(entries, 'WorkloadEntry'),
  }
  return {
    mesh,
    authorizationPolicies: [
      ...values(entries, 'AuthorizationPolicy'),
      ...stubs(entries, (stub) => (stub.kind === 'AuthorizationPolicy' ? stub.value : null)),
    ],
    peerAuthentications: [
      ...values(entries, 'PeerAuthentication'),
      ...stubs(entries, (stub) => (stub.kind === 'PeerAuthentication' ? stub.value : null)),
      ...legacy.flatMap(legacyPeers),
    ],
    destinationRules: [
      ...values(entries, 'DestinationRule'),
      ...stubs(entries, (stub) => (stub.kind === 'DestinationRule' ? stub.value : null)),
    ],
    requestAuthentications: [...values(entries, 'RequestAuthentication'), ...legacy.flatMap(legacyTokens)],
    tokenRefusals: stubs(entries, (stub) => (stub.kind === 'RequestAuthentication' ? stub.value : null)),
    services: [...assembleServices(sources, mesh.domain), ...services],
    quarantine,
  }
}

type ValueOf<Kind extends Accepted['kind']> = Extract<Accepted, { kind: Kind }>['value']

function values<Kind extends Accepted['kind']>(entries: readonly Entry[], kind: Kind): ValueOf<Kind>[] {
  return entries.flatMap(({ decoded }) => (decoded.kind === kind ? [decoded.value as ValueOf<Kind>] : []))
}

type Stub = NonNullable<Extract<Entry['decoded'], { kind: 'refused' }>['stub']>

function stubs<T>(entries: readonly Entry[], pick: (stub: Stub) => T | null): T[] {
  return entries.flatMap(({ decoded }) => {
    const picked = decoded.kind === 'refused' && decoded.stub !== null ? pick(decoded.stub) : null
    return picked === null ? [] : [picked]
  })
}
