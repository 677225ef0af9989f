/**
 * Verdicts counted by the policy that gave them, in plain integers: a cell is found once and counted in often. Bounded, since
 * policies come and go; nothing here knows prom-client.
 */
import type { ShadowResult } from '../authz/authorize.ts'

export interface VerdictCell {
  readonly verdict: 'allowed' | 'denied'
  readonly reason: string
  /** `namespace/name`; '' = no policy decided. */
  readonly policy: string
  count: number
}

export interface ShadowCell {
  readonly action: 'ALLOW' | 'DENY'
  readonly result: 'allowed' | 'denied'
  /** `namespace/name` of the dry-run policy that matched; '' = none did. */
  readonly policy: string
  count: number
}

/** What a cell needs of a decision. */
export interface Counted {
  readonly allowed: boolean
  readonly reason: string
  readonly policy: string | null
}

/** The policy under which everything is counted that found no room. */
export const overflow = 'overflow'

export class VerdictCounts {
  readonly #most: number
  readonly #verdicts = new Map<string, VerdictCell>()
  readonly #shadows = new Map<string, ShadowCell>()

  /** `most`: cells of each kind, those of the overflow apart. */
  constructor(most = 500) {
    this.#most = most
  }

  cell({ allowed, reason, policy }: Counted): VerdictCell {
    const verdict = allowed ? 'allowed' : 'denied'
    const key = `${verdict} ${reason} ${policy ?? ''}`
    const known = this.#verdicts.get(key)
    if (known !== undefined) return known
    const fits = policy === null || policy === overflow || this.#verdicts.size < this.#most
    if (!fits) return this.cell({ allowed, reason, policy: overflow })
    const made: VerdictCell = { verdict, reason, policy: policy ?? '', count: 0 }
    this.#verdicts.set(key, made)
    return made
  }

  shadow(results: readonly ShadowResult[]): void {
    for (const { action, result, policyId } of results) this.#shadowCell(action, result, policyId).count += 1
  }

  /** Plain copies that cross threads. */
  collect(): { verdicts: VerdictCell[]; shadows: ShadowCell[] } {
    return {
      verdicts: [...this.#verdicts.values()].map((cell) => ({ ...cell })),
      shadows: [...this.#shadows.values()].map((cell) => ({ ...cell })),
    }
  }

  #shadowCell(action: ShadowCell['action'], result: ShadowCell['result'], id: string | null): ShadowCell {
    const key = `${action} ${result} ${id ?? ''}`
    const known = this.#shadows.get(key)
    if (known !== undefined) return known
    if (id !== null && id !== overflow && this.#shadows.size >= this.#most)
      return this.#shadowCell(action, result, overflow)
    const made: ShadowCell = { action, result, policy: policyOf(id), count: 0 }
    this.#shadows.set(key, made)
    return made
  }
}

/** Of `ns[x]-policy[y]-rule[i]`. */
function policyOf(id: string | null): string {
  if (id === null) return ''
  const found = /^ns\[([^\]]*)\]-policy\[([^\]]*)\]/.exec(id)
  return found === null ? id : `${found[1]}/${found[2]}`
}
