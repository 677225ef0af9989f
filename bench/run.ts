/**
 * `npm run bench`: ours beside nginx, HAProxy and Envoy in one interleaved run, CPU a request first. It reads as the order
 * of a run; what the numbers mean is in README.md beside it.
 */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { countLines } from './access-log-lines.ts'
import { Children } from './children.ts'
import type { Contender } from './contender.ts'
import type { AppReady } from './load/app.ts'
import { measure } from './measure.ts'
import type { Sample } from './measure.ts'
import { help, parseOptions } from './options.ts'
import type { BenchOptions } from './options.ts'
import { memory } from './process-usage.ts'
import { chart } from './report/chart.ts'
import { describeMachine, machine } from './report/machine.ts'
import type { Machine } from './report/machine.ts'
import type { Line } from './report/summary.ts'
import { summarize } from './report/summary.ts'
import { table } from './report/table.ts'
import { judge } from './report/targets.ts'
import type { Verdict } from './report/targets.ts'
import { startContenders } from './start-contenders.ts'

/** Milliseconds from readiness until nothing of the start is left. */
const settledAfterMs = 10_000

const here = (path: string): string => new URL(path, import.meta.url).pathname
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const parsed = parseOptions(process.argv.slice(2))
if (parsed.kind === 'run') process.exitCode = await bench(parsed.options)
else if (parsed.kind === 'help') process.stdout.write(help)
else {
  process.stderr.write(`error: ${parsed.reason}\n`)
  process.exitCode = 2
}

async function bench(options: BenchOptions): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'))
  const children = new Children(folder)
  let stopped = false
  // Ending the processes makes whatever waits for them fail, and so the run unwinds; the timer is for what does not.
  const interrupted = (): void => {
    stopped = true
    process.stderr.write('\ninterrupted: ending every process of the bench\n')
    setTimeout(() => process.exit(130), 8000).unref()
    void children.endAll()
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    return await measureAndReport(options, folder, children)
  } catch (error) {
    if (stopped) return 130
    process.stderr.write(`error: ${(error as Error).message}\n`)
    return 1
  } finally {
    await children.endAll()
    if (options.keep) say(`configurations and logs: ${folder}`)
    else await rm(folder, { recursive: true, force: true })
  }
}

async function measureAndReport(options: BenchOptions, folder: string, children: Children): Promise<number> {
  const on = machine()
  const app = await startApp(children)
  const { contenders, notes, failures } = await startContenders(options, app, folder, children)
  const versions = Object.fromEntries(contenders.map(({ name, version }) => [name, version]))
  say(describeMachine(on))
  say(
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  )
  for (const line of [...notes, ...failures.map((failure) => `✗ not measured: ${failure}`)]) say(line)

  // Idle is what is left when starting is over: ours gives back what that took after some seconds.
  if (!options.smoke) await new Promise((resolve) => setTimeout(resolve, settledAfterMs))
  const idle = contenders.map((one) => ({
    contender: one.name,
    settings: one.settings,
    outbound: memory(one.outbound.tree()),
    inbound: memory(one.inbound.tree()),
  }))
  const load = await children.start('load', process.execPath, [here('load/load.ts')], { channel: true })
  const samples = await measure(options, contenders, load, progress)
  const lines = summarize(samples)
  say(`\n${table(lines)}`)
  for (const { contender, settings, outbound, inbound } of idle)
    if (settings === 'on')
      say(
        `${contender} idle, MB resident/private: outbound ${outbound.residentMb.toFixed(0)}/${outbound.privateMb.toFixed(0)}, ` +
          `inbound ${inbound.residentMb.toFixed(0)}/${inbound.privateMb.toFixed(0)}`,
      )
  await children.endAll()
  const unlogged = await checkLogs(contenders, samples)
  unlogged.forEach((line) => say(`✗ ${line}`))

  const oursIdle = idle.filter(({ contender, settings }) => contender === 'ours' && settings === 'on')
  const verdicts = judge(
    lines,
    oursIdle.flatMap(({ outbound, inbound }) => [outbound, inbound]),
  )
  say('')
  for (const { what, measured, wanted, met } of verdicts)
    say(`${met ? '✓' : '✗'} ${what}: ${measured} (${wanted})`)
  if (lines.length === 0) return 1
  await keepResults(options, {
    date: new Date().toISOString(),
    machine: on,
    versions,
    notes,
    options,
    idle,
    verdicts,
    lines,
    samples,
  })
  const broken = failures.length > 0 || unlogged.length > 0 || lines.some(({ faults }) => faults.length > 0)
  if (broken) return 1
  return options.gate && verdicts.some(({ met }) => !met) ? 1 : 0
}

async function startApp(children: Children) {
  const address = '127.0.9.250'
  const app = await children.start('app', process.execPath, [here('load/app.ts'), address], { channel: true })
  const { http, tcp } = await new Promise<AppReady>((resolve, reject) => {
    app.process.once('message', (ready) => resolve(ready as AppReady))
    app.process.once('exit', () => reject(new Error(`the application ended: ${app.said()}`)))
  })
  return { http: { address, port: http }, tcp: { address, port: tcp } }
}

/** A line a request in each log, warm-up included; what is missing was not logged. */
async function checkLogs(contenders: readonly Contender[], samples: readonly Sample[]): Promise<string[]> {
  const missing: string[] = []
  for (const { name, settings, accessLogs } of contenders) {
    if (settings !== 'on') continue
    const own = samples.filter((sample) => sample.contender === name && sample.settings === 'on')
    const served = (modes: readonly string[]): number =>
      own.filter(({ mode }) => modes.includes(mode)).reduce((sum, { requests }) => sum + requests, 0)
    const wanted = [served(['pair']), served(['pair', 'single'])]
    for (const [i, path] of accessLogs.entries()) {
      const lines = await countLines(path)
      if (lines < (wanted[i] ?? 0))
        missing.push(`${name}: ${lines} access log lines for ${wanted[i]} requests or more`)
    }
  }
  return missing
}

function progress(done: number, all: number, what: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${done + 1}/${all} ${what}`)
  else if (done % 20 === 0) say(`${done + 1}/${all} ${what}`)
}

interface Results {
  readonly date: string
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly lines: readonly Line[]
  readonly samples: readonly Sample[]
  readonly notes: readonly string[]
  readonly options: BenchOptions
  readonly idle: readonly object[]
  readonly verdicts: readonly Verdict[]
}

async function keepResults(options: BenchOptions, results: Results): Promise<void> {
  const { date, machine, versions, lines, samples } = results
  const file =
    options.json ?? (options.smoke ? null : here(`results/${date.slice(0, 10)}-${options.name}.json`))
  if (file === null) return
  await mkdir(here('results'), { recursive: true })
  // A sample a line: hundreds of them stay readable in a diff.
  const summary = JSON.stringify({ ...results, samples: undefined }, null, 1).slice(0, -2)
  const raw = samples.map((sample) => JSON.stringify(sample)).join(',\n  ')
  await writeFile(file, `${summary},\n "samples": [\n  ${raw}\n ]\n}\n`)
  say(`results: ${relative(process.cwd(), file)}`)
  if (options.json !== null) return
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const caption = `${date.slice(0, 10)}, ${machine.processor}, ${machine.cores} cores; ${named.join(', ')}`
  const svg = chart(lines, caption)
  await writeFile(file.replace(/json$/, 'svg'), svg)
  await writeFile(here('results/latest.svg'), svg)
}
