/**
 * One set of rules and questions for every engine of the policy bench, as plain values: callers, methods, paths, a header
 * and source blocks. It is no policy of any engine yet.
 */
export interface PlainRule {
  readonly denies: boolean
  /** Without `spiffe://`; null = anybody. */
  readonly caller: string | null
  readonly methods: readonly string[] | null
  /** Exact, or a prefix with a star at its end. */
  readonly path: string | null
  /** Wanted value of the header `x-tier`. */
  readonly tier: string | null
  /** `10.x.0.0/16` */
  readonly block: string | null
}

export interface Question {
  readonly caller: string
  readonly ip: string
  readonly method: string
  readonly path: string
  readonly tier: string | null
}

const callerOf = (i: number): string => `cluster.local/ns/team-${i % 20}/sa/caller-${i}`

/** As many callers as a busy workload has, each named by its share of the rules. */
export const callersFor = (count: number): number => Math.max(4, Math.min(200, Math.floor(count / 5)))

/** A fifth denies; a path is a prefix, exact or any; rules about method, tier and block are spread among them. */
export function ruleMix(count: number): PlainRule[] {
  const callers = callersFor(count)
  return Array.from({ length: count }, (_, i) => {
    const kind = i % 10
    return {
      denies: i % 5 === 4,
      caller: kind === 7 ? null : callerOf(i % callers),
      methods: kind % 3 === 0 ? ['GET', 'HEAD'] : kind % 3 === 1 ? ['POST'] : null,
      // Rules without a path must want something else, or they would settle every question of the caller.
      path: kind === 5 ? null : kind % 2 === 0 ? `/api/v${i}/*` : `/api/item/${i}`,
      tier: kind === 5 ? `tier-${i}` : kind === 2 ? 'gold' : null,
      block: kind === 8 || kind === 3 ? `10.${i % 250}.0.0/16` : null,
    }
  })
}

/** Half aims at a rule and mostly fits it, half at nothing there is. */
export function questionMix(rules: readonly PlainRule[], count: number): Question[] {
  const callers = callersFor(rules.length)
  return Array.from({ length: count }, (_, n) => {
    const i = Math.floor((n * rules.length) / count)
    const rule = rules[i]
    if (n % 2 === 0 || rule === undefined) {
      return {
        caller: callerOf(n % callers),
        ip: '10.9.9.9',
        method: 'GET',
        path: `/none/${n}`,
        tier: 'gold',
      }
    }
    return {
      caller: rule.caller ?? callerOf(n % callers),
      ip: rule.block === null ? '10.9.9.9' : rule.block.replace('0.0/16', '7.7'),
      method: rule.methods?.[0] ?? 'PUT',
      path: rule.path === null ? `/any/${n}` : rule.path.replace('*', 'things/7'),
      tier: rule.tier ?? (n % 4 === 1 ? 'gold' : null),
    }
  })
}
