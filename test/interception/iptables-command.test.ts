/** `sallyport iptables` as a user meets it, where no rights are needed: what it prints and how it ends. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

function iptables(args: readonly string[], env: Record<string, string> = {}) {
  const main = new URL('../../src/main.ts', import.meta.url).pathname
  return spawnSync(process.execPath, ['--no-warnings', main, 'iptables', ...args], {
    env: { PATH: '/usr/bin:/bin', ...env },
    encoding: 'utf8',
    timeout: 20_000,
  })
}

test('show prints iptables-restore input, and with --json the same rules as one value', () => {
  const text = iptables(['show', '-b', '*', '-i', '*'])
  assert.equal(text.status, 0, text.stderr)
  assert.match(text.stdout, /^\*nat\n-N ISTIO_INBOUND\n[^]*\n-A ISTIO_OUTPUT -j ISTIO_REDIRECT\nCOMMIT\n$/)
  const { family, table, chains, rules } = JSON.parse(
    iptables(['show', '-b', '*', '-i', '*', '--json']).stdout,
  ) as {
    family: string
    table: string
    chains: string[]
    rules: { chain: string; at: string; words: string[] }[]
  }
  assert.deepEqual({ family, table }, { family: 'ipv4', table: 'nat' })
  const lines = [
    ...chains.map((chain) => `-N ${chain}`),
    ...rules.map(({ chain, words }) => `-A ${chain} ${words.join(' ')}`),
  ]
  assert.equal(`*nat\n${lines.join('\n')}\nCOMMIT\n`, text.stdout)
})

test('a dry run of apply prints what show prints', () => {
  assert.equal(iptables(['apply', '-n', '-b', '80']).stdout, iptables(['show', '-b', '80']).stdout)
})

test('bad usage ends with 2 and one line that says how to write it', () => {
  for (const args of [
    ['show', '-b', '80;id'],
    ['apply', '-m', 'TPROXY'],
    ['show', '-i', 'everywhere'],
  ]) {
    const { status, stderr, stdout } = iptables(args)
    assert.equal(status, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /^error: ERR_INTERCEPTION_[A-Z_]+ [^\n]+; [^\n]+\n$/)
  }
  assert.equal(iptables(['apply', '--force-iptables-binary', 'ebtables']).status, 2)
  assert.equal(iptables(['apply', '--no-such-option']).status, 2)
})

test('a feature that is asked for by variable and not here is refused, not left out', () => {
  const { status, stderr } = iptables(['show'], { ISTIO_META_DNS_CAPTURE: 'true' })
  assert.equal(status, 2)
  assert.match(stderr, /^error: ERR_INTERCEPTION_UNSUPPORTED ISTIO_META_DNS_CAPTURE /)
  assert.equal(iptables(['show'], { ISTIO_META_DNS_CAPTURE: 'false', ISTIO_DUAL_STACK: '' }).status, 0)
})
