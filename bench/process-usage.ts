/**
 * What a process tree has used, as the kernel counts it: CPU of every thread, resident and private memory. Linux only;
 * it starts and ends nothing.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ, fixed at 100 in the kernel's interface on every architecture that runs these proxies. */
export const ticksPerSecond = 100

export interface Memory {
  /** MB of 2^20 bytes, as architecture §2 counts. */
  readonly residentMb: number
  /** Private_Clean + Private_Dirty. */
  readonly privateMb: number
}

/** utime + stime of `/proc/PID/stat`: the whole thread group, threads that ended too. Ticks. */
export function parseStatTicks(stat: string): number {
  const fields = afterName(stat)
  return Number(fields[11]) + Number(fields[12])
}

export function parseStatParent(stat: string): number {
  return Number(afterName(stat)[1])
}

export function parseSmapsRollup(text: string): Memory {
  const kb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0)
  return {
    residentMb: kb('Rss') / 1024,
    privateMb: (kb('Private_Clean') + kb('Private_Dirty')) / 1024,
  }
}

/** The process and all below it, itself first. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = readProc(Number(entry), 'stat')
    if (stat === null) continue
    const parent = parseStatParent(stat)
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
  }
  const tree = [pid]
  for (let i = 0; i < tree.length; i += 1) tree.push(...(children.get(tree[i] as number) ?? []))
  return tree
}

/** Seconds used so far by all of them together. Throws when one is gone: its CPU would be missing. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = readProc(pid, 'stat')
    if (stat === null) throw new Error(`process ${pid} is gone`)
    ticks += parseStatTicks(stat)
  }
  return ticks / ticksPerSecond
}

export function memory(pids: readonly number[]): Memory {
  const all = pids.map((pid) => parseSmapsRollup(readProc(pid, 'smaps_rollup') ?? ''))
  return {
    residentMb: all.reduce((sum, { residentMb }) => sum + residentMb, 0),
    privateMb: all.reduce((sum, { privateMb }) => sum + privateMb, 0),
  }
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return null
  }
}

// The name stands in parentheses and may hold spaces and parentheses itself.
function afterName(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
