/** Applying and cleaning with a command runner that answers as told: what is run, in which order, and what is refused. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { commandRunner } from '../../src/interception/command.ts'
import type { CommandResult, RunCommand } from '../../src/interception/command.ts'
import { applyRedirection, cleanRedirection } from '../../src/interception/redirection.ts'
import type { RuleSet } from '../../src/interception/rule.ts'

const wanted: RuleSet = {
  family: 'ipv4',
  table: 'nat',
  chains: ['ISTIO_OUTPUT'],
  rules: [{ chain: 'OUTPUT', at: 'append', words: ['-j', 'ISTIO_OUTPUT'] }],
}
const inPlace = '*nat\n:OUTPUT ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n'
const plain = { binary: null, reconcile: false, force: false }

/** `answers`: by program; a function sees how often it was asked. Programs not named do not exist. */
function runner(answers: Record<string, Partial<CommandResult> | ((nth: number) => Partial<CommandResult>)>) {
  const ran: string[] = []
  const run: RunCommand = (file, args) => {
    const nth = ran.filter((line) => line.startsWith(`${file} `)).length
    ran.push([file, ...args].join(' ') + (args.length === 0 ? ' ' : ''))
    const answer = answers[file] ?? { code: 127 }
    return Promise.resolve({
      code: 0,
      stdout: '',
      stderr: '',
      ...(typeof answer === 'function' ? answer(nth) : answer),
    })
  }
  return { ran, run }
}

test('nothing is even looked at by a user who may not change it', async () => {
  const { ran, run } = runner({})
  await assert.rejects(applyRedirection(wanted, plain, { run, userId: 1000 }), {
    code: 'ERR_INTERCEPTION_NOT_ROOT',
  })
  await assert.rejects(cleanRedirection(wanted, plain, { run, userId: 1000 }), {
    code: 'ERR_INTERCEPTION_NOT_ROOT',
  })
  assert.deepEqual(ran, [])
})

test('without any iptables the line says what to install', async () => {
  await assert.rejects(applyRedirection(wanted, plain, { run: runner({}).run, userId: 0 }), {
    code: 'ERR_INTERCEPTION_NO_BINARY',
    mend: 'install the iptables package',
  })
})

test('apply tries a rule that matches nothing, restores once without flushing and reads back', async () => {
  const { ran, run } = runner({
    'iptables-nft-save': (nth) => ({ stdout: nth === 0 ? '' : inPlace }),
    'iptables-nft': {},
    'iptables-nft-restore': {},
  })
  assert.equal((await applyRedirection(wanted, plain, { run, userId: 0 })).did, 'applied')
  assert.deepEqual(ran, [
    'iptables-nft-save ',
    'iptables-legacy-save ',
    'iptables-nft -t nat -A INPUT -p 255 -j RETURN',
    'iptables-nft -t nat -D INPUT -p 255 -j RETURN',
    'iptables-nft-restore --noflush',
    'iptables-nft-save ',
  ])
})

test('rules in place need no trial and no change', async () => {
  const { ran, run } = runner({ 'iptables-legacy-save': { stdout: inPlace } })
  assert.deepEqual(await applyRedirection(wanted, plain, { run, userId: 0 }), {
    did: 'unchanged',
    variant: 'legacy',
    input: '',
  })
  assert.deepEqual(ran, ['iptables-nft-save ', 'iptables-legacy-save '])
})

test('a variant that cannot make a rule gives way to one that can, which waits for its lock', async () => {
  const { ran, run } = runner({
    'iptables-nft-save': {},
    'iptables-nft': { code: 4 },
    'iptables-legacy-save': (nth) => ({ stdout: nth === 0 ? '' : inPlace }),
    'iptables-legacy': {},
    'iptables-legacy-restore': {},
  })
  assert.equal((await applyRedirection(wanted, plain, { run, userId: 0 })).variant, 'legacy')
  assert.ok(ran.includes('iptables-legacy-restore --noflush --wait=30'))
})

test('the plain name is used where the variants have no names of their own', async () => {
  const { run } = runner({
    'iptables-save': (nth) => ({ stdout: nth === 0 ? '' : inPlace }),
    iptables: {},
    'iptables-restore': {},
  })
  assert.equal((await applyRedirection(wanted, plain, { run, userId: 0 })).variant, 'plain')
})

test("the kernel's refusal is one line with what it said", async () => {
  const { run } = runner({
    'iptables-nft-save': {},
    'iptables-nft': {},
    'iptables-nft-restore': { code: 1, stderr: 'line 2 failed:\nno owner\n' },
  })
  await assert.rejects(
    applyRedirection(wanted, plain, { run, userId: 0 }),
    (error: Error & { code: string; line: string }) => {
      assert.equal(error.code, 'ERR_INTERCEPTION_COMMAND')
      assert.match(error.line, /ended with 1: line 2 failed: no owner;/)
      return true
    },
  )
})

test('rules that read back as something else are an error, not a success', async () => {
  const { run } = runner({ 'iptables-nft-save': {}, 'iptables-nft': {}, 'iptables-nft-restore': {} })
  await assert.rejects(applyRedirection(wanted, plain, { run, userId: 0 }), {
    code: 'ERR_INTERCEPTION_VERIFY',
  })
})

test('commands get their arguments as they are, never through a shell, and input on stdin', async () => {
  const run = commandRunner(process.env['PATH'] ?? '')
  assert.deepEqual(await run('echo', ['$(id)', '; id']), { code: 0, stdout: '$(id) ; id\n', stderr: '' })
  assert.equal((await run('cat', [], 'COMMIT\n')).stdout, 'COMMIT\n')
  assert.equal((await run('false', [], 'x'.repeat(1 << 20))).code, 1)
  assert.equal((await run('no-such-program-anywhere', [])).code, 127)
})
