/**
 * Which workloads and ports the targets of legacy policies mean: names and ports of Services become the selectors and
 * target ports of those Services (policy-semantics §7). Who wins among policies is not decided here.
 */
import type { LegacyAttachment } from './legacy-attachment.ts'
import type { LegacyPolicy, LegacyPort, LegacyTarget } from './legacy-policy.ts'
import type { LegacyRank } from './legacy-scope.ts'
import type { Selector } from './resource.ts'
import type { Service } from './service.ts'
import type { KubernetesService, KubernetesServicePort } from './service-source.ts'

export interface ResolvedTargets {
  readonly attachments: readonly LegacyAttachment[]
  /** What selects nothing, with its path: a Service or port that is not there. */
  readonly idle: readonly string[]
}

export class LegacyTargets {
  readonly #services = new Map<string, KubernetesService>()
  /** Numbers as the endpoints have them, by Service: a target port may be a name, and a machine may have its own. */
  readonly #endpoints = new Map<string, Service['endpoints']>()
  readonly #refused: ReadonlySet<string>

  /** `refused`: `namespace/name` of Services that could not be read. `assembled`: with their endpoints. */
  constructor(
    services: readonly KubernetesService[],
    assembled: readonly Service[],
    refused: ReadonlySet<string>,
  ) {
    for (const service of services) this.#services.set(keyOf(service.meta), service)
    for (const { meta, endpoints } of assembled) this.#endpoints.set(keyOf(meta), endpoints)
    this.#refused = refused
  }

  resolve({ meta, scope, targets, quarantined }: LegacyPolicy): ResolvedTargets {
    if (scope !== 'targets')
      return { attachments: [{ rank: scope, selector: null, ports: null, quarantined }], idle: [] }
    if (targets === null) return { attachments: [everywhere(quarantined)], idle: [] }
    const attachments: LegacyAttachment[] = []
    const idle: string[] = []
    targets.forEach((target, index) => {
      const found = this.#resolveTarget(meta.namespace, target, quarantined)
      attachments.push(...found.attachments)
      idle.push(...found.idle.map((what) => `spec.targets[${index}]: ${what}`))
    })
    return { attachments, idle }
  }

  #resolveTarget(namespace: string, target: LegacyTarget, quarantined: string | null): ResolvedTargets {
    const { service: name } = target
    const key = `${namespace}/${name}`
    const service = this.#services.get(key)
    if (service === undefined) {
      if (!this.#refused.has(key))
        return { attachments: [], idle: [`there is no Service "${name}" in namespace "${namespace}"`] }
      // There is such a Service, and whom it selects is not known: it may be anybody.
      return { attachments: [everywhere(quarantined ?? `the Service "${name}" is refused`)], idle: [] }
    }
    if (service.externalName !== null)
      return { attachments: [], idle: [`the Service "${name}" is outside the mesh`] }
    if (service.selector === null)
      return { attachments: [everywhere(quarantined ?? `the Service "${name}" has no selector`)], idle: [] }
    const { ports, idle } = portsOf(service, target.ports)
    const rank = target.ports.length === 0 ? 'service' : 'port'
    const attachments = this.#attach(key, service.selector, ports, rank, quarantined)
    return { attachments, idle: idle.map((port) => `the Service "${name}" has no port ${port}`) }
  }

  #attach(
    key: string,
    selector: Selector,
    ports: readonly KubernetesServicePort[],
    rank: LegacyRank,
    quarantined: string | null,
  ): LegacyAttachment[] {
    const numbers = new Set<number>()
    const attachments: LegacyAttachment[] = []
    for (const { number, target } of ports) {
      const known = this.#numbersOf(key, number)
      const usual = typeof target === 'number' ? target : known.size === 1 ? [...known.keys()][0] : undefined
      if (usual !== undefined) numbers.add(usual)
      else if (known.size === 0) {
        const reason = quarantined ?? `no endpoint says which port the targetPort "${target}" is`
        attachments.push({ rank, selector, ports: null, quarantined: reason })
      }
      // Pods that disagree about a name, machines that have a port of their own: for those alone.
      for (const [own, selectors] of known)
        if (own !== usual)
          attachments.push(
            ...selectors.map((labels) => ({ rank, selector: labels, ports: [own], quarantined })),
          )
    }
    if (numbers.size > 0) {
      const sorted = [...numbers].toSorted((x, y) => x - y)
      attachments.push({ rank, selector, ports: sorted, quarantined })
    }
    return attachments
  }

  /** Numbers that endpoints have for a Service port, each with the labels of those that do. */
  #numbersOf(key: string, port: number): Map<number, Selector[]> {
    const found = new Map<number, Selector[]>()
    for (const { ports, labels } of this.#endpoints.get(key) ?? []) {
      const number = ports[String(port)]
      if (number === undefined) continue
      const selectors = found.get(number) ?? []
      found.set(number, selectors)
      if (!selectors.some((known) => JSON.stringify(known) === JSON.stringify(labels))) selectors.push(labels)
    }
    return found
  }
}

const keyOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }): string =>
  `${namespace}/${name}`

/** For targets that cannot be told: every workload of the namespace, before every other legacy policy. */
const everywhere = (quarantined: string | null): LegacyAttachment => ({
  rank: 'port',
  selector: null,
  ports: null,
  quarantined,
})

function portsOf(
  { ports }: KubernetesService,
  wanted: readonly LegacyPort[],
): { ports: readonly KubernetesServicePort[]; idle: readonly LegacyPort[] } {
  if (wanted.length === 0) return { ports, idle: [] }
  const fits = (port: KubernetesServicePort, want: LegacyPort): boolean =>
    typeof want === 'number' ? port.number === want : port.name === want
  return {
    ports: ports.filter((port) => wanted.some((want) => fits(port, want))),
    idle: wanted.filter((want) => !ports.some((port) => fits(port, want))),
  }
}
