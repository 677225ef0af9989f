/**
 * Puts redirection in place and takes it away. Every change is one iptables-restore run, whose tables the kernel takes whole
 * or not at all; the rules themselves are made in `redirect-rules.ts`, the plan in `redirection-plan.ts`.
 */
import type { RunCommand } from './command.ts'
import { InterceptionError } from './interception-error.ts'
import { findIptables, firstUsable, waiting } from './iptables-binary.ts'
import type { Iptables, Variant } from './iptables-binary.ts'
import { applyInput, cleanInput, reconcileInput, redirectionState } from './redirection-plan.ts'
import type { RuleSet } from './rule.ts'
import { parseSaved } from './saved-rules.ts'

export interface RedirectionDeps {
  readonly run: RunCommand
  /** Effective user id of this process. */
  readonly userId: number
}

export interface RedirectionOptions {
  readonly binary: 'nft' | 'legacy' | null
  /** Replace rules that differ from the wanted ones; else they are refused. */
  readonly reconcile: boolean
  /** Replace even rules that do not differ. */
  readonly force: boolean
}

export interface RedirectionResult {
  readonly did: 'applied' | 'replaced' | 'unchanged' | 'cleaned' | 'nothing'
  readonly variant: Variant
  /** What was fed to iptables-restore; '' when nothing was. */
  readonly input: string
}

export async function applyRedirection(
  wanted: RuleSet,
  options: RedirectionOptions,
  deps: RedirectionDeps,
): Promise<RedirectionResult> {
  needRoot(deps)
  const found = await findIptables(deps.run, wanted.family, options.binary)
  const iptables =
    found.find(({ saved }) => redirectionState(saved, wanted) === 'exact') ??
    (await firstUsable(deps.run, found))
  const state = redirectionState(iptables.saved, wanted)
  if (state === 'exact' && !options.force) return { did: 'unchanged', variant: iptables.variant, input: '' }
  if (state === 'differs' && !options.reconcile && !options.force) {
    throw new InterceptionError(
      'ERR_INTERCEPTION_RESIDUE',
      `${iptables.name} already holds ISTIO_ chains or jumps to them that differ from the wanted rules`,
      'add --reconcile to replace them, or run `sallyport iptables clean` first',
    )
  }
  const input = state === 'absent' ? applyInput(wanted) : reconcileInput(iptables.saved, wanted)
  await restore(iptables, input, deps)
  await verify(iptables, wanted, deps)
  return { did: state === 'absent' ? 'applied' : 'replaced', variant: iptables.variant, input }
}

/** `wanted`: the rules of the options given to clean, for those that only options can tell from other people's. */
export async function cleanRedirection(
  wanted: RuleSet,
  options: Pick<RedirectionOptions, 'binary'>,
  deps: RedirectionDeps,
): Promise<RedirectionResult[]> {
  const plans = await planCleaning(wanted, options, deps)
  for (const { iptables, input } of plans) if (input !== '') await restore(iptables, input, deps)
  return plans.map(({ iptables, input }) => ({
    did: input === '' ? 'nothing' : 'cleaned',
    variant: iptables.variant,
    input,
  }))
}

/** What cleaning would feed to each variant's iptables-restore; '' where nothing of ours is. */
export async function planCleaning(
  wanted: RuleSet,
  options: Pick<RedirectionOptions, 'binary'>,
  deps: RedirectionDeps,
): Promise<{ iptables: Iptables; input: string }[]> {
  needRoot(deps)
  const found = await findIptables(deps.run, wanted.family, options.binary)
  return found.map((iptables) => ({ iptables, input: cleanInput(iptables.saved, wanted) }))
}

function needRoot(deps: RedirectionDeps): void {
  if (deps.userId === 0) return
  throw new InterceptionError(
    'ERR_INTERCEPTION_NOT_ROOT',
    `user ${deps.userId} may neither read nor change redirection`,
    'run it as root with NET_ADMIN and NET_RAW, or use `sallyport iptables show`',
  )
}

async function restore(iptables: Iptables, input: string, deps: RedirectionDeps): Promise<void> {
  const program = `${iptables.name}-restore`
  const result = await deps.run(program, ['--noflush', ...waiting(iptables)], input)
  if (result.code === 0) return
  throw new InterceptionError(
    'ERR_INTERCEPTION_COMMAND',
    `${program} ended with ${result.code}: ${result.stderr.trim().slice(0, 300)}`,
    'nothing of the refused table was changed; see that no other program changes the tables and that the kernel has nat, REDIRECT and owner',
  )
}

// A rule that reads back as another one would be applied again and again, or guard nothing.
async function verify(iptables: Iptables, wanted: RuleSet, deps: RedirectionDeps): Promise<void> {
  const save = await deps.run(`${iptables.name}-save`, [])
  if (save.code === 0 && redirectionState(parseSaved(save.stdout), wanted) === 'exact') return
  throw new InterceptionError(
    'ERR_INTERCEPTION_VERIFY',
    `${iptables.name}-save does not show the rules that were applied`,
    'see what it shows, and whether another program changes the tables',
  )
}
