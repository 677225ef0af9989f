/**
 * Runs every window of the bench: round by round, row by row, the contenders one right after the other, so that whatever
 * else the machine does falls on all of them alike. One load process does them all.
 */
import type { Child } from './children.ts'
import type { Contender } from './contender.ts'
import { responseBody } from './load/response-body.ts'
import type { Answer, Task, WindowResult } from './load/window.ts'
import type { BenchOptions, ContenderName, Mode, Settings } from './options.ts'
import { processTree } from './process-usage.ts'

export interface Row {
  readonly mode: Mode
  readonly settings: Settings
  /** 1 for TCP: one stream. */
  readonly connections: number
}

export interface Sample extends Row, WindowResult {
  readonly contender: ContenderName
  readonly round: number
}

export function rowsOf(options: BenchOptions): Row[] {
  return options.settings.flatMap((settings) =>
    options.modes.flatMap((mode) =>
      (mode === 'tcp' ? [1] : options.connections).map((connections) => ({ mode, settings, connections })),
    ),
  )
}

export async function measure(
  options: BenchOptions,
  contenders: readonly Contender[],
  load: Child,
  progress: (done: number, all: number, what: string) => void,
): Promise<Sample[]> {
  const plan = rowsOf(options).flatMap((row) => {
    const able = contenders.filter(
      ({ settings, pairTcp }) => settings === row.settings && (row.mode !== 'tcp' || pairTcp !== null),
    )
    return able.length === 0 ? [] : [{ row, able }]
  })
  await prime(options, contenders, load, progress)
  const all = options.rounds * plan.reduce((sum, { able }) => sum + able.length, 0)
  const samples: Sample[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    for (const { row, able } of plan) {
      // Each round another one begins: whoever comes first meets the caches another row left.
      for (let i = 0; i < able.length; i += 1) {
        const contender = able[(i + round) % able.length] as Contender
        progress(samples.length, all, `${row.mode} c=${row.connections} ${row.settings} ${contender.name}`)
        const task = taskOf(row, contender, options)
        const limitMs = task.warmMs + task.windowMs + 30_000
        const result = await ask(load, task, limitMs)
        samples.push({ ...row, contender: contender.name, round, ...result })
      }
    }
  }
  return samples
}

/** Nobody is measured cold: caches, pools and, for ours, the JIT compiler have seen every kind of traffic before. */
async function prime(
  options: BenchOptions,
  contenders: readonly Contender[],
  load: Child,
  progress: (done: number, all: number, what: string) => void,
): Promise<void> {
  const warm = { ...options, warmSeconds: options.primeSeconds, seconds: 0.1 }
  for (const [i, contender] of contenders.entries()) {
    for (const mode of options.modes) {
      if (mode === 'tcp' && contender.pairTcp === null) continue
      progress(i, contenders.length, `warming up ${contender.name} ${contender.settings}, ${mode}`)
      const row = { mode, settings: contender.settings, connections: 32 }
      await ask(load, taskOf(row, contender, warm), 60_000)
    }
  }
}

function taskOf(
  { mode, connections }: Row,
  contender: Contender,
  options: Pick<BenchOptions, 'seconds' | 'warmSeconds'>,
): Task {
  const inbound = processTree(contender.inbound.pid)
  const outbound = processTree(contender.outbound.pid)
  const base = { warmMs: options.warmSeconds * 1000, windowMs: options.seconds * 1000 }
  const { host, serverName } = contender
  if (mode === 'tcp') {
    if (contender.pairTcp === null) throw new Error(`${contender.name} carries no TCP`)
    return { kind: 'tcp', ...base, ...contender.pairTcp, watched: { outbound, inbound } }
  }
  const http = { kind: 'http', ...base, connections, host, serverName, body: responseBody } as const
  return mode === 'pair'
    ? { ...http, ...contender.pairHttp, client: null, watched: { outbound, inbound } }
    : { ...http, ...contender.singleHttp, client: contender.client, watched: { inbound } }
}

function ask(load: Child, task: Task, limitMs: number): Promise<WindowResult> {
  return new Promise((resolve, reject) => {
    const { process: child } = load
    const settle = (): void => {
      clearTimeout(late)
      child.off('message', answered)
      child.off('exit', ended)
    }
    const answered = (message: unknown): void => {
      settle()
      const answer = message as Answer
      if ('ok' in answer) resolve(answer.ok)
      else resolve(failed(answer.failed))
    }
    const ended = (): void => {
      settle()
      reject(new Error(`the load process ended: ${load.said()}`))
    }
    const late = setTimeout(() => {
      settle()
      reject(new Error('the load process does not answer'))
    }, limitMs)
    child.once('message', answered)
    child.once('exit', ended)
    child.send(task)
  })
}

const failed = (reason: string): WindowResult => ({
  seconds: 0,
  requests: 0,
  bytes: 0,
  p50: 0,
  p99: 0,
  usage: {},
  faults: [reason],
})
