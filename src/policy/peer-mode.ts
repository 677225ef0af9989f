/**
 * Which mTLS mode the server side of one workload port is in: precedence, age and inheritance among PeerAuthentications
 * (policy-semantics §4.2). It decodes nothing and knows no connection.
 */
import { legacyReaches, narrowest } from './legacy-scope.ts'
import type { EffectiveMtls, MtlsMode, PeerAuthentication } from './peer-authentication.ts'
import { selects } from './resource.ts'

/**
 * The mode of `port` (the workload's own port, not a Service's) for a workload with these labels.
 *
 * A quarantined stub does not stand in line by age: in the scope it competes in (mesh, namespace, or the workloads it
 * selects) it makes the answer STRICT, ports included, because the object it stands for might have won there. A narrower
 * scope still overrides it, as it would have overridden the object. A stub with the selector `{}` had one that could not
 * be read; it competes as a workload policy for every workload of its namespace, and in the root namespace mesh-wide.
 *
 * Legacy policies count where no PeerAuthentication does; the narrowest of them decides alone (policy-semantics §7).
 */
export function peerMode(
  all: readonly PeerAuthentication[],
  namespace: string,
  labels: Readonly<Record<string, string>>,
  port: number,
  rootNamespace: string,
): EffectiveMtls {
  let mesh: PeerAuthentication | null = null
  let ofNamespace: PeerAuthentication | null = null
  let workload: PeerAuthentication | null = null
  const legacy: PeerAuthentication[] = []
  for (const policy of all) {
    if (policy.legacy !== null) {
      if (legacyReaches(policy, namespace, labels)) legacy.push(policy)
      continue
    }
    const scope = scopeOf(policy, rootNamespace)
    if (scope === 'mesh') mesh = winner(mesh, policy)
    else if (scope === null || policy.meta.namespace !== namespace) continue
    else if (scope === 'namespace') ofNamespace = winner(ofNamespace, policy)
    else if (selects(policy.selector, labels)) workload = winner(workload, policy)
  }
  if (mesh === null && ofNamespace === null && workload === null)
    return resolve(narrowest(legacy, port)?.mode, 'PERMISSIVE')
  const wide = resolve(ofNamespace?.mode, resolve(mesh?.mode, 'PERMISSIVE'))
  if (workload === null) return wide
  return resolve(workload.portLevel[String(port)], resolve(workload.mode, wide))
}

const resolve = (mode: MtlsMode | undefined, otherwise: EffectiveMtls): EffectiveMtls =>
  mode === undefined || mode === 'UNSET' ? otherwise : mode

/** null: a policy of the root namespace with a selector, which Istio ignores. */
function scopeOf(
  policy: PeerAuthentication,
  rootNamespace: string,
): 'mesh' | 'namespace' | 'workload' | null {
  const labelled = policy.selector !== null && Object.keys(policy.selector).length > 0
  if (policy.meta.namespace === rootNamespace) return labelled ? null : 'mesh'
  const unreadable = policy.quarantined !== null && policy.selector !== null
  return labelled || unreadable ? 'workload' : 'namespace'
}

function winner(best: PeerAuthentication | null, next: PeerAuthentication): PeerAuthentication {
  if (best === null) return next
  if ((best.quarantined === null) !== (next.quarantined === null))
    return best.quarantined === null ? next : best
  return isBefore(next, best) ? next : best
}

/** Oldest first, ties by name, then namespace; byte order, so that every process agrees. */
function isBefore(x: PeerAuthentication, y: PeerAuthentication): boolean {
  if (x.meta.createdAt !== y.meta.createdAt) return x.meta.createdAt < y.meta.createdAt
  if (x.meta.name !== y.meta.name) return x.meta.name < y.meta.name
  return x.meta.namespace < y.meta.namespace
}
