/** Lines of a summary as one text table, ratios first. Pure. */
import type { Memory } from '../process-usage.ts'
import type { Line } from './summary.ts'

const heads = [
  'CPU ratio',
  'what',
  'c',
  'settings',
  'proxy',
  'CPU out',
  'CPU in',
  'CPU sum',
  'rate',
  'p50 µs',
  'p99 µs',
  'MB out',
  'MB in',
] as const

export function table(lines: readonly Line[]): string {
  const rows = lines.map(cells)
  const widths = heads.map((head, i) =>
    Math.max(head.length, ...rows.map((row) => (row[i] as string).length)),
  )
  const write = (row: readonly string[]): string =>
    row
      .map((cell, i) =>
        i >= 1 && i <= 4 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number),
      )
      .join('  ')
      .trimEnd()
  const text = [write(heads), write(widths.map((width) => '─'.repeat(width)))]
  lines.forEach((line, i) => {
    const before = lines[i - 1]
    if (before !== undefined && groupOf(before) !== groupOf(line)) text.push('')
    text.push(write(rows[i] as string[]))
    for (const fault of line.faults) text.push(`           ✗ ${line.contender}: ${fault}`)
  })
  return `${text.join('\n')}\n`
}

const groupOf = ({ mode, settings, connections }: Line): string => `${mode} ${settings} ${connections}`

function cells(line: Line): string[] {
  const { mode, settings, connections, contender, ratio } = line
  const tcp = mode === 'tcp'
  const cpu = (value: number | null): string => (value === null ? '' : value.toFixed(tcp ? 2 : 1))
  const bad = line.faults.length > 0
  return [
    bad ? 'failed' : ratio === null ? '–' : `${ratio.toFixed(2)}×`,
    mode,
    String(connections),
    settings === 'on' ? 'everything on' : 'plain',
    contender,
    cpu(line.outboundCpu),
    cpu(line.inboundCpu),
    `${cpu(line.cpu)} ${tcp ? 's/GiB' : 'µs/req'}`,
    `${line.rate.toFixed(0)} ${tcp ? 'MiB/s' : 'req/s'}`,
    line.p50 === null ? '' : line.p50.toFixed(0),
    line.p99 === null ? '' : line.p99.toFixed(0),
    megabytes(line.outboundMemory),
    megabytes(line.inboundMemory),
  ]
}

const megabytes = (memory: Memory | null): string =>
  memory === null ? '' : `${memory.residentMb.toFixed(0)}/${memory.privateMb.toFixed(0)}`
