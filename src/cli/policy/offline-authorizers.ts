/**
 * The authorizers of a folder's MeshConfig as a sidecar of a namespace would know them: which are good, and why the others
 * are not. Nobody is dialled; where an authorizer is does not matter here.
 */
import type { DecodedConfig } from '../../discovery/build-snapshot.ts'
import { visibleTo } from '../../discovery/visibility.ts'
import { ExtAuthzProviders } from '../../ext-authz/providers.ts'
import type { AuthorizerSet } from '../../ext-authz/providers.ts'
import { systemClock } from '../../lifecycle/clock.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const nowhere = { pick: () => null }

/** `asking` is the workload's namespace; null = whoever may see a service. */
export function offlineAuthorizers({ mesh, services }: DecodedConfig, asking: string | null): AuthorizerSet {
  const providers = new ExtAuthzProviders({ clock: systemClock, log: silent })
  return providers.plan(mesh.extensionProviders, (host, namespace, port) => {
    const known = services.some(
      ({ hostname, ports, meta, exportTo }) =>
        hostname === host &&
        (namespace === null || meta.namespace === namespace) &&
        ports.some(({ number }) => number === port) &&
        (asking === null || visibleTo(exportTo, meta.namespace, asking)),
    )
    return known ? nowhere : null
  })
}
