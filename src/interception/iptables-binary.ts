/**
 * Which iptables this machine really uses. There are two that do not see each other's rules, legacy and nft; the one that
 * already has rules is believed, then nft (dataplane §2.3). It changes nothing but one trial rule, put in and taken out.
 */
import type { RunCommand } from './command.ts'
import { InterceptionError } from './interception-error.ts'
import { ownChains } from './rule.ts'
import type { Family } from './rule.ts'
import { parseSaved } from './saved-rules.ts'
import type { SavedTable } from './saved-rules.ts'

export type Variant = 'nft' | 'legacy' | 'plain'

export interface Iptables {
  readonly variant: Variant
  /** `iptables-nft`, say; `-save` and `-restore` are made from it. */
  readonly name: string
  readonly saved: readonly SavedTable[]
}

const programs: Readonly<Record<Family, string>> = { ipv4: 'iptables', ipv6: 'ip6tables' }

/** Every variant that can be read, the most believable first. `forced`: look at this one only. */
export async function findIptables(
  run: RunCommand,
  family: Family,
  forced: 'nft' | 'legacy' | null,
): Promise<Iptables[]> {
  const found: Iptables[] = []
  for (const variant of forced === null ? (['nft', 'legacy', 'plain'] as const) : [forced]) {
    // The plain name is another name of one of the two, where they have names of their own.
    if (variant === 'plain' && found.length > 0) break
    const name = variant === 'plain' ? programs[family] : `${programs[family]}-${variant}`
    // Without a table name: naming one would make the legacy tool load it.
    const save = await run(`${name}-save`, [])
    if (save.code === 0) found.push({ variant, name, saved: parseSaved(save.stdout) })
  }
  if (found.length > 0) return found.toSorted((x, y) => rank(y) - rank(x))
  throw new InterceptionError(
    'ERR_INTERCEPTION_NO_BINARY',
    `no ${programs[family]}-save can be run`,
    'install the iptables package',
  )
}

/** The first that proves it can make a rule. */
export async function firstUsable(run: RunCommand, found: readonly Iptables[]): Promise<Iptables> {
  for (const candidate of found) if (await usable(run, candidate)) return candidate
  throw new InterceptionError(
    'ERR_INTERCEPTION_NO_BINARY',
    `${found.map(({ name }) => name).join(' and ')} cannot make a rule in the nat table`,
    'grant NET_ADMIN and NET_RAW, and see that the kernel has the nat table',
  )
}

/** Arguments that make the legacy tool wait for its lock instead of failing; nft has no lock. */
export function waiting(iptables: Iptables): string[] {
  return iptables.variant === 'legacy' ? ['--wait=30'] : []
}

// Our own chains weigh most: they must be found where they were made.
function rank({ saved, variant }: Iptables): number {
  const own = saved.some((table) => table.chains.some((chain) => ownChains.has(chain)))
  const any = saved.some((table) => table.rules.length > 0)
  return (own ? 8 : 0) + (any ? 4 : 0) + (variant === 'nft' ? 2 : variant === 'plain' ? 1 : 0)
}

// Protocol 255 is reserved: the rule matches nothing.
const trialRule = ['INPUT', '-p', '255', '-j', 'RETURN']

async function usable(run: RunCommand, iptables: Iptables): Promise<boolean> {
  const made = await run(iptables.name, [...waiting(iptables), '-t', 'nat', '-A', ...trialRule])
  if (made.code !== 0) return false
  const removed = await run(iptables.name, [...waiting(iptables), '-t', 'nat', '-D', ...trialRule])
  return removed.code === 0
}
