/** `policy test`: asks every case of a file and compares what is expected with what was answered; exit code 1 on a miss. */
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { BootstrapError } from '../../bootstrap/bootstrap-error.ts'
import { quoted } from '../../decode/decode-problem.ts'
import { systemClock } from '../../lifecycle/clock.ts'
import { readCases } from './case-file.ts'
import { Evaluator } from './evaluator.ts'
import { loadPolicyFolder } from './load-policy-folder.ts'
import { grouped, Progress } from './progress.ts'
import { clockOf } from './run-eval.ts'
import type { EvalFlags } from './run-eval.ts'

export type TestFlags = EvalFlags

export async function runCases(file: string, flags: TestFlags): Promise<number> {
  const now = clockOf(flags.now)
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new BootstrapError('ERR_BOOTSTRAP_FILE', `${file} cannot be read (${code})`, 'name a file of cases')
  })
  const read = readCases(text)
  if (!read.ok)
    throw new BootstrapError('ERR_BOOTSTRAP_FILE', `${file}: ${read.reason}`, 'mend the file of cases')
  const { config } = await loadPolicyFolder(flags.config)
  const evaluator = new Evaluator(config, now)
  const lines: string[] = []
  let failed = 0
  const progress = new Progress(process.stderr, systemClock)
  for (const [index, { name, given, expect }] of read.value.entries()) {
    progress.tell(() => `${grouped(index)} of ${grouped(read.value.length)} cases`)
    const { answer } = await evaluator.evaluate(given)
    const wrong = differences(expect, answer, '')
    if (wrong.length > 0) failed += 1
    lines.push(
      `${wrong.length === 0 ? '✓' : '✗'} ${quoted(name).slice(1, -1)}`,
      ...wrong.map((line) => `    ${line}`),
    )
  }
  progress.end()
  lines.push(`${read.value.length - failed} passed, ${failed} failed`)
  await new Promise<void>((done) => process.stdout.write(`${lines.join('\n')}\n`, () => done()))
  return failed === 0 ? 0 : 1
}

/** Maps are compared by the fields that are expected, everything else whole. */
function differences(expect: unknown, found: unknown, at: string): string[] {
  if (isMap(expect) && isMap(found)) {
    return Object.entries(expect).flatMap(([key, value]) =>
      differences(value, found[key], at === '' ? key : `${at}.${key}`),
    )
  }
  return isDeepStrictEqual(expect, found)
    ? []
    : [`${at}: expected ${JSON.stringify(expect)}, found ${JSON.stringify(found ?? null)}`]
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
