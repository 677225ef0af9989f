import assert from 'node:assert/strict'
import test from 'node:test'
import { parseOptions } from '../../bench/options.ts'
import type { BenchOptions } from '../../bench/options.ts'

function run(...words: string[]): BenchOptions {
  const parsed = parseOptions(words)
  assert.equal(parsed.kind, 'run')
  return (parsed as { options: BenchOptions }).options
}

test('without words everything is measured, with medians of three rounds and a gate', () => {
  const options = run()
  assert.deepEqual(options.only, ['ours', 'nginx', 'haproxy', 'envoy'])
  assert.deepEqual(options.connections, [1, 8, 32, 128])
  assert.deepEqual(options.modes, ['pair', 'single', 'tcp'])
  assert.deepEqual(options.settings, ['on', 'plain'])
  assert.equal(options.rounds, 3)
  assert.equal(options.gate, true)
})

test('a smoke run is short, judges nothing and can still be told otherwise', () => {
  const options = run('--smoke', '--seconds', '1.5')
  assert.deepEqual(options.connections, [8])
  assert.deepEqual(options.settings, ['on'])
  assert.equal(options.rounds, 1)
  assert.equal(options.gate, false)
  assert.equal(options.seconds, 1.5)
})

test('values may follow an equals sign', () => {
  assert.deepEqual(run('--only=nginx,envoy').only, ['nginx', 'envoy'])
})

test('what is no option, no choice or no number is named', () => {
  for (const [words, reason] of [
    [['--fast'], /--fast is no option/],
    [['--only', 'apache'], /--only apache/],
    [['--seconds'], /--seconds needs a value/],
    [['--seconds', 'soon'], /--seconds: from/],
    [['--rounds', '1.5'], /--rounds: from/],
    [['--connections', '8,x'], /--connections: whole numbers/],
    [['--name', '../x'], /--name/],
  ] as const) {
    const parsed = parseOptions(words)
    assert.equal(parsed.kind, 'wrong', words.join(' '))
    assert.match((parsed as { reason: string }).reason, reason)
  }
})

test('help is given whatever stands beside it', () => {
  assert.equal(parseOptions(['--smoke', '--help']).kind, 'help')
})
