/**
 * The last recorded decisions of a thread, so that one can be explained afterwards. Bounded by number and by size; nothing is
 * told of them, not even in this memory's own words, before somebody asks.
 */
import { formatSocketAddress } from '../../address/socket-address.ts'
import { explain } from '../../authz/explain.ts'
import type { Explanation } from '../../authz/explain.ts'
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import type { DecisionLine } from '../../telemetry/decision-line.ts'
import type { DecisionScope } from './decision-scope.ts'
import { decisionText } from './decision-text.ts'
import { sizeOf, type Judged } from './judged.ts'

/** How a decision is asked for: by the request's id, or by the peer's address and port. */
export type DecisionName = { readonly requestId: string } | { readonly connection: string }

export interface ExplainedDecision {
  readonly decision: DecisionLine
  /** null where no policy was asked, and where the policy is held no longer. */
  readonly explanation: Explanation | null
}

/** What a list shows of each. */
export type DecisionSummary = Pick<
  DecisionLine,
  'time' | 'requestId' | 'method' | 'host' | 'path' | 'verdict' | 'reason' | 'policy' | 'rule'
> & { readonly connection: string }

interface Entry {
  readonly judged: Judged
  readonly scope: DecisionScope
  readonly size: number
  /** null when there was none to ask, or when too many others came after. */
  policy: CompiledPolicy | null
}

const mostEntries = 512
const mostCharacters = 512 * 1024
/** Policies that are kept alive here: a configuration that changes every second must not pile up. */
const mostPolicies = 4
/** Rules that are told of; the data thread serves nobody meanwhile. */
const mostRules = 1000

export class RecentDecisions {
  readonly #entries: Entry[] = []
  readonly #policies: CompiledPolicy[] = []
  #characters = 0

  add(judged: Judged, scope: DecisionScope, policy: CompiledPolicy | null): void {
    if (policy !== null && !this.#policies.includes(policy)) this.#hold(policy)
    const size = sizeOf(judged)
    this.#entries.push({ judged, scope, size, policy })
    this.#characters += size
    while (this.#entries.length > mostEntries || this.#characters > mostCharacters) {
      const gone = this.#entries.shift()
      if (gone === undefined) break
      this.#characters -= gone.size
    }
  }

  /** The newest of that name. */
  explain(name: DecisionName): ExplainedDecision | null {
    const entry = this.#entries.findLast(({ judged }) => isNamed(judged, name))
    if (entry === undefined) return null
    const { judged, scope, policy } = entry
    const decision = lineOf(judged, scope)
    const { context } = judged.connection
    if (policy === null || context === null) return { decision, explanation: null }
    const options = { ...scope.showing, most: mostRules }
    return { decision, explanation: explain(policy, context, judged.request?.context ?? null, options) }
  }

  /** Newest first. */
  list(): DecisionSummary[] {
    return this.#entries.toReversed().map(({ judged, scope }) => {
      const { time, requestId, method, host, path, verdict, reason, policy, rule } = lineOf(judged, scope)
      const connection = connectionOf(judged)
      return { time, requestId, connection, method, host, path, verdict, reason, policy, rule }
    })
  }

  #hold(policy: CompiledPolicy): void {
    this.#policies.push(policy)
    if (this.#policies.length <= mostPolicies) return
    const gone = this.#policies.shift()
    for (const entry of this.#entries) if (entry.policy === gone) entry.policy = null
  }
}

const lineOf = (judged: Judged, scope: DecisionScope): DecisionLine =>
  JSON.parse(decisionText(judged, scope, null)) as DecisionLine

const isNamed = (judged: Judged, name: DecisionName): boolean =>
  'requestId' in name
    ? name.requestId !== '' && judged.request?.requestId === name.requestId
    : connectionOf(judged) === name.connection

const connectionOf = ({ connection }: Judged): string => formatSocketAddress(connection.remote)
