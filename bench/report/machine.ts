/** What the numbers were measured on: processor, memory, kernel, runtime. It names no host and no user. */
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGb: number
  readonly kernel: string
  readonly node: string
  readonly openssl: string
  /** Of one minute, before the run: what else was going on. */
  readonly load: number
}

export function machine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release().split('-')[0] ?? release(),
    node: process.versions.node,
    openssl: process.versions.openssl ?? 'unknown',
    load: loadavg()[0] ?? 0,
  }
}

export function describeMachine(one: Machine): string {
  return (
    `${one.processor}, ${one.cores} cores, ${one.memoryGb} GB, Linux ${one.kernel}, ` +
    `Node ${one.node} (OpenSSL ${one.openssl}), load before the run ${one.load.toFixed(1)}`
  )
}
