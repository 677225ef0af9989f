/**
 * `policy diff`: a decision log judged again by a proposed folder, beside another folder or the verdicts in the log itself;
 * prints what changes. The log is streamed; nothing of it is kept but counts and a few examples.
 */
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { BootstrapError } from '../../bootstrap/bootstrap-error.ts'
import { systemClock } from '../../lifecycle/clock.ts'
import { DigestReader } from '../../telemetry/value-veil.ts'
import { readDecisionKey } from '../decision-key.ts'
import { DiffReport } from './diff-report.ts'
import { diffText } from './diff-text.ts'
import { linesOf, longestLine } from './lines-of.ts'
import { loadPolicyFolder } from './load-policy-folder.ts'
import { grouped, Progress } from './progress.ts'
import { readRecorded } from './recorded-decision.ts'
import { Replay } from './replay.ts'
import { decided, type Replayed } from './replayed.ts'

export interface DiffFlags {
  /** `-` = standard input. */
  readonly log: string
  readonly key?: string
  readonly json?: boolean
  readonly verbose?: boolean
  /** What is undecidable counts as a change. */
  readonly strict?: boolean
}

/** `folders`: OLD and NEW, or NEW alone. 0 nothing changes, 1 something does, 2 not all of the log could be read. */
export async function runDiff(folders: readonly string[], flags: DiffFlags): Promise<number> {
  if (folders.length > 2)
    throw new BootstrapError(
      'ERR_BOOTSTRAP_CHOICE',
      `${folders.length} folders are named`,
      'name the proposed folder, or the one in force and the proposed one',
    )
  const digests = flags.key === undefined ? null : new DigestReader(await readDecisionKey(flags.key))
  const open = async (folder: string): Promise<Replay> => {
    const { config, state } = await loadPolicyFolder(folder)
    const refused = state.quarantine.length
    if (refused > 0)
      process.stderr.write(`${folder}: ${refused} refused; they close what they are about (policy check)\n`)
    return new Replay(config, digests)
  }
  const [first = '', second] = folders
  const before = second === undefined ? null : await open(first)
  const after = await open(second ?? first)
  const report = new DiffReport()
  await compare(await openLog(flags.log), report, before, after)
  const text =
    flags.json === true
      ? `${JSON.stringify(asJson(report), null, 2)}\n`
      : diffText(report, flags.verbose === true)
  await new Promise<void>((done) => process.stdout.write(text, () => done()))
  if (report.changed > 0 || (flags.strict === true && report.unsure > 0)) return 1
  return report.unreadable > 0 ? 2 : 0
}

/** `before` null: the verdicts that the log tells. */
export async function compare(
  input: Readable,
  report: DiffReport,
  before: Replay | null,
  after: Replay,
): Promise<void> {
  const progress = new Progress(process.stderr, systemClock)
  let number = 0
  for await (const { text, ended } of linesOf(input)) {
    number += 1
    if (text === null) report.refuse(number, `longer than ${longestLine} characters`)
    else if (text.trim() !== '') {
      const read = readRecorded(text)
      if (read.ok) {
        const { recorded } = read
        const was: Replayed = before === null ? decided(recorded.verdict) : before.judge(recorded)
        report.add(number, recorded, was, after.judge(recorded))
      } else if (ended) report.refuse(number, read.reason)
      // A line without its end is being written, or was cut when the log was copied.
    }
    progress.tell(() => `${grouped(number)} lines, ${grouped(report.changed)} changes`)
  }
  progress.end()
}

async function openLog(where: string): Promise<Readable> {
  if (where === '-') return process.stdin
  const stream = createReadStream(where)
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve())
    stream.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new BootstrapError(
          'ERR_BOOTSTRAP_FILE',
          `the decision log ${where} cannot be read (${cause.code})`,
          'name a log, or - for standard input',
          { cause },
        ),
      ),
    )
  })
  return stream
}

function asJson(report: DiffReport): unknown {
  const { decisions, same, changed, unsure, unreadable, reasons } = report
  return {
    decisions,
    changed,
    same,
    otherDecider: report.countOf('other-decider'),
    undecidable: unsure,
    unreadable,
    groups: [
      ...report.of('allowed-to-denied'),
      ...report.of('denied-to-allowed'),
      ...report.of('other-decider'),
    ].map((group) => ({ ...group, estimated: Math.round(group.estimated) })),
    missing: [...report.undecidable.values()],
    reasons,
  }
}
