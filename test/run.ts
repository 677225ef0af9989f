/**
 * Runs the tests: every `*.test.ts` below test/ except the root-only netns suite, or only that suite with `--netns`.
 * Prints one line a file, every failure whole, and closes with `N passed, N failed` alone on a line. Words that are not
 * options choose files whose path contains one of them.
 */
import { spec } from 'node:test/reporters'
import { run } from 'node:test'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Writable } from 'node:stream'

const args = process.argv.slice(2)
const netns = args.includes('--netns')
const words = args.filter((arg) => !arg.startsWith('--'))
const isRoot = process.getuid?.() === 0

const files = globSync(netns ? 'test/netns/**/*.test.ts' : 'test/**/*.test.ts')
  .filter((file) => netns || !file.startsWith('test/netns/'))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .toSorted()

if (netns && !isRoot) {
  // CI as root must not pass by skipping (architecture §7).
  process.stdout.write('the netns suite needs root: run it with sudo\n0 passed, 1 failed\n')
  process.exit(1)
}
if (files.length === 0) {
  process.stdout.write('no test file matches\n0 passed, 1 failed\n')
  process.exit(1)
}

const count = { passed: 0, failed: 0, skipped: 0 }
const verbose = args.includes('--verbose')
const stream = run({
  files,
  // Real namespaces and ports of the host are shared: one file at a time there.
  concurrency: netns ? 1 : availableParallelism(),
  timeout: 120_000,
  // A file whose process does not end must not hold everybody up for ever.
  signal: AbortSignal.timeout(15 * 60_000),
  execArgv: ['--no-warnings'],
})

const failures: string[] = []
stream.on('test:pass', (event) => {
  if (event.details.type === 'suite') return
  if (event.skip !== undefined || event.todo !== undefined) count.skipped += 1
  else if (event.nesting > 0 || event.file !== undefined) count.passed += 1
})
stream.on('test:fail', (event) => {
  if (event.details.type === 'suite') return
  count.failed += 1
  const cause = event.details.error.cause ?? event.details.error
  failures.push(
    `✖ ${event.file}: ${event.name}\n${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`,
  )
})
stream.on('test:summary', (event) => {
  if (event.file === undefined) return
  const { passed, tests, skipped, todo } = event.counts
  const failed = tests - passed - skipped - todo
  const mark = event.success ? '✔' : '✖'
  process.stdout.write(
    `${mark} ${relative(event.file)} ${passed} passed${failed > 0 ? `, ${failed} failed` : ''} (${Math.round(event.duration_ms)} ms)\n`,
  )
})
// The stream must be read to flow; the spec reporter's text is only wanted when asked for.
const sink = verbose ? process.stdout : new Writable({ write: (_chunk, _encoding, done) => done() })
stream.compose(spec).pipe(sink, { end: false })

stream.on('end', () => {
  for (const failure of failures) process.stdout.write(`\n${failure}\n`)
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
  process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`)
  process.exitCode = count.failed > 0 ? 1 : 0
})

function relative(file: string): string {
  return file.replace(`${process.cwd()}/`, '')
}
