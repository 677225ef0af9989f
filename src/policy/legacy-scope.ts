/**
 * How far a legacy policy reaches, and which of several wins (policy-semantics §7): the narrowest, alone, with nothing
 * inherited from the others. What the winner says about peers or origins is not asked here.
 */
import { selects } from './resource.ts'
import type { ResourceMeta, Selector } from './resource.ts'

/** Widest first. */
export const legacyRanks = ['mesh', 'namespace', 'service', 'port'] as const
export type LegacyRank = (typeof legacyRanks)[number]

export interface LegacyScope {
  readonly rank: LegacyRank
  /** Ports of the workload, not of a Service; null = every port. */
  readonly ports: readonly number[] | null
  /** Set on the fail-closed stub of a refused object. */
  readonly quarantined: string | null
}

/** Whatever carries a legacy policy's word: a PeerAuthentication or a RequestAuthentication. */
interface Scoped {
  readonly meta: ResourceMeta
  readonly selector: Selector | null
  readonly legacy: LegacyScope | null
}

/** Whether it is about this workload at all, on whatever port. */
export function legacyReaches(
  { meta, selector, legacy }: Scoped,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): boolean {
  if (legacy === null) return false
  return legacy.rank === 'mesh' || (meta.namespace === namespace && selects(selector, labels))
}

/**
 * The winner on one port, of those that reach the workload; or null. Among equals a stub goes before what it may stand for,
 * then the oldest, then by name: Istio left open which of two policies of one service counts.
 */
export function narrowest<T extends Scoped>(reaching: readonly T[], port: number): T | null {
  let best: T | null = null
  for (const one of reaching) {
    const { legacy } = one
    if (legacy === null || (legacy.ports !== null && !legacy.ports.includes(port))) continue
    if (best === null || order(one, best) < 0) best = one
  }
  return best
}

function order(x: Scoped, y: Scoped): number {
  return (
    rankOf(y) - rankOf(x) ||
    Number(isStub(y)) - Number(isStub(x)) ||
    x.meta.createdAt - y.meta.createdAt ||
    (x.meta.name < y.meta.name ? -1 : x.meta.name > y.meta.name ? 1 : 0)
  )
}

const rankOf = ({ legacy }: Scoped): number => (legacy === null ? -1 : legacyRanks.indexOf(legacy.rank))

const isStub = ({ legacy }: Scoped): boolean => legacy !== null && legacy.quarantined !== null
