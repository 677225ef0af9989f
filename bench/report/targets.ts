/** What the bench holds ours to, and whether it was reached. Pure; it prints nothing. */
import type { Memory } from '../process-usage.ts'
import type { Line } from './summary.ts'

/** CPU of the pair or side over the better of nginx and HAProxy with everything on, and MB of one sidecar (architecture §2). */
export const targets = {
  httpRatio: 1.6,
  tcpRatio: 1.15,
  idle: { residentMb: 100, privateMb: 50 },
  load: { residentMb: 130, privateMb: 80 },
} as const

export interface Verdict {
  readonly what: string
  readonly measured: string
  readonly wanted: string
  readonly met: boolean
}

export function judge(lines: readonly Line[], idle: readonly Memory[]): Verdict[] {
  const ours = lines.filter(({ contender, settings }) => contender === 'ours' && settings === 'on')
  const ratios = ours.flatMap(({ mode, connections, ratio, faults }): Verdict[] => {
    const what = mode === 'tcp' ? 'TCP, CPU a GiB' : `${mode} c=${connections}, CPU a request`
    const most = mode === 'tcp' ? targets.tcpRatio : targets.httpRatio
    const wanted = `≤ ${most}×`
    if (faults.length > 0) return [{ what, measured: 'failed', wanted, met: false }]
    return ratio === null ? [] : [{ what, measured: `${ratio.toFixed(2)}×`, wanted, met: ratio <= most }]
  })
  const loaded = ours.flatMap((line) => [
    line.inboundMemory,
    ...(line.outboundMemory ? [line.outboundMemory] : []),
  ])
  return [
    ...ratios,
    ...memoryVerdict('idle', idle, targets.idle),
    ...memoryVerdict('under load', loaded, targets.load),
  ]
}

function memoryVerdict(when: string, all: readonly Memory[], most: Memory): Verdict[] {
  if (all.length === 0) return []
  const residentMb = Math.max(...all.map((one) => one.residentMb))
  const privateMb = Math.max(...all.map((one) => one.privateMb))
  return [
    {
      what: `memory of a sidecar ${when}, resident/private`,
      measured: `${residentMb.toFixed(0)}/${privateMb.toFixed(0)} MB`,
      wanted: `≤ ${most.residentMb}/${most.privateMb} MB`,
      met: residentMb <= most.residentMb && privateMb <= most.privateMb,
    },
  ]
}
