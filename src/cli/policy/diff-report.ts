/**
 * What changes between two ways of judging recorded decisions, gathered in groups of what decides before and after. Bounded,
 * however long the log is; it judges nothing and prints nothing.
 */
import { callerOf, type Recorded, type RecordedVerdict } from './recorded-decision.ts'
import { sameDecider, type Replayed } from './replayed.ts'

export type Change = 'allowed-to-denied' | 'denied-to-allowed' | 'other-decider'

export interface Example {
  /** Of the log. */
  readonly line: number
  readonly caller: string
  readonly method: string | null
  readonly host: string | null
  readonly path: string | null
}

export interface DiffGroup {
  readonly change: Change
  /** `namespace/name`. */
  readonly workload: string
  readonly protocol: string
  readonly before: string
  readonly after: string
  count: number
  /** Of decisions that were made and only some of them recorded. */
  estimated: number
  readonly examples: Example[]
}

export interface Unsure {
  /** What the log does not tell. */
  readonly missing: readonly string[]
  count: number
}

const mostGroups = 10_000
const mostExamples = 3
const elsewhere = '(further groups)'

export class DiffReport {
  decisions = 0
  same = 0
  readonly groups = new Map<string, DiffGroup>()
  readonly undecidable = new Map<string, Unsure>()
  /** Lines that are no decisions; the first few with the reason. */
  unreadable = 0
  readonly reasons: { readonly line: number; readonly reason: string }[] = []

  get changed(): number {
    return this.countOf('allowed-to-denied') + this.countOf('denied-to-allowed')
  }

  get unsure(): number {
    return [...this.undecidable.values()].reduce((sum, { count }) => sum + count, 0)
  }

  countOf(change: Change): number {
    return this.of(change).reduce((sum, { count }) => sum + count, 0)
  }

  /** Largest first. */
  of(change: Change): DiffGroup[] {
    return [...this.groups.values()]
      .filter((group) => group.change === change)
      .toSorted((x, y) => y.estimated - x.estimated)
  }

  add(line: number, recorded: Recorded, before: Replayed, after: Replayed): void {
    this.decisions += 1
    const [was, is] = [allowedBy(before), allowedBy(after)]
    if (was === null || is === null) return this.#unsure([...missingOf(before), ...missingOf(after)])
    if (was === is && !decidersDiffer(before, after)) {
      this.same += 1
      return
    }
    const change = was === is ? 'other-decider' : was ? 'allowed-to-denied' : 'denied-to-allowed'
    this.#count(change, line, recorded, deciderOf(before), deciderOf(after))
  }

  refuse(line: number, reason: string): void {
    this.unreadable += 1
    if (this.reasons.length < 10) this.reasons.push({ line, reason })
  }

  #count(change: Change, line: number, recorded: Recorded, before: string, after: string): void {
    const { namespace, name } = recorded.workload
    const key = [change, namespace, name, recorded.protocol, before, after].join('\0')
    let group = this.groups.get(key)
    if (group === undefined) {
      const full = this.groups.size >= mostGroups
      const place = full
        ? { workload: elsewhere, protocol: '', before: '', after: '' }
        : { workload: `${namespace}/${name}`, protocol: recorded.protocol, before, after }
      const stored = full ? [change, elsewhere].join('\0') : key
      group = this.groups.get(stored) ?? { change, ...place, count: 0, estimated: 0, examples: [] }
      this.groups.set(stored, group)
    }
    group.count += 1
    group.estimated += recorded.weight
    if (group.examples.length < mostExamples) group.examples.push(exampleOf(line, recorded))
  }

  #unsure(missing: readonly string[]): void {
    const all = [...new Set(missing)].sort()
    const key = all.join('\0')
    const known = this.undecidable.get(key)
    if (known !== undefined) known.count += 1
    else this.undecidable.set(this.undecidable.size < mostGroups ? key : '', { missing: all, count: 1 })
  }
}

const allowedBy = (replayed: Replayed): boolean | null =>
  replayed.kind === 'decided'
    ? replayed.verdict.allowed
    : replayed.kind === 'either-way'
      ? replayed.allowed
      : null

const missingOf = (replayed: Replayed): readonly string[] =>
  replayed.kind === 'undecidable' ? replayed.missing : []

const decidersDiffer = (before: Replayed, after: Replayed): boolean =>
  before.kind === 'decided' && after.kind === 'decided' && !sameDecider(before.verdict, after.verdict)

const deciderOf = (replayed: Replayed): string =>
  replayed.kind === 'decided' ? inWords(replayed.verdict) : 'one rule or another'

function inWords({ action, policy, rule, reason }: RecordedVerdict): string {
  if (policy === null || reason === 'quarantined_policy')
    return policy === null ? reason : `${reason} ${policy}`
  const what = `${action ?? ''} ${policy}${rule === null ? '' : ` rule ${rule}`}`.trim()
  return reason === 'allow_rule' || reason === 'deny_rule' ? what : `${what} (${reason})`
}

function exampleOf(line: number, recorded: Recorded): Example {
  const { request } = recorded
  return {
    line,
    caller: callerOf(recorded),
    method: request?.method ?? null,
    host: request?.host ?? null,
    path: request?.path ?? null,
  }
}
