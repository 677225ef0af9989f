/**
 * Samples to one line per row and contender: medians over the rounds, and CPU as a ratio to the better of nginx and
 * HAProxy, taken round by round because rounds share the machine's mood. Pure.
 */
import type { Row, Sample } from '../measure.ts'
import type { ContenderName } from '../options.ts'
import type { Memory } from '../process-usage.ts'

export interface Line extends Row {
  readonly contender: ContenderName
  /** Microseconds a request, or seconds a GiB; null for a side that is not there. */
  readonly outboundCpu: number | null
  readonly inboundCpu: number
  readonly cpu: number
  /** CPU over that of the better of nginx and HAProxy; null when neither ran. */
  readonly ratio: number | null
  /** Requests a second, or MiB a second. */
  readonly rate: number
  /** Microseconds; null for TCP. */
  readonly p50: number | null
  readonly p99: number | null
  readonly outboundMemory: Memory | null
  readonly inboundMemory: Memory
  /** Why the line does not count. */
  readonly faults: readonly string[]
}

export const references: readonly ContenderName[] = ['nginx', 'haproxy']

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length === 0
    ? Number.NaN
    : sorted.length % 2 === 1
      ? (sorted[Math.floor(middle)] as number)
      : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** In the order of the samples' first round. */
export function summarize(samples: readonly Sample[]): Line[] {
  const rows = Map.groupBy(samples, ({ mode, settings, connections }) => `${mode} ${settings} ${connections}`)
  return [...rows.values()].flatMap((row) => {
    const byContender = Map.groupBy(row, ({ contender }) => contender)
    const reference = betterReference(byContender)
    return [...byContender.values()].map((own) => lineOf(own, reference))
  })
}

function betterReference(
  byContender: ReadonlyMap<ContenderName, readonly Sample[]>,
): readonly Sample[] | null {
  const found = references
    .map((name) => byContender.get(name) ?? [])
    .filter((samples) => samples.length > 0 && samples.every(({ faults }) => faults.length === 0))
    .toSorted((a, b) => median(a.map(totalCpu)) - median(b.map(totalCpu)))
  return found[0] ?? null
}

function lineOf(own: readonly Sample[], reference: readonly Sample[] | null): Line {
  const [first] = own as readonly [Sample]
  const { mode, settings, connections, contender } = first
  const faults = [...new Set(own.flatMap(({ faults }) => faults))]
  const good = own.filter(({ faults }) => faults.length === 0)
  const of = (pick: (sample: Sample) => number): number => median(good.map(pick))
  const memoryOf = (role: string): Memory => ({
    residentMb: of((sample) => sample.usage[role]?.memory.residentMb ?? 0),
    privateMb: of((sample) => sample.usage[role]?.memory.privateMb ?? 0),
  })
  const pair = mode !== 'single'
  const ratios = good.flatMap((sample) => {
    const other = reference?.find(({ round }) => round === sample.round)
    return other === undefined ? [] : [totalCpu(sample) / totalCpu(other)]
  })
  return {
    mode,
    settings,
    connections,
    contender,
    outboundCpu: pair ? of((sample) => cpuOf(sample, 'outbound')) : null,
    inboundCpu: of((sample) => cpuOf(sample, 'inbound')),
    cpu: of(totalCpu),
    ratio: ratios.length === 0 ? null : median(ratios),
    rate: of((sample) => (mode === 'tcp' ? sample.bytes / 2 ** 20 : sample.requests) / sample.seconds),
    p50: mode === 'tcp' ? null : of(({ p50 }) => p50),
    p99: mode === 'tcp' ? null : of(({ p99 }) => p99),
    outboundMemory: pair ? memoryOf('outbound') : null,
    inboundMemory: memoryOf('inbound'),
    faults,
  }
}

export function cpuOf(sample: Sample, role: string): number {
  const seconds = sample.usage[role]?.cpuSeconds ?? 0
  return sample.mode === 'tcp' ? seconds / (sample.bytes / 2 ** 30) : (seconds * 1e6) / sample.requests
}

const totalCpu = (sample: Sample): number =>
  Object.keys(sample.usage).reduce((sum, role) => sum + cpuOf(sample, role), 0)
