/** What judging a record again came to: a verdict, a verdict of nobody knows which rule, or that it cannot be told. */
import type { Decision } from '../../authz/decision.ts'
import { decidingAction } from '../../authz/deciding-action.ts'
import type { RecordedVerdict } from './recorded-decision.ts'

export type Replayed =
  | { readonly kind: 'decided'; readonly verdict: RecordedVerdict }
  /** Whatever was left out: allowed, or refused, by one rule or another. */
  | { readonly kind: 'either-way'; readonly allowed: boolean }
  | { readonly kind: 'undecidable'; readonly missing: readonly string[] }

export const undecidable = (missing: readonly string[]): Replayed => ({ kind: 'undecidable', missing })

export const decided = (verdict: RecordedVerdict): Replayed => ({ kind: 'decided', verdict })

/** One of these it must be. */
export function settleReplay(possible: readonly RecordedVerdict[], missing: readonly string[]): Replayed {
  const [first, ...more] = possible
  if (first === undefined || more.some(({ allowed }) => allowed !== first.allowed))
    return undecidable(missing)
  return more.every((verdict) => sameDecider(verdict, first))
    ? decided(first)
    : { kind: 'either-way', allowed: first.allowed }
}

export const sameDecider = (x: RecordedVerdict, y: RecordedVerdict): boolean =>
  x.reason === y.reason && x.policy === y.policy && x.rule === y.rule

export function verdictOf({ allowed, reason, policy, rule }: Decision): RecordedVerdict {
  return { allowed, action: decidingAction(reason), policy, rule, reason }
}

/** Refused before rules were asked. */
export const refusedFor = (reason: string): RecordedVerdict => ({
  allowed: false,
  action: null,
  policy: null,
  rule: null,
  reason,
})
