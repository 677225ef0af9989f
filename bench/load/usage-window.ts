/** CPU and memory of watched processes at the edges of a window. It reads /proc and keeps nothing. */
import { cpuSeconds, memory } from '../process-usage.ts'
import type { Usage, WatchedProcesses } from './window.ts'

export function readUsage(watched: WatchedProcesses): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(watched).map(([role, pids]) => [role, cpuSeconds(pids)]))
}

/** CPU first, for every role, then memory: reading memory takes the kernel a while. */
export function usedBetween(
  before: Readonly<Record<string, number>>,
  watched: WatchedProcesses,
): Readonly<Record<string, Usage>> {
  const after = readUsage(watched)
  return Object.fromEntries(
    Object.entries(watched).map(([role, pids]) => [
      role,
      { cpuSeconds: (after[role] ?? 0) - (before[role] ?? 0), memory: memory(pids) },
    ]),
  )
}
