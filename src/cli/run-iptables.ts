/** Runs `sallyport iptables`: options and variables to rules, rules to the kernel or the screen, one line of what was done. */
import { readFileSync } from 'node:fs'
import { inboundSource, ports, proxyUserId } from '../bootstrap/ports.ts'
import { parseAccounts } from '../interception/accounts.ts'
import { commandRunner } from '../interception/command.ts'
import { InterceptionError } from '../interception/interception-error.ts'
import { decodeRedirectOptions } from '../interception/redirect-options.ts'
import type { RedirectDefaults, RedirectTexts } from '../interception/redirect-options.ts'
import { redirectRules } from '../interception/redirect-rules.ts'
import { applyRedirection, cleanRedirection, planCleaning } from '../interception/redirection.ts'
import type { RedirectionResult } from '../interception/redirection.ts'
import { applyInput } from '../interception/redirection-plan.ts'
import type { RuleSet } from '../interception/rule.ts'

export type IptablesVerb = 'apply' | 'clean' | 'show'

export interface IptablesFlags extends RedirectTexts {
  readonly forceIptablesBinary?: 'nft' | 'legacy'
  readonly dryRun?: boolean
  readonly reconcile?: boolean
  readonly forceApply?: boolean
  readonly json?: boolean
}

export const redirectDefaults: RedirectDefaults = {
  outboundPort: ports.outbound,
  inboundPort: ports.inbound,
  tunnelPort: ports.tunnel,
  proxyUserId,
  inboundSource,
}

/** Features of Istio's tool that are switched on by these variables and are not here: ignoring them would leave a gap. */
const unsupported = ['ISTIO_META_DNS_CAPTURE', 'INVALID_DROP', 'ISTIO_DUAL_STACK'] as const

/** Jumped to only when something is captured. */
const captureTargets = new Set(['ISTIO_INBOUND', 'ISTIO_REDIRECT'])

/** Resolves with the exit code: 0 done, 1 failed, 2 bad usage. */
export async function runIptables(verb: IptablesVerb, flags: IptablesFlags): Promise<number> {
  try {
    const wanted = wantedRules(flags)
    const text = await run(verb, flags, wanted)
    process.stdout.write(text)
    return 0
  } catch (error) {
    if (!(error instanceof InterceptionError)) throw error
    process.stderr.write(`${error.line}\n`)
    return error.usage ? 2 : 1
  }
}

async function run(verb: IptablesVerb, flags: IptablesFlags, wanted: RuleSet): Promise<string> {
  if (verb === 'show' || (verb === 'apply' && flags.dryRun === true)) {
    return flags.json === true ? `${JSON.stringify(wanted)}\n` : applyInput(wanted)
  }
  const deps = { run: commandRunner(process.env['PATH'] ?? ''), userId: process.geteuid?.() ?? -1 }
  const binary = flags.forceIptablesBinary ?? null
  if (verb === 'apply') {
    const options = { binary, reconcile: flags.reconcile === true, force: flags.forceApply === true }
    return appliedLine(await applyRedirection(wanted, options, deps), wanted)
  }
  if (flags.dryRun === true) {
    return (await planCleaning(wanted, { binary }, deps)).map(({ input }) => input).join('')
  }
  return cleanedLine(await cleanRedirection(wanted, { binary }, deps))
}

function wantedRules(flags: IptablesFlags): RuleSet {
  for (const name of unsupported) {
    if (!['', 'false', '0', undefined].includes(process.env[name]?.toLowerCase())) {
      throw new InterceptionError(
        'ERR_INTERCEPTION_UNSUPPORTED',
        `${name} asks for what is not available`,
        `unset ${name}`,
      )
    }
  }
  const accounts = parseAccounts(textOf('/etc/passwd'), textOf('/etc/group'))
  const texts: RedirectTexts = {
    ...flags,
    outboundOwnerGroups: process.env['ISTIO_OUTBOUND_OWNER_GROUPS'],
    outboundOwnerGroupsExclude: process.env['ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE'],
    outboundIpv4LoopbackCidr: process.env['ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR'],
  }
  return redirectRules(decodeRedirectOptions(texts, redirectDefaults, accounts), 'ipv4')
}

// A container may have neither file; then only numbers are known.
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

function appliedLine({ did, variant }: RedirectionResult, wanted: RuleSet): string {
  const captures = wanted.rules.some(({ words }) => captureTargets.has(words.at(-1) ?? ''))
  const what = `${wanted.rules.length} rules in ${wanted.chains.length} chains (iptables ${variant})`
  const note = captures ? '' : '; they capture nothing: -b, -i and -q say what is captured'
  if (did === 'unchanged') return `nothing to do: ${what} are in place${note}\n`
  return `${did === 'replaced' ? 'replaced redirection by' : 'applied'} ${what}${note}\n`
}

function cleanedLine(results: readonly RedirectionResult[]): string {
  const cleaned = results.filter(({ did }) => did === 'cleaned')
  if (cleaned.length === 0) return 'nothing to do: no redirection is in place\n'
  const deleted = cleaned.flatMap(({ input }) => input.split('\n')).filter((line) => /^-[DX] /.test(line))
  const chains = deleted.filter((line) => line.startsWith('-X ')).length
  return `deleted ${chains} chains and ${deleted.length - chains} rules that led to them (iptables ${cleaned.map(({ variant }) => variant).join(', ')})\n`
}
