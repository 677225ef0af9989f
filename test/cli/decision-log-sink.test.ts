/** Decision lines on their way to real files and pipes: full disks, readers that are slow, readers that are gone. */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, symlink, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { BootstrapError } from '../../src/bootstrap/bootstrap-error.ts'
import { readDecisionKey } from '../../src/cli/decision-key.ts'
import { openDecisionLogSink } from '../../src/cli/decision-log-sink.ts'
import type { DecisionLogSink } from '../../src/cli/decision-log-sink.ts'
import { createFile } from '../../src/jwt/private-file.ts'
import { ManualClock } from '../support/manual-clock.ts'

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(`${tmpdir()}/sallyport-decisions-`)
  t.after(() => rm(made, { recursive: true }))
  return made
}

function deps() {
  const said: unknown[] = []
  const clock = new ManualClock()
  return {
    said,
    clock,
    log: { warn: (message: string, fields?: object) => void said.push([message, fields]) },
  }
}

const write = (sink: DecisionLogSink, text: string): Promise<void> =>
  new Promise((taken) => sink.write(Buffer.from(text), text.split('\n').length - 1, taken))

test('lines are appended to a file of mode 0640, in order, and all are there when it is closed', async (t) => {
  const file = `${await folder(t)}/decisions.jsonl`
  const { clock, log } = deps()
  for (const round of [0, 1]) {
    const sink = await openDecisionLogSink(file, { clock, log })
    for (let i = 0; i < 50; i++) sink.write(Buffer.from(`{"n":${round * 50 + i}}\n`), 1, () => undefined)
    await sink.close()
    assert.deepEqual([sink.written, sink.dropped], [50, 0])
  }
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  assert.deepEqual(
    lines,
    Array.from({ length: 100 }, (_, i) => `{"n":${i}}`),
  )
  assert.equal((await stat(file)).mode & 0o777 & ~0o640, 0)
})

test('a full disk loses lines, counted, and is said once a minute; nobody waits for it', async (t) => {
  const file = `${await folder(t)}/full`
  await symlink('/dev/full', file)
  const { said, clock, log } = deps()
  const sink = await openDecisionLogSink(file, { clock, log })
  for (let i = 0; i < 5; i++) await write(sink, 'a\nb\n')
  assert.deepEqual([sink.written, sink.dropped, said.length], [0, 10, 1])
  assert.match(JSON.stringify(said[0]), /ENOSPC/)
  clock.advance(60_000)
  await write(sink, 'c\n')
  assert.deepEqual([sink.dropped, said.length], [11, 2])
  await sink.close()
  await unlink(file)
})

test('a file that cannot be opened is one clear line at the start', async (t) => {
  const made = await folder(t)
  await assert.rejects(openDecisionLogSink(`${made}/none/x`, deps()), (error: unknown) => {
    assert.ok(error instanceof BootstrapError)
    assert.match(error.message, /cannot write the decision log .*ENOENT/)
    return true
  })
})

// Runs the sink on standard output in a process of its own, which says on standard error what became of the lines.
const program = `
  const { openDecisionLogSink } = await import(process.argv[1])
  const clock = { now: () => 0 }
  const sink = await openDecisionLogSink('-', { clock, log: { warn: () => undefined } })
  let taken = 0
  const line = Buffer.from('x'.repeat(1023) + '\\n')
  const offer = () => { for (let i = 0; i < 1000; i++) sink.write(line, 1, () => (taken += 1)) }
  process.stdin.once('data', async () => {
    offer()
    await new Promise((done) => setImmediate(done))
    process.stderr.write(JSON.stringify({ taken, early: true }) + '\\n')
    process.stdin.once('data', async () => {
      await sink.close()
      process.stderr.write(JSON.stringify({ taken, written: sink.written, dropped: sink.dropped }) + '\\n', () => process.exit(0))
    })
  })
  process.stderr.write('{}\\n')
`

function onStandardOutput(t: TestContext) {
  const sink = fileURLToPath(new URL('../../src/cli/decision-log-sink.ts', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', program, sink])
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  let wake = (): void => undefined
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    wake()
  })
  const said = async (): Promise<Record<string, unknown>> => {
    while (!text.includes('\n')) await new Promise<void>((resolve) => (wake = resolve))
    const [line = ''] = text.split('\n', 1)
    text = text.slice(line.length + 1)
    return JSON.parse(line) as Record<string, unknown>
  }
  return { child, said }
}

test(
  'a slow reader of a pipe holds up its lines and nobody else, and gets them all',
  { timeout: 20_000 },
  async (t) => {
    const { child, said } = onStandardOutput(t)
    await said()
    child.stdin.write('go')
    const early = await said()
    assert.ok((early['taken'] as number) < 1000, 'the pipe is full, and the program goes on')
    let bytes = 0
    child.stdout.on('data', (chunk: Buffer) => (bytes += chunk.length))
    child.stdin.write('end')
    assert.deepEqual(await said(), { taken: 1000, written: 1000, dropped: 0 })
    await new Promise((resolve) => child.once('close', resolve))
    assert.equal(bytes, 1000 * 1024)
  },
)

test('a reader that is gone loses lines, counted, and ends nothing', { timeout: 20_000 }, async (t) => {
  const { child, said } = onStandardOutput(t)
  await said()
  child.stdout.destroy()
  child.stdin.write('go')
  await said()
  child.stdin.write('end')
  const { taken, written, dropped } = await said()
  assert.equal(taken, 1000)
  assert.equal((written as number) + (dropped as number), 1000)
  assert.ok((dropped as number) > 0)
})

test('a key that others can read, that is short or no text is refused', async (t) => {
  const made = await folder(t)
  const good = 'x'.repeat(44)
  await createFile(`${made}/good`, `${good}\n`)
  assert.equal(Buffer.from(await readDecisionKey(`${made}/good`)).toString(), good)
  await createFile(`${made}/short`, 'x'.repeat(31))
  await createFile(`${made}/open`, good, 0o644)
  for (const [name, reason] of [
    ['short', /shorter than 32/],
    ['none', /is not there/],
    ['open', /mode 0644/],
  ] as const)
    await assert.rejects(readDecisionKey(`${made}/${name}`), reason)
})
