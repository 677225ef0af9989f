/** A report of changes in words. It counts nothing. */
import type { Change, DiffGroup, DiffReport, Example } from './diff-report.ts'
import { grouped } from './progress.ts'

const titles: Readonly<Record<Change, string>> = {
  'allowed-to-denied': 'allowed → denied',
  'denied-to-allowed': 'denied → allowed',
  'other-decider': 'the same verdict by another rule',
}

/** `verbose`: also what is decided alike by another rule. */
export function diffText(report: DiffReport, verbose: boolean): string {
  const shown: Change[] = ['allowed-to-denied', 'denied-to-allowed']
  if (verbose) shown.push('other-decider')
  const lines = shown.flatMap((change) => {
    const groups = report.of(change)
    if (groups.length === 0) return []
    return [`${titles[change]}: ${decisions(groups)}`, ...groups.flatMap(groupLines)]
  })
  for (const { missing, count } of report.undecidable.values())
    lines.push(`undecidable: ${counted(count, 'decision')}: the log does not tell ${missing.join(', ')}`)
  for (const { line, reason } of report.reasons) lines.push(`line ${line} cannot be read: ${reason}`)
  lines.push(summary(report))
  return `${lines.join('\n')}\n`
}

function summary(report: DiffReport): string {
  const other = report.countOf('other-decider')
  const parts = [
    `${counted(report.changed, 'change')}`,
    ...(other > 0 ? [`${grouped(other)} decided alike by another rule`] : []),
    `${grouped(report.same)} the same`,
    ...(report.unsure > 0 ? [`${grouped(report.unsure)} undecidable`] : []),
    ...(report.unreadable > 0 ? [`${counted(report.unreadable, 'line')} unreadable`] : []),
  ]
  return `${counted(report.decisions, 'decision')}: ${parts.join(', ')}`
}

function groupLines(group: DiffGroup): string[] {
  const { workload, protocol, before, after, examples } = group
  const what = before === '' ? workload : `${workload} ${protocol}: was ${before}, is ${after}`
  return [`  ${what}: ${decisions([group])}`, ...examples.map(exampleLine)]
}

function decisions(groups: readonly DiffGroup[]): string {
  const count = groups.reduce((sum, group) => sum + group.count, 0)
  const estimated = Math.round(groups.reduce((sum, group) => sum + group.estimated, 0))
  return `${counted(count, 'decision')}${estimated === count ? '' : ` recorded, about ${grouped(estimated)} made`}`
}

/** Quoted as JSON, so that a path cannot forge a line. */
const exampleLine = ({ line, caller, method, host, path }: Example): string =>
  `    line ${line}: ${caller}${method === null ? '' : ` ${method} ${JSON.stringify(`${host}${path}`)}`}`

const counted = (count: number, what: string): string => `${grouped(count)} ${what}${count === 1 ? '' : 's'}`
