/** Choosing among endpoints: least request of two, weights, retries (dataplane §8.5). */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Cluster } from '../../src/cluster/cluster.ts'
import { pick } from '../../src/cluster/load-balancer.ts'
import type { TrafficPolicy } from '../../src/policy/destination-rule.ts'
import { seededRandom } from '../support/random-policies.ts'
import { destinationRule, endpoint, routes, service, traffic } from './mesh.ts'

const host = 'app.ns2.svc.cluster.local'

function cluster(weights: readonly number[], loadBalancer: TrafficPolicy['loadBalancer'] = null): Cluster {
  const endpoints = weights.map((weight, i) => endpoint(`10.1.0.${i + 1}`, { weight }))
  return routes([service('app', { endpoints })], {
    destinationRules: [destinationRule(host, { trafficPolicy: traffic({ loadBalancer }) })],
  }).byHost(host, 80, null)
}

function counts(from: Cluster, times: number): number[] {
  const random = seededRandom(1)
  const seen = from.endpoints.map(() => 0)
  for (let i = 0; i < times; i++) {
    const index = from.endpoints.indexOf(pick(from, random) as never)
    seen[index] = (seen[index] ?? 0) + 1
  }
  return seen
}

test('no endpoint, no choice', () => {
  assert.equal(pick(cluster([]), Math.random), null)
})

test('of two the one with fewer requests under way is taken, always', () => {
  const both = cluster([1, 1])
  const [busy, idle] = both.endpoints
  assert.ok(busy && idle)
  busy.inFlight = 1
  const random = seededRandom(2)
  for (let i = 0; i < 100; i++) assert.equal(pick(both, random), idle)
})

test('equal endpoints share alike, and chance at its edge stays in range', () => {
  for (const balancer of ['LEAST_REQUEST', 'RANDOM'] as const) {
    for (const count of counts(cluster([1, 1, 1, 1], balancer), 4000)) assert.ok(count > 800, balancer)
    assert.notEqual(
      pick(cluster([1, 2, 3], balancer), () => 1 - Number.EPSILON),
      null,
    )
    assert.notEqual(
      pick(cluster([1, 1, 1], balancer), () => 0),
      null,
    )
  }
})

test('weights are honoured, zero means no traffic', () => {
  for (const balancer of ['LEAST_REQUEST', 'RANDOM', 'ROUND_ROBIN'] as const) {
    const [first = 0, second = 0, ...rest] = counts(cluster([1, 3, 0], balancer), 4000)
    assert.deepEqual(rest, [])
    assert.ok(first > 700 && first < 1300 && second > 2700, `${balancer} ${first} ${second}`)
  }
})

test('round robin takes turns', () => {
  const three = cluster([1, 1, 1], 'ROUND_ROBIN')
  const taken = Array.from({ length: 6 }, () => pick(three, Math.random)?.address)
  assert.deepEqual(taken, [...taken.slice(0, 3), ...taken.slice(0, 3)])
  assert.equal(new Set(taken).size, 3)
})

test('a retry avoids what was tried, and takes it again only when nothing else is left', () => {
  const three = cluster([1, 1, 1])
  const [a, b, c] = three.endpoints
  assert.ok(a && b && c)
  const random = seededRandom(3)
  for (let i = 0; i < 50; i++) {
    assert.notEqual(pick(three, random, a), a)
    assert.equal(pick(three, random, [a, b]), c)
    assert.notEqual(pick(three, random, [a, b, c]), null)
  }
  const one = cluster([1])
  assert.equal(pick(one, random, one.endpoints), one.endpoints[0])
})
