import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Listener } from '../../src/dataplane/listener.ts'

const timeout = 20_000
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the program to its end; with `until`, asks it to end once its standard error matches. */
function run(t: TestContext, args: readonly string[], until: RegExp | null = null): Promise<Ran> {
  const child = spawn(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'] ?? '' } })
  t.after(() => child.kill('SIGKILL'))
  let [out, err] = ['', '']
  let asked = false
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
    if (until !== null && !asked && until.test(err)) {
      asked = true
      child.kill('SIGTERM')
    }
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })))
}

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(`${tmpdir()}/sallyport-cli-`)
  t.after(() => rm(made, { recursive: true }))
  return made
}

const proxy = async (t: TestContext, ...more: string[]): Promise<string[]> => {
  const dir = await folder(t)
  await writeFile(
    `${dir}/workload.yaml`,
    'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: web, namespace: shop}\n' +
      'spec: {address: 127.0.0.1, serviceAccount: web, labels: {app: web}}\n',
  )
  const free = ['--outbound', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--status', '127.0.0.1:0']
  return [
    'proxy',
    '--workload',
    `${dir}/workload.yaml`,
    '--sds',
    `${dir}/sds`,
    '--drain',
    '0s',
    ...free,
    ...more,
  ]
}

test('help and version are answers, on standard output', { timeout }, async (t) => {
  for (const args of [['--help'], ['proxy', '--help'], ['--version']]) {
    const { code, out, err } = await run(t, args)
    assert.equal(code, 0, args.join(' '))
    assert.notEqual(out, '')
    assert.equal(err, '')
  }
})

test('what nobody knows is bad usage: code, reason, where help is, exit 2', { timeout }, async (t) => {
  // The last one is near enough to an option to be answered with a guess.
  for (const args of [
    ['nonsense'],
    ['proxy', '--no-such-option'],
    ['proxy', '--config'],
    ['proxy', '--cnfig'],
  ]) {
    const { code, err, out } = await run(t, args)
    assert.equal(code, 2, args.join(' '))
    assert.match(err, /^error: ERR_USAGE .*; add --help for the options\n$/)
    assert.equal(out, '')
  }
})

test('a value that cannot be is one line with its code and exit 2', { timeout: 60_000 }, async (t) => {
  const dir = await folder(t)
  for (const more of [
    ['--config', dir, '--inbound', 'nonsense'],
    ['--config', dir, '--drain', 'soon'],
    ['--config', dir, '--concurrency', '-1'],
    ['--config', dir, '--log-level', 'loud'],
    ['--config', dir, '--max-headers', '0'],
    [],
  ]) {
    const { code, err } = await run(t, await proxy(t, ...more))
    assert.equal(code, 2, `${more.join(' ')}: ${err}`)
    assert.match(err, /^error: ERR_BOOTSTRAP_[A-Z]+ .+\n$/)
    assert.equal(err.trim().split('\n').length, 1, err)
  }
})

test('a state directory that cannot be is one line with its code', { timeout }, async (t) => {
  const dir = await folder(t)
  await writeFile(`${dir}/file`, '')
  const { code, err } = await run(t, ['mesh', '--config', dir, '--state', `${dir}/file`])
  assert.equal(code, 1)
  assert.match(err, /^error: ERR_JWT_FILE_UNUSABLE cannot make the directory .*file \(EEXIST\); .+\n$/)
})

test('a port in use ends the start with one line that names it', { timeout }, async (t) => {
  const taken = await Listener.bind(
    { address: { address: '127.0.0.1', port: 0 }, reusePort: false, maxConnections: 1 },
    () => undefined,
  )
  t.after(() => taken.close())
  const { port } = taken.address
  const args = await proxy(t, '--config', await folder(t), '--outbound', `127.0.0.1:${port}`)
  const { code, err } = await run(t, args)
  assert.equal(code, 1)
  assert.match(
    err,
    new RegExp(`^error: ERR_LISTENER_BIND .*127\\.0\\.0\\.1:${port}: the port is in use`, 'm'),
  )
  assert.doesNotMatch(err, /\n\s+at /)
})

test(
  'a folder that is not there, or YAML that is none, is said in words and without a stack',
  { timeout },
  async (t) => {
    const missing = await run(t, await proxy(t, '--config', '/no/such/folder'), /no\/such\/folder/)
    assert.match(missing.err, /no\/such\/folder/)
    assert.doesNotMatch(missing.err, /\n\s+at /)
    const dir = await folder(t)
    await writeFile(`${dir}/broken.yaml`, 'kind: [unclosed\n')
    const broken = await run(t, await proxy(t, '--config', dir), /broken\.yaml/)
    assert.match(broken.err, /broken\.yaml/)
    assert.doesNotMatch(broken.err, /\n\s+at /)
  },
)
