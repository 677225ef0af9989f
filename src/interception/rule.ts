/**
 * One redirection rule of the nat table as a value, in the words of iptables(8). It is text-safe by construction: its
 * parts come from validated options only, never from raw input.
 */
export interface Rule {
  readonly chain: string
  /** 'append', or 'insert' at the head of the chain. */
  readonly at: 'append' | 'insert'
  /** Matches and target, one token each: `-p`, `tcp`, `-j`, `RETURN`. */
  readonly words: readonly string[]
}

/** Everything to be made in one table, chains before rules. */
export interface RuleSet {
  readonly family: Family
  readonly table: 'nat'
  readonly chains: readonly string[]
  readonly rules: readonly Rule[]
}

/** Which tool applies it. IPv6 differs in its addresses only (dataplane §2.1). */
export type Family = 'ipv4' | 'ipv6'

/** Every chain that is ours to delete, whichever mode or version made it (dataplane §2.1, §2.2, §2.4). */
export const ownChains: ReadonlySet<string> = new Set([
  'ISTIO_INBOUND',
  'ISTIO_REDIRECT',
  'ISTIO_IN_REDIRECT',
  'ISTIO_OUTPUT',
  'ISTIO_OUTPUT_DNS',
  'ISTIO_DIVERT',
  'ISTIO_TPROXY',
  'ISTIO_DROP',
])

/** The rule as a line of iptables-restore(8) input. */
export function ruleLine(rule: Rule): string {
  const verb = rule.at === 'insert' ? `-I ${rule.chain} 1` : `-A ${rule.chain}`
  return `${verb} ${rule.words.join(' ')}`
}

/**
 * The same text for two spellings of one rule: the order of matches, implied `-m` modules, `/32` and an any-address are how
 * iptables-save(8) differs from what was typed.
 */
export function canonicalWords(words: readonly string[]): string {
  const clauses: string[] = []
  let at = 0
  while (at < words.length) {
    const negated = words[at] === '!' ? '! ' : ''
    if (negated !== '') at += 1
    const flag = words[at] ?? ''
    const values: string[] = []
    at += 1
    while (at < words.length && !isFlag(words[at] as string)) values.push(words[at++] as string)
    if (flag === '-m' && implied.has(values[0] ?? '')) continue
    if (negated === '' && (flag === '-d' || flag === '-s') && anyAddress.has(values[0] ?? '')) continue
    if (flag === '-d' || flag === '-s')
      values[0] = (values[0] ?? '').replace(/^([\d.]+)\/32$|^([\da-f:]+)\/128$/, '$1$2')
    clauses.push(`${negated}${flag} ${values.join(' ')}`)
  }
  return clauses.toSorted().join(' ')
}

const implied = new Set(['tcp', 'udp', 'owner'])
const anyAddress = new Set(['0.0.0.0/0', '::/0'])

function isFlag(word: string): boolean {
  return word === '!' || /^--?[a-zA-Z]/.test(word)
}
