/**
 * Everything decoded, cut to one workload, as a Snapshot. Pure; equal content gives back the snapshot before, so that
 * nobody compiles or re-judges for nothing.
 */
import { createHash } from 'node:crypto'
import { applicableAuthentications, applicablePolicies, reaches } from '../authz/applicable.ts'
import type { AuthorizationPolicy } from '../policy/authorization-policy.ts'
import type { DestinationRule } from '../policy/destination-rule.ts'
import type { MeshConfig } from '../policy/mesh-config.ts'
import type { PeerAuthentication } from '../policy/peer-authentication.ts'
import { peerMode } from '../policy/peer-mode.ts'
import type { RequestAuthentication } from '../policy/request-authentication.ts'
import type { Quarantined } from '../policy/resource.ts'
import type { Service } from '../policy/service.ts'
import type { TokenRefusal } from '../policy/token-refusal.ts'
import type { Workload } from '../policy/workload.ts'
import { inboundPorts } from './inbound-ports.ts'
import type { PartHashes, Snapshot } from './snapshot.ts'
import { ruleIsVisible, visibleTo } from './visibility.ts'

/** The whole mesh's configuration as decoded values. */
export interface DecodedConfig {
  readonly mesh: MeshConfig
  readonly authorizationPolicies: readonly AuthorizationPolicy[]
  readonly peerAuthentications: readonly PeerAuthentication[]
  readonly requestAuthentications: readonly RequestAuthentication[]
  readonly tokenRefusals: readonly TokenRefusal[]
  readonly destinationRules: readonly DestinationRule[]
  readonly services: readonly Service[]
  readonly quarantine: readonly Quarantined[]
}

/** Port that no workload listens on: asks for the mode of all the ports that nothing names. */
const noPort = 0

export function buildSnapshot(
  config: DecodedConfig,
  workload: Workload,
  previous: Snapshot | null,
): Snapshot {
  const { mesh, peerAuthentications } = config
  const modeOf = (port: number) =>
    peerMode(peerAuthentications, workload.namespace, workload.labels, port, mesh.rootNamespace)
  const content = {
    mesh,
    workload,
    authorizationPolicies: applicablePolicies(config.authorizationPolicies, workload, mesh.rootNamespace),
    requestAuthentications: applicableAuthentications(
      config.requestAuthentications,
      workload,
      mesh.rootNamespace,
    ),
    tokenRefusals: config.tokenRefusals.filter(({ namespace, selector }) =>
      reaches(namespace, selector, workload, mesh.rootNamespace),
    ),
    peerAuthentications,
    destinationRules: config.destinationRules.filter((rule) => ruleIsVisible(rule, workload.namespace)),
    services: config.services.filter((service) =>
      visibleTo(service.exportTo, service.meta.namespace, workload.namespace),
    ),
    // A service that is exported elsewhere only still has its ports here.
    inboundPorts: inboundPorts(config.services, peerAuthentications, workload, modeOf),
    defaultMtls: modeOf(noPort),
    quarantine: config.quarantine,
  }
  const parts = partHashes(content)
  const { inboundPorts: ports, defaultMtls, quarantine } = content
  const hash = contentHash([parts, ports, defaultMtls, quarantine])
  if (previous?.hash === hash) return previous
  return { generation: (previous?.generation ?? 0) + 1, hash, parts, ...content }
}

/** Every field that one of them is compiled from belongs into it, or a change of that field would not come into force. */
export function partHashes(content: Omit<Snapshot, 'generation' | 'hash' | 'parts'>): PartHashes {
  const { mesh, workload, services, destinationRules, peerAuthentications } = content
  return {
    policy: contentHash([mesh, content.authorizationPolicies]),
    tokens: contentHash([content.requestAuthentications, content.tokenRefusals]),
    routing: contentHash([mesh, workload, services, destinationRules, peerAuthentications]),
  }
}

/** Independent of the order of keys, and of where in a file an object stands. */
export function contentHash(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content, stable)).digest('base64url')
}

function stable(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const fields = value as Readonly<Record<string, unknown>>
  // Metadata and quarantine entries are known by fields that no map of labels can have: a label may be called origin.
  const placed = typeof fields['createdAt'] === 'number' || typeof fields['lastGood'] === 'boolean'
  const out = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(fields).toSorted()) {
    if (!(placed && name === 'origin')) out[name] = fields[name]
  }
  return out
}
