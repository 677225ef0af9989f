/**
 * The legacy policies among the objects in force, each with the places it is in force at: by the folder's own Services, or
 * as the control plane told. It weighs no policy against another.
 */
import { assembleServices } from '../policy/assemble-services.ts'
import type { AttachedPolicy, LegacyAttachment } from '../policy/legacy-attachment.ts'
import type { LegacyPolicy } from '../policy/legacy-policy.ts'
import { LegacyTargets } from '../policy/legacy-targets.ts'
import type { Quarantined } from '../policy/resource.ts'
import { attachedAnnotation, readAttached } from './legacy-annotation.ts'
import type { Entry } from './entry.ts'

export interface LegacyInForce {
  /** By the entry's key. */
  readonly policies: ReadonlyMap<string, AttachedPolicy>
  /** Policies whose targets cannot be told. */
  readonly quarantine: readonly Quarantined[]
  /** `origin: warning`: targets that select nothing. */
  readonly warnings: readonly string[]
}

export function legacyInForce(entries: readonly Entry[], domain: string): LegacyInForce {
  const policies = new Map<string, AttachedPolicy>()
  const quarantine: Quarantined[] = []
  const warnings: string[] = []
  let targets: LegacyTargets | null = null
  for (const entry of entries) {
    const policy = legacyOf(entry)
    if (policy === null) continue
    const told = entry.raw.meta.annotations[attachedAnnotation]
    const resolved =
      told === undefined || policy.scope !== 'targets'
        ? (targets ??= targetsOf(entries, domain)).resolve(policy)
        : { attachments: readAttached(told) ?? [untold(policy)], idle: [] }
    policies.set(entry.key, { policy, attachments: resolved.attachments })
    const { kind, meta } = entry.raw
    warnings.push(...resolved.idle.map((what) => `${meta.origin}: ${what}: it selects nothing`))
    const untellable = resolved.attachments.find(({ quarantined }) => quarantined !== policy.quarantined)
    if (untellable === undefined) continue
    const { name, namespace, origin } = meta
    const reason = `spec.targets: ${untellable.quarantined}`
    quarantine.push({ kind, namespace, name, origin, reason, lastGood: false })
  }
  return { policies, quarantine, warnings }
}

function legacyOf({ decoded }: Entry): LegacyPolicy | null {
  if (decoded.kind === 'Policy' || decoded.kind === 'MeshPolicy') return decoded.value
  if (decoded.kind !== 'refused' || decoded.stub === null) return null
  const { stub } = decoded
  return stub.kind === 'Policy' || stub.kind === 'MeshPolicy' ? stub.value : null
}

const untold = ({ quarantined }: LegacyPolicy): LegacyAttachment => ({
  rank: 'port',
  selector: null,
  ports: null,
  quarantined: quarantined ?? 'the control plane did not tell whom they mean',
})

/** Services that some legacy policy names; the others need not be looked at. */
function targetsOf(entries: readonly Entry[], domain: string): LegacyTargets {
  const wanted = new Set<string>()
  for (const entry of entries) {
    const policy = legacyOf(entry)
    for (const { service } of policy?.targets ?? []) wanted.add(`${policy?.meta.namespace}/${service}`)
  }
  const refused = new Set<string>()
  const services = entries.flatMap(({ decoded, raw }) => {
    const key = `${raw.meta.namespace}/${raw.meta.name}`
    if (raw.kind !== 'Service' || !wanted.has(key)) return []
    if (decoded.kind === 'refused') refused.add(key)
    return decoded.kind === 'Service' ? [decoded.value] : []
  })
  const pick = <T>(of: (entry: Entry) => T | null): T[] =>
    services.length === 0 ? [] : entries.flatMap((entry) => of(entry) ?? [])
  const assembled = assembleServices(
    {
      services,
      endpoints: pick(({ decoded }) =>
        decoded.kind === 'Endpoints' || decoded.kind === 'EndpointSlice' ? decoded.value : null,
      ),
      pods: pick(({ decoded }) => (decoded.kind === 'Pod' ? decoded.value : null)),
      workloadEntries: pick(({ decoded }) => (decoded.kind === 'WorkloadEntry' ? decoded.value : null)),
      serviceEntries: [],
    },
    domain,
  )
  return new LegacyTargets(services, assembled, refused)
}
