/** Which DestinationRule is obeyed: policy-semantics §4.5, §4.6 and traps 22, 41, 42. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { DestinationRules, portPolicy, type ChosenRule } from '../../src/cluster/destination-rule.ts'
import { runAtOnce } from '../../src/lifecycle/steps.ts'
import type { DestinationRule } from '../../src/policy/destination-rule.ts'
import type { Workload } from '../../src/policy/workload.ts'
import { client, destinationRule, meta, service, settings, traffic } from './mesh.ts'

const host = 'app.ns2.svc.cluster.local'
const app = service('app')

/** A rule recognised afterwards by its connect timeout. */
const marked = (
  mark: number,
  written: string,
  namespace: string,
  more: Partial<DestinationRule> = {},
): DestinationRule =>
  destinationRule(written, {
    meta: meta(`r${mark}`, namespace, mark),
    trafficPolicy: traffic({ connectTimeoutMs: mark }),
    ...more,
  })

const find = (rules: DestinationRule[], from: Workload = client): ChosenRule | null =>
  runAtOnce(DestinationRules.build(rules, from, 'istio-system')).find(app)

const mark = (rules: DestinationRule[], from?: Workload): number | null =>
  find(rules, from)?.trafficPolicy?.connectTimeoutMs ?? null

test('the client namespace comes before the service namespace, that before the root', () => {
  const [own, theirs, root] = [
    marked(1, host, 'ns1'),
    marked(2, host, 'ns2'),
    marked(3, host, 'istio-system'),
  ]
  assert.equal(mark([root, theirs, own]), 1)
  assert.equal(mark([root, theirs]), 2)
  assert.equal(mark([root]), 3)
  assert.equal(mark([marked(4, host, 'ns9')]), null)
})

test('the first namespace with any match wins, even by a wider host', () => {
  assert.equal(mark([marked(1, '*.local', 'ns1'), marked(2, host, 'ns2')]), 1)
})

test('within a namespace the exact host wins, then the longest wildcard', () => {
  const wide = [marked(1, '*', 'ns2'), marked(2, '*.svc.cluster.local', 'ns2')]
  assert.equal(mark([...wide, marked(3, host, 'ns2')]), 3)
  assert.equal(mark([...wide, marked(3, '*.ns2.svc.cluster.local', 'ns2')]), 3)
  assert.equal(mark(wide), 2)
  assert.equal(mark(wide.slice(0, 1)), 1)
  assert.equal(mark([marked(1, '*.other', 'ns2')]), null)
})

test('export is asked after the host was chosen', () => {
  const wide = marked(1, '*.local', 'ns2')
  assert.equal(mark([wide, marked(2, host, 'ns2', { exportTo: ['ns3'] })]), null)
  assert.equal(mark([wide, marked(2, host, 'ns2', { exportTo: ['ns1', 'ns3'] })]), 2)
  // A private rule does not take part, so it hides nothing.
  assert.equal(mark([wide, marked(2, host, 'ns2', { exportTo: ['.'] })]), 1)
  assert.equal(mark([wide, marked(2, host, 'ns2', { exportTo: ['ns2'] })]), 1)
})

test('a rule hidden from the client leaves the root namespace to be asked', () => {
  assert.equal(mark([marked(1, host, 'ns2', { exportTo: ['ns3'] }), marked(2, host, 'istio-system')]), 2)
})

test('in its own namespace the client sees private rules, but none exported elsewhere only', () => {
  assert.equal(mark([marked(1, host, 'ns1', { exportTo: ['.'] })]), 1)
  assert.equal(mark([marked(1, host, 'ns1', { exportTo: ['ns1'] })]), 1)
  assert.equal(mark([marked(1, host, 'ns1', { exportTo: ['ns3'] })]), null)
})

test('a client in the root namespace looks at its private rules first and its public ones last', () => {
  const root = { ...client, namespace: 'istio-system' }
  assert.equal(mark([marked(1, host, 'istio-system'), marked(2, host, 'ns2')], root), 2)
  assert.equal(mark([marked(1, host, 'istio-system', { exportTo: ['.'] }), marked(2, host, 'ns2')], root), 1)
  assert.equal(mark([marked(1, host, 'istio-system')], root), 1)
})

test('a workloadSelector binds the rule to those workloads of its namespace and is preferred there', () => {
  const plain = marked(1, host, 'ns1')
  assert.equal(mark([plain, marked(2, host, 'ns1', { workloadSelector: { app: 'client' } })]), 2)
  assert.equal(mark([plain, marked(2, host, 'ns1', { workloadSelector: { app: 'other' } })]), 1)
  assert.equal(mark([marked(2, host, 'ns2', { workloadSelector: { app: 'client' } })]), null)
})

test('several rules of one host: oldest first, subsets joined, first traffic policy taken', () => {
  const subset = (name: string, mark: number): DestinationRule['subsets'][number] => ({
    name,
    labels: {},
    trafficPolicy: traffic({ connectTimeoutMs: mark }),
  })
  const rule = find([
    marked(3, host, 'ns2', { subsets: [subset('v2', 32), subset('v1', 31)] }),
    marked(1, host, 'ns2', { trafficPolicy: null, subsets: [subset('v1', 11)] }),
    marked(2, host, 'ns2'),
  ])
  assert.equal(rule?.trafficPolicy?.connectTimeoutMs, 2)
  assert.deepEqual(
    rule.subsets.map(({ name, trafficPolicy }) => [name, trafficPolicy?.connectTimeoutMs]),
    [
      ['v1', 11],
      ['v2', 32],
    ],
  )
})

const chosen = (policy: Parameters<typeof traffic>[0], subset: typeof policy | null = null): ChosenRule => ({
  trafficPolicy: traffic(policy),
  subsets: subset === null ? [] : [{ name: 'v1', labels: {}, trafficPolicy: traffic(subset) }],
  selectsWorkload: false,
  quarantined: null,
})
const simple = settings('SIMPLE')

test('a port entry, by service port, replaces everything, also by leaving it out', () => {
  const rule = chosen({
    tls: simple,
    maxConnections: 7,
    ports: { 80: traffic({ loadBalancer: 'RANDOM' }) },
  })
  const at80 = portPolicy(rule, 80, '')
  assert.deepEqual([at80.tls, at80.maxConnections, at80.loadBalancer], [null, null, 'RANDOM'])
  const at8080 = portPolicy(rule, 8080, '')
  assert.deepEqual([at8080.tls, at8080.maxConnections, at8080.loadBalancer], [simple, 7, null])
})

test('a subset overrides what it names; its port entry replaces everything', () => {
  const rule = chosen(
    { tls: simple, connectTimeoutMs: 5, loadBalancer: 'RANDOM' },
    { maxConnections: 3, ports: { 80: traffic({ maxConnections: 4 }) } },
  )
  const other = portPolicy(rule, 81, 'v1')
  assert.deepEqual(
    [other.tls, other.loadBalancer, other.maxConnections, other.connectTimeoutMs],
    [simple, 'RANDOM', 3, null],
  )
  const replaced = portPolicy(rule, 80, 'v1')
  assert.deepEqual([replaced.tls, replaced.loadBalancer, replaced.maxConnections], [null, null, 4])
  assert.equal(portPolicy(rule, 80, 'v9').tls, simple)
})
