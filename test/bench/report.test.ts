import assert from 'node:assert/strict'
import test from 'node:test'
import type { Sample } from '../../bench/measure.ts'
import type { ContenderName } from '../../bench/options.ts'
import { chart } from '../../bench/report/chart.ts'
import { median, summarize } from '../../bench/report/summary.ts'
import { table } from '../../bench/report/table.ts'
import { judge } from '../../bench/report/targets.ts'

/** `cpu` microseconds a request on each side of a pair. */
function sample(contender: ContenderName, round: number, cpu: number, more: Partial<Sample> = {}): Sample {
  const usage = { cpuSeconds: (cpu * 1000) / 1e6, memory: { residentMb: 90, privateMb: 40 } }
  return {
    mode: 'pair',
    settings: 'on',
    connections: 8,
    contender,
    round,
    seconds: 2,
    requests: 1000,
    bytes: 0,
    p50: 100,
    p99: 900,
    usage: { outbound: usage, inbound: usage },
    faults: [],
    ...more,
  }
}

test('a median is the middle, or between the two middles', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.ok(Number.isNaN(median([])))
})

test('the ratio is to the better of nginx and HAProxy, never to Envoy', () => {
  const [ours, nginx, haproxy, envoy] = summarize([
    sample('ours', 0, 30),
    sample('nginx', 0, 20),
    sample('haproxy', 0, 25),
    sample('envoy', 0, 5),
  ])
  assert.equal(ours?.ratio, 1.5)
  assert.equal(nginx?.ratio, 1)
  assert.equal(haproxy?.ratio, 1.25)
  assert.equal(envoy?.ratio, 0.25)
  assert.equal(ours?.cpu, 60)
  assert.equal(ours?.outboundCpu, 30)
  assert.equal(ours?.rate, 500)
})

test('ratios are taken within a round, so that a slow round cancels out', () => {
  const [ours] = summarize([
    ...[10, 100, 10].map((cpu, round) => sample('ours', round, cpu * 1.5)),
    ...[10, 100, 10].map((cpu, round) => sample('nginx', round, cpu)),
  ])
  assert.ok(Math.abs((ours?.ratio ?? 0) - 1.5) < 1e-9)
})

test('a reference with faults is no reference', () => {
  const [ours, nginx] = summarize([
    sample('ours', 0, 30),
    sample('nginx', 0, 1, { faults: ['3 answers with status 502'] }),
    sample('haproxy', 0, 15),
  ])
  assert.equal(ours?.ratio, 2)
  assert.deepEqual(nginx?.faults, ['3 answers with status 502'])
  assert.equal(nginx?.ratio, null)
})

test('a fault fails the row in the table and before the gate', () => {
  const lines = summarize([sample('ours', 0, 10, { faults: ['1 wrong bodies'] }), sample('nginx', 0, 20)])
  const text = table(lines)
  assert.match(text, /^ +failed +pair +8 +everything on +ours/m)
  assert.match(text, /✗ ours: 1 wrong bodies/)
  assert.equal(judge(lines, [])[0]?.met, false)
})

test('ratios stand first in the table', () => {
  const text = table(summarize([sample('ours', 0, 30), sample('nginx', 0, 20)]))
  assert.match(text, /^ +1\.50× +pair +8 +everything on +ours +30\.0 +30\.0 +60\.0 µs\/req +500 req\/s/m)
})

test('targets are judged with everything on, memory of the worst sidecar included', () => {
  const lines = summarize([
    sample('ours', 0, 30),
    sample('nginx', 0, 20),
    sample('ours', 0, 90, { settings: 'plain' }),
    sample('nginx', 0, 20, { settings: 'plain' }),
  ])
  const verdicts = judge(lines, [
    { residentMb: 99, privateMb: 49 },
    { residentMb: 99, privateMb: 51 },
  ])
  assert.deepEqual(
    verdicts.map(({ what, met }) => [what, met]),
    [
      ['pair c=8, CPU a request', true],
      ['memory of a sidecar idle, resident/private', false],
      ['memory of a sidecar under load, resident/private', true],
    ],
  )
})

test('TCP is counted in CPU seconds a GiB and MiB a second', () => {
  const tcp = { mode: 'tcp', connections: 1, requests: 0, bytes: 2 ** 30 } as const
  const [ours] = summarize([sample('ours', 0, 1000, tcp)])
  assert.equal(ours?.cpu, 2)
  assert.equal(ours?.rate, 512)
  assert.equal(ours?.p50, null)
})

test('the chart draws a bar for each contender that did the job with everything on', () => {
  const svg = chart(
    summarize([
      sample('ours', 0, 30),
      sample('nginx', 0, 20),
      sample('haproxy', 0, 20, { faults: ['1 errors'] }),
      sample('envoy', 0, 20, { settings: 'plain' }),
    ]),
    'a <machine> & more',
  )
  assert.equal(svg.match(/<title>/g)?.length, 2)
  assert.match(svg, /a &lt;machine> &amp; more/)
  assert.ok(svg.startsWith('<svg ') && svg.endsWith('</svg>\n'))
})
