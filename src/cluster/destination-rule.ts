/**
 * Which DestinationRule a client obeys for a service, and what is left of it for one port (policy-semantics §4.5, §4.6).
 * It chooses and merges rules; what their TLS settings come to is `client-tls.ts`'s work.
 */
import { sortInSteps } from '../lifecycle/sort-in-steps.ts'
import type { Steps } from '../lifecycle/steps.ts'
import type { DestinationRule, PortTrafficPolicy, Subset, TrafficPolicy } from '../policy/destination-rule.ts'
import { selects } from '../policy/resource.ts'
import type { Service } from '../policy/service.ts'
import type { Workload } from '../policy/workload.ts'

/** All rules of one host in one namespace that the client sees, as one. */
export interface ChosenRule {
  readonly trafficPolicy: TrafficPolicy | null
  readonly subsets: readonly Subset[]
  /** It applies to chosen workloads only: `credentialName` is good on a sidecar only then. */
  readonly selectsWorkload: boolean
  /** Why the host must not be dialled; null = it may. */
  readonly quarantined: string | null
}

/** Rules of one namespace by host. */
interface HostTable {
  readonly exact: Map<string, DestinationRule[]>
  /** Without their star; longest first. */
  readonly wildcard: Map<string, DestinationRule[]>
}

export class DestinationRules {
  readonly #client: Workload
  readonly #rootNamespace: string
  /** Visible to the client in its own namespace; in the root namespace only the private ones. */
  readonly #own: HostTable
  /** Not purely private ones, by namespace. */
  readonly #exported = new Map<string, HostTable>()

  private constructor(ordered: readonly DestinationRule[], client: Workload, rootNamespace: string) {
    this.#client = client
    this.#rootNamespace = rootNamespace
    const local = ordered.filter(
      (rule) =>
        rule.meta.namespace === client.namespace &&
        isVisible(rule, client.namespace) &&
        selects(rule.workloadSelector, client.labels),
    )
    this.#own = hostTable(client.namespace === rootNamespace ? local.filter(isPrivate) : local)
    const byNamespace = Map.groupBy(
      ordered.filter((rule) => !isPrivate(rule)),
      (rule) => rule.meta.namespace,
    )
    for (const [namespace, group] of byNamespace) this.#exported.set(namespace, hostTable(group))
  }

  /** The last step looks at all rules once more, a microsecond each. */
  static *build(
    rules: readonly DestinationRule[],
    client: Workload,
    rootNamespace: string,
  ): Steps<DestinationRules> {
    return new DestinationRules(yield* sortInSteps(rules, oldestFirst), client, rootNamespace)
  }

  /** The first namespace with any matching host wins: client's, service's, root; nothing is merged across them. */
  find(service: Service): ChosenRule | null {
    const own = mostSpecific(this.#own, service.hostname)
    if (own !== null) return merge(own)
    for (const namespace of [service.meta.namespace, this.#rootNamespace]) {
      const table = this.#exported.get(namespace)
      const found = table === undefined ? null : mostSpecific(table, service.hostname)
      // Export is asked after the host was chosen: a rule for others hides a wider one for all.
      const visible = found?.filter((rule) => isVisible(rule, this.#client.namespace)) ?? []
      if (visible.length > 0) return merge(visible)
    }
    return null
  }
}

const none: PortTrafficPolicy = {
  tls: null,
  connectTimeoutMs: null,
  maxConnections: null,
  maxPendingRequests: null,
  loadBalancer: null,
}

/** A port's entry replaces everything, also by leaving it out; a subset overrides what it names. */
export function portPolicy(rule: ChosenRule | null, port: number, subset: string): PortTrafficPolicy {
  const base = atPort(rule?.trafficPolicy ?? null, port)
  const chosen = rule?.subsets.find(({ name }) => name === subset)?.trafficPolicy ?? null
  if (chosen === null) return base
  if (hasPort(chosen, port)) return atPort(chosen, port)
  // One connectionPool in the object: whoever gives a part of it gives all of it.
  const pooled =
    chosen.connectTimeoutMs !== null || chosen.maxConnections !== null || chosen.maxPendingRequests !== null
  const pool = pooled ? chosen : base
  return {
    tls: chosen.tls ?? base.tls,
    connectTimeoutMs: pool.connectTimeoutMs,
    maxConnections: pool.maxConnections,
    maxPendingRequests: pool.maxPendingRequests,
    loadBalancer: chosen.loadBalancer ?? base.loadBalancer,
  }
}

const hasPort = (policy: TrafficPolicy, port: number): boolean => Object.hasOwn(policy.ports, String(port))

function atPort(policy: TrafficPolicy | null, port: number): PortTrafficPolicy {
  if (policy === null) return none
  return hasPort(policy, port) ? (policy.ports[String(port)] ?? none) : policy
}

function isVisible({ exportTo, meta }: DestinationRule, namespace: string): boolean {
  if (exportTo.length === 0 || exportTo.includes('*') || exportTo.includes(namespace)) return true
  return exportTo.includes('.') && meta.namespace === namespace
}

/** Seen by nobody outside its namespace. */
function isPrivate({ exportTo, meta, workloadSelector }: DestinationRule): boolean {
  if (workloadSelector !== null) return true
  return exportTo.length > 0 && exportTo.every((to) => to === '.' || to === '~' || to === meta.namespace)
}

function hostTable(rules: readonly DestinationRule[]): HostTable {
  const byHost = Map.groupBy(rules, ({ host }) => host)
  const wildcards = [...byHost].filter(([host]) => host.startsWith('*'))
  return {
    exact: byHost,
    wildcard: new Map(
      wildcards
        .toSorted(([x], [y]) => y.length - x.length)
        .map(([host, group]) => [host.slice(1), group] as const),
    ),
  }
}

/** A service's own name may be a wildcard: it is found exactly, or under a wider one. */
function mostSpecific(table: HostTable, hostname: string): readonly DestinationRule[] | null {
  const exact = table.exact.get(hostname)
  if (exact !== undefined) return exact
  for (const [suffix, rules] of table.wildcard) if (hostname.endsWith(suffix)) return rules
  return null
}

function merge(rules: readonly DestinationRule[]): ChosenRule {
  const selected = rules.filter(({ workloadSelector }) => workloadSelector !== null)
  const used = selected.length > 0 ? selected : rules
  const subsets = new Map<string, Subset>()
  for (const subset of used.flatMap((rule) => rule.subsets))
    if (!subsets.has(subset.name)) subsets.set(subset.name, subset)
  return {
    trafficPolicy: used.find(({ trafficPolicy }) => trafficPolicy !== null)?.trafficPolicy ?? null,
    subsets: [...subsets.values()],
    selectsWorkload: selected.length > 0,
    quarantined: used.find(({ quarantined }) => quarantined !== null)?.quarantined ?? null,
  }
}

function oldestFirst(x: DestinationRule, y: DestinationRule): number {
  return (
    x.meta.createdAt - y.meta.createdAt ||
    compareText(x.meta.name, y.meta.name) ||
    compareText(x.meta.namespace, y.meta.namespace)
  )
}

const compareText = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0)
