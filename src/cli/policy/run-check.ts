/**
 * `policy check`: prints what `lint.ts` found, what applies to whom, and what legacy policies are in the API of today; exit
 * code 1 when an object is refused.
 */
import { yamlText } from '../../policy/write-yaml.ts'
import { appliedTo, knownWorkloads } from './known-workloads.ts'
import type { Applied } from './known-workloads.ts'
import type { Finding } from './finding.ts'
import { legacyEquivalent } from './legacy-equivalent.ts'
import type { ProposedObject } from './legacy-equivalent.ts'
import { lint } from './lint.ts'
import { loadPolicyFolder } from './load-policy-folder.ts'

export interface CheckFlags {
  readonly json?: boolean
}

export async function runCheck(folder: string, { json = false }: CheckFlags): Promise<number> {
  const read = await loadPolicyFolder(folder)
  const workloads = knownWorkloads(read)
  const { objects, findings: moved } = legacyEquivalent(read)
  const findings = [...lint(read, workloads), ...moved]
  const applied = workloads.map((workload) => appliedTo(read, workload))
  const { ignored } = read.state
  const refused = findings.some(({ severity }) => severity === 'error')
  const text = json
    ? `${JSON.stringify({ ok: !refused, findings, ignored, workloads: applied, legacy: objects }, null, 2)}\n`
    : `${inWords(findings, applied, ignored)}${inYaml(objects)}`
  await new Promise<void>((done) => process.stdout.write(text, () => done()))
  return refused ? 1 : 0
}

function inWords(
  findings: readonly Finding[],
  applied: readonly Applied[],
  ignored: readonly { readonly what: string; readonly origin: string }[],
): string {
  const lines = findings.map(({ severity, kind, origin, object, message }) =>
    [`${origin}: ${severity}`, `[${kind}]`, object === '' ? '' : `${object}:`, message]
      .filter((part) => part !== '')
      .join(' '),
  )
  lines.push(...ignored.map(({ what, origin }) => `${origin}: ignored ${what}`))
  for (const { workload, mtls, policies, requestAuthentications } of applied) {
    const said = policies.map(({ action, name, dryRun }) => `${action} ${name}${dryRun ? ' (dry run)' : ''}`)
    const tokens = requestAuthentications.map((name) => `tokens ${name}`)
    lines.push(`workload ${workload}: ${[`mTLS ${mtls}`, ...tokens, ...said].join('; ')}`)
  }
  const errors = findings.filter(({ severity }) => severity === 'error').length
  lines.push(`${errors} refused, ${findings.length - errors} warnings`)
  return `${lines.join('\n')}\n`
}

/** From the first `---` on it is YAML and nothing else. */
function inYaml(objects: readonly ProposedObject[]): string {
  return objects
    .map(({ from, object }) => `---\n# in place of ${from.join(', ')}\n${yamlText(object)}`)
    .join('')
}
