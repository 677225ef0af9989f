/**
 * Pods and WorkloadEntries by name, address and labels: whose identity an endpoint address carries. It believes a
 * WorkloadEntry about its own namespace only, and knows nothing of services.
 */
import { selects } from './resource.ts'
import type { Selector } from './resource.ts'
import type { ServiceEndpoint } from './service.ts'
import type { Pod, WorkloadEntry } from './service-source.ts'

export type EndpointIdentity = Pick<ServiceEndpoint, 'labels' | 'namespace' | 'serviceAccount' | 'weight'>

export class WorkloadDirectory {
  readonly #podsByName = new Map<string, Pod>()
  readonly #podsByAddress = new Map<string, Pod[]>()
  readonly #podsByNamespace = new Map<string, Pod[]>()
  readonly #entriesByAddress = new Map<string, WorkloadEntry[]>()
  readonly #entriesByNamespace = new Map<string, WorkloadEntry[]>()

  constructor(pods: readonly Pod[], entries: readonly WorkloadEntry[]) {
    for (const pod of pods) {
      this.#podsByName.set(`${pod.meta.namespace}/${pod.meta.name}`, pod)
      append(this.#podsByNamespace, pod.meta.namespace, pod)
      for (const address of pod.addresses) append(this.#podsByAddress, address, pod)
    }
    for (const entry of entries) {
      append(this.#entriesByNamespace, entry.meta.namespace, entry)
      append(this.#entriesByAddress, `${entry.meta.namespace}/${entry.address}`, entry)
    }
  }

  podsOf(namespace: string, selector: Selector): readonly Pod[] {
    return (this.#podsByNamespace.get(namespace) ?? []).filter((pod) => selects(selector, pod.meta.labels))
  }

  entriesOf(namespace: string, selector: Selector): readonly WorkloadEntry[] {
    return (this.#entriesByNamespace.get(namespace) ?? []).filter((entry) => selects(selector, entry.labels))
  }

  /**
   * Who is behind an address that a service of `namespace` lists, `pod` being the name it was listed with. Two possible
   * answers (pods on the host's network share its address) are no answer: an unknown account is expected of nobody.
   */
  identify(address: string, pod: string | null, namespace: string): EndpointIdentity {
    const named = pod === null ? undefined : this.#podsByName.get(`${namespace}/${pod}`)
    if (named !== undefined && named.addresses.includes(address)) return podIdentity(named)
    const sharing = this.#podsByAddress.get(address) ?? []
    const own = sharing.filter((candidate) => candidate.meta.namespace === namespace)
    const [found] = sharing.length === 1 ? sharing : own
    if (found !== undefined && (sharing.length === 1 || own.length === 1)) return podIdentity(found)
    const entries = this.#entriesByAddress.get(`${namespace}/${address}`) ?? []
    const [entry] = entries
    if (sharing.length === 0 && entries.length === 1 && entry !== undefined) return entryIdentity(entry)
    return { labels: {}, namespace, serviceAccount: null, weight: 1 }
  }
}

export const podIdentity = (pod: Pod): EndpointIdentity => ({
  labels: pod.meta.labels,
  namespace: pod.meta.namespace,
  serviceAccount: pod.serviceAccount,
  weight: 1,
})

export const entryIdentity = (entry: WorkloadEntry): EndpointIdentity => ({
  labels: entry.labels,
  namespace: entry.meta.namespace,
  serviceAccount: entry.serviceAccount,
  weight: entry.weight,
})

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const existing = lists.get(key)
  if (existing === undefined) lists.set(key, [item])
  else existing.push(item)
}
