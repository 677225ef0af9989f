/**
 * `policy eval`: questions as JSON lines in, answers as JSON lines out, in order and no faster than they are read. It keeps
 * one line in hand, whatever the length of the stream.
 */
import type { Readable, Writable } from 'node:stream'
import { BootstrapError } from '../../bootstrap/bootstrap-error.ts'
import { systemClock } from '../../lifecycle/clock.ts'
import { Evaluator } from './evaluator.ts'
import type { Answer } from './answer.ts'
import { linesOf, longestLine } from './lines-of.ts'
import { loadPolicyFolder } from './load-policy-folder.ts'
import { grouped, Progress } from './progress.ts'
import { readQuestion } from './question.ts'

export interface EvalFlags {
  readonly config: string
  readonly now?: string
}

export async function runEval(flags: EvalFlags): Promise<number> {
  const now = clockOf(flags.now)
  const { config } = await loadPolicyFolder(flags.config)
  // On a terminal the answers themselves show how far it is.
  const progress = process.stdout.isTTY ? null : new Progress(process.stderr, systemClock)
  return answerLines(process.stdin, process.stdout, new Evaluator(config, now), progress)
}

/** RFC 3339, with seconds and zone. */
export function clockOf(text: string | undefined): () => number {
  if (text === undefined) return () => systemClock.now()
  const found = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text)
  const at = found ? Date.parse(text.toUpperCase()) : Number.NaN
  if (!Number.isNaN(at)) return () => at
  throw new BootstrapError(
    'ERR_BOOTSTRAP_NUMBER',
    `--now ${JSON.stringify(text.slice(0, 60))} is no time`,
    'write it like 2030-01-31T12:00:00Z',
  )
}

/** Characters of answers written at once. */
const batch = 64 * 1024

/** 1 when a line could not be answered; 0 also when the reader leaves early. */
export async function answerLines(
  input: Readable,
  output: Writable,
  evaluator: Evaluator,
  progress: Progress | null = null,
): Promise<number> {
  let failed = false
  let answered = 0
  let gone = false
  let pending = ''
  let whole: unknown = null
  output.on('error', (error: NodeJS.ErrnoException) => {
    gone = true
    if (error.code !== 'EPIPE') whole = error
  })
  const flush = async (): Promise<void> => {
    const text = pending
    pending = ''
    // Called back once the text was taken, or never will be.
    if (text !== '' && !gone) await new Promise<void>((done) => output.write(text, () => done()))
  }
  const answer = async (line: string): Promise<void> => {
    if (line.trim() === '') return
    const found = answerLine(line, evaluator)
    const said = found instanceof Promise ? await found : found
    if ('error' in said) failed = true
    pending += `${JSON.stringify(said)}\n`
    answered += 1
    progress?.tell(() => `${grouped(answered)} answered`)
    if (pending.length >= batch) await flush()
  }
  for await (const { text: line } of linesOf(input)) {
    if (gone) break
    if (line === null) {
      failed = true
      pending += `${JSON.stringify({ error: `the line is longer than ${longestLine} characters` })}\n`
    } else await answer(line)
  }
  await flush()
  progress?.end()
  if (whole !== null) throw whole as Error
  return failed ? 1 : 0
}

function answerLine(
  line: string,
  evaluator: Evaluator,
): Answer | { readonly error: string } | Promise<Answer | { readonly error: string }> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    return { error: `not JSON: ${(error as Error).message}` }
  }
  const read = readQuestion(value)
  if (!read.ok) return { error: read.reason }
  const judged = evaluator.evaluate(read.question)
  return judged instanceof Promise ? judged.then(({ answer }) => answer) : judged.answer
}
