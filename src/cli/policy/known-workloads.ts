/** The workloads a folder names (pods and WorkloadEntries) and what applies to each. It judges no request. */
import { applicableAuthentications, applicablePolicies } from '../../authz/applicable.ts'
import type { Action } from '../../policy/authorization-policy.ts'
import type { EffectiveMtls } from '../../policy/peer-authentication.ts'
import { peerMode } from '../../policy/peer-mode.ts'
import type { RequestAuthentication } from '../../policy/request-authentication.ts'
import { legacyName } from './legacy-place.ts'
import type { PolicyFolder } from './load-policy-folder.ts'

export interface KnownWorkload {
  readonly kind: 'Pod' | 'WorkloadEntry'
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

export interface Applied {
  /** `namespace/name`. */
  readonly workload: string
  /** Of ports that nothing names. */
  readonly mtls: EffectiveMtls
  readonly policies: readonly { readonly action: Action; readonly name: string; readonly dryRun: boolean }[]
  readonly requestAuthentications: readonly string[]
}

export function knownWorkloads({ state }: PolicyFolder): KnownWorkload[] {
  return state.entries.flatMap(({ decoded }): KnownWorkload[] => {
    if (decoded.kind === 'Pod') {
      const { namespace, name, labels } = decoded.value.meta
      return [{ kind: 'Pod', namespace, name, labels }]
    }
    if (decoded.kind !== 'WorkloadEntry') return []
    const { meta, labels } = decoded.value
    return [{ kind: 'WorkloadEntry', namespace: meta.namespace, name: meta.name, labels }]
  })
}

export function appliedTo({ config }: PolicyFolder, known: KnownWorkload): Applied {
  const { rootNamespace } = config.mesh
  const { namespace, name, labels } = known
  return {
    workload: `${namespace}/${name}`,
    mtls: peerMode(config.peerAuthentications, namespace, labels, 0, rootNamespace),
    policies: applicablePolicies(config.authorizationPolicies, known, rootNamespace).map(
      ({ meta, action, dryRun }) => ({ action, name: `${meta.namespace}/${meta.name}`, dryRun }),
    ),
    requestAuthentications: applicableAuthentications(
      config.requestAuthentications,
      known,
      rootNamespace,
    ).map(tokenName),
  }
}

/** Legacy ones are in force at ports, and those are not what their Services call them. */
function tokenName({ meta, legacy }: RequestAuthentication): string {
  if (legacy === null) return `${meta.namespace}/${meta.name}`
  return `${legacyName(meta)}${legacy.ports === null ? '' : ` on ${legacy.ports.join(', ')}`}`
}
