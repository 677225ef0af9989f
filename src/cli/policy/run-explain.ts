/** `policy explain`: one request from standard input, as `policy eval` reads it, and in words, or as JSON, why it is judged so. */
import { text } from 'node:stream/consumers'
import { explain } from '../../authz/explain.ts'
import { BootstrapError } from '../../bootstrap/bootstrap-error.ts'
import { Evaluator } from './evaluator.ts'
import { explanationJson } from './explanation-json.ts'
import { explanationText } from './explanation-text.ts'
import { loadPolicyFolder } from './load-policy-folder.ts'
import { readQuestion } from './question.ts'
import type { Question } from './question.ts'
import { clockOf } from './run-eval.ts'
import type { EvalFlags } from './run-eval.ts'

export interface ExplainFlags extends EvalFlags {
  readonly json?: boolean
}

/** 0 whatever the verdict is: it was explained. */
export async function runExplain(flags: ExplainFlags): Promise<number> {
  const now = clockOf(flags.now)
  const { config } = await loadPolicyFolder(flags.config)
  const question = questionOf(await text(process.stdin))
  const { answer, asked } = await new Evaluator(config, now).evaluate(question)
  const explanation =
    asked === null ? null : explain(asked.policy, asked.connection, asked.request, { reveal: true })
  const said =
    flags.json === true
      ? `${JSON.stringify({ answer, explanation: explanationJson(explanation) }, null, 2)}\n`
      : explanationText(answer, explanation)
  await new Promise<void>((done) => process.stdout.write(said, () => done()))
  return 0
}

function questionOf(json: string): Question {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    throw unreadable(`not JSON: ${(error as Error).message}`)
  }
  const read = readQuestion(value)
  if (!read.ok) throw unreadable(read.reason)
  return read.question
}

const unreadable = (reason: string): BootstrapError =>
  new BootstrapError('ERR_BOOTSTRAP_FILE', `the request on standard input: ${reason}`, 'give one JSON object')
