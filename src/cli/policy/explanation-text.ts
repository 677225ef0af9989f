/** An explanation as text for people: the verdict, what decided it, and every rule with the conditions that failed. */
import type { ConditionAccount } from '../../authz/condition-account.ts'
import type { Explanation, RuleAccount } from '../../authz/explain.ts'
import type { NearestMiss } from '../../authz/nearest-miss.ts'
import type { Answer } from './answer.ts'

/** What is said of the verdict. */
export type Told = Pick<Answer, 'allowed' | 'status' | 'reason' | 'path' | 'action' | 'custom'>

/** `explanation` is null where the engine was not asked. */
export function explanationText(answer: Told, explanation: Explanation | null): string {
  const lines = [verdict(answer)]
  if (explanation === null) return `${lines.join('\n')}\n`
  const { rules, lost, untold } = explanation
  // CUSTOM comes first: where it refuses, the others are not asked.
  const consulted = rules.find(({ set, matched }) => set === 'custom' && matched) ?? null
  const decided = answer.action === 'CUSTOM' ? consulted : explanation.decided
  const miss = answer.action === 'CUSTOM' ? null : explanation.miss
  if (answer.custom !== null) lines.push(`authorizer ${answer.custom}`)
  if (decided !== null) lines.push(`decided by ${named(decided)}`, ...decided.conditions.map(told))
  if (miss !== null) lines.push(`nearest miss: ${missed(miss)}`)
  const others = rules.filter((rule) => rule !== decided)
  if (others.length > 0) lines.push('other rules:')
  for (const rule of others) {
    lines.push(`  ${rule.matched ? 'matches' : 'does not match'}: ${named(rule)}`)
    if (!rule.matched)
      lines.push(...rule.conditions.filter(({ met }) => !met).map((condition) => `  ${told(condition)}`))
  }
  for (const { policy, rule, keys } of lost)
    lines.push(`  says nothing here: ALLOW ${policy} rule ${rule} (${keys.join(', ')})`)
  if (untold > 0) lines.push(`  and ${untold} rules more`)
  return `${lines.join('\n')}\n`
}

function verdict({ allowed, status, reason, path }: Told): string {
  const known = reason === 'custom_not_asked' ? 'UNDECIDED' : 'REFUSED'
  const said = [allowed ? 'ALLOWED' : known, reason]
  if (!allowed && status !== null) said.push(`status ${status}`)
  if (path !== null) said.push(`path ${path}`)
  return said.join(', ')
}

const words: Readonly<Record<RuleAccount['set'], string>> = {
  custom: 'CUSTOM',
  audit: 'AUDIT',
  deny: 'DENY',
  allow: 'ALLOW',
  shadowDeny: 'DENY (dry run)',
  shadowAllow: 'ALLOW (dry run)',
}

const named = ({ set, policy, rule }: RuleAccount): string =>
  `${words[set]} ${policy}${rule === null ? ' (refused: denies all it selects)' : ` rule ${rule}`}`

const told = (condition: ConditionAccount): string =>
  `  ${condition.met ? '✓' : '✗'} ${condition.at} ${compared(condition)}`

const missed = (miss: NearestMiss): string => `${miss.policy} rule ${miss.rule}: ${miss.at} ${compared(miss)}`

function compared({
  field,
  wanted,
  unwanted,
  observed,
}: Pick<ConditionAccount, 'field' | 'wanted' | 'unwanted' | 'observed'>): string {
  const sides = [
    ...(wanted.length === 0 ? [] : [`wants ${listed(wanted)}`]),
    ...(unwanted.length === 0 ? [] : [`excludes ${listed(unwanted)}`]),
  ]
  return `${field}: ${sides.join(' and ')}, found ${observed === null ? 'nothing' : listed(observed)}`
}

/** Quoted as JSON, so that a value cannot forge a line. */
const listed = (values: readonly string[]): string =>
  values.map((value) => JSON.stringify(value)).join(' or ')
