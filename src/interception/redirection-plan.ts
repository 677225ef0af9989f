/**
 * What must be done to the kernel's tables, as iptables-restore(8) input: nothing, make, clean, or both in one transaction.
 * Pure: it compares wanted rules with saved ones and runs nothing (dataplane §2.3).
 */
import { canonicalWords, ownChains, ruleLine } from './rule.ts'
import type { Rule, RuleSet } from './rule.ts'
import type { SavedRule, SavedTable } from './saved-rules.ts'

/** 'absent': nothing of ours; 'exact': all that is wanted and no more; 'differs': something of ours, but not that. */
export type RedirectionState = 'absent' | 'exact' | 'differs'

export function redirectionState(saved: readonly SavedTable[], wanted: RuleSet): RedirectionState {
  if (saved.every((table) => leftovers(table).length === 0)) return 'absent'
  const others = saved.filter((table) => table.name !== wanted.table)
  const table = saved.find((entry) => entry.name === wanted.table)
  if (table === undefined || others.some((other) => leftovers(other).length > 0)) return 'differs'
  return holdsExactly(table, wanted) ? 'exact' : 'differs'
}

// Our chains and the rules that jump to them, as texts.
function leftovers(table: SavedTable): string[] {
  return [
    ...table.chains.filter((chain) => ownChains.has(chain)),
    ...table.rules.filter(isJump).map((rule) => rule.text),
  ]
}

function isJump(rule: SavedRule): boolean {
  return !ownChains.has(rule.chain) && ownChains.has(rule.target)
}

function holdsExactly(table: SavedTable, wanted: RuleSet): boolean {
  const own = table.chains.filter((chain) => ownChains.has(chain))
  if (own.length !== wanted.chains.length || !wanted.chains.every((chain) => own.includes(chain)))
    return false
  const jumps = wanted.rules.filter(
    (rule) => !ownChains.has(rule.chain) && ownChains.has(rule.words.at(-1) ?? ''),
  )
  if (table.rules.filter(isJump).length !== jumps.length) return false
  return [...new Set(wanted.rules.map((rule) => rule.chain))].every((chain) => {
    const have = table.rules.filter((rule) => rule.chain === chain).map((rule) => canonicalWords(rule.words))
    const want = inOrder(wanted.rules, chain)
    return ownChains.has(chain) ? have.length === want.length && isWithin(want, have) : isWithin(want, have)
  })
}

// The rules of a chain as they come to stand: every insert goes to the head.
function inOrder(rules: readonly Rule[], chain: string): string[] {
  const standing: string[] = []
  for (const rule of rules) {
    if (rule.chain !== chain) continue
    if (rule.at === 'insert') standing.unshift(canonicalWords(rule.words))
    else standing.push(canonicalWords(rule.words))
  }
  return standing
}

// In this order, whatever stands between: other people's rules share the built-in chains.
function isWithin(want: readonly string[], have: readonly string[]): boolean {
  let at = 0
  for (const rule of have) if (rule === want[at]) at += 1
  return at === want.length
}

/** Makes the wanted chains and rules. A chain that exists already makes the kernel refuse all of it. */
export function applyInput(wanted: RuleSet): string {
  return section(wanted.table, applyLines(wanted))
}

/**
 * Deletes every jump to our chains, last first, then empties and deletes the chains, in every table. Rules of `wanted` that
 * stand in built-in chains and jump nowhere of ours (excluded interfaces) go too. '' when there is nothing to delete.
 */
export function cleanInput(saved: readonly SavedTable[], wanted: RuleSet): string {
  return saved.map((table) => section(table.name, cleanLines(table, wanted))).join('')
}

/**
 * Clean and apply, the wanted table in one transaction: there is no moment without rules, hence no need of the guardrail
 * rules others put up meanwhile.
 */
export function reconcileInput(saved: readonly SavedTable[], wanted: RuleSet): string {
  const table = saved.find((entry) => entry.name === wanted.table)
  const replace = section(wanted.table, [
    ...(table === undefined ? [] : cleanLines(table, wanted)),
    ...applyLines(wanted),
  ])
  return (
    replace +
    cleanInput(
      saved.filter((entry) => entry !== table),
      wanted,
    )
  )
}

function applyLines(wanted: RuleSet): string[] {
  return [...wanted.chains.map((chain) => `-N ${chain}`), ...wanted.rules.map(ruleLine)]
}

function cleanLines(table: SavedTable, wanted: RuleSet): string[] {
  const plain = wanted.rules.filter((rule) => table.name === wanted.table && !ownChains.has(rule.chain))
  const ours = new Set(plain.map((rule) => `${rule.chain} ${canonicalWords(rule.words)}`))
  const jumps = table.rules.filter(
    (rule) => isJump(rule) || ours.has(`${rule.chain} ${canonicalWords(rule.words)}`),
  )
  const chains = table.chains.filter((chain) => ownChains.has(chain))
  return [
    ...jumps.toReversed().map((rule) => `-D ${rule.chain} ${rule.text}`),
    ...chains.map((chain) => `-F ${chain}`),
    ...chains.map((chain) => `-X ${chain}`),
  ]
}

function section(table: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `*${table}\n${lines.join('\n')}\nCOMMIT\n`
}
