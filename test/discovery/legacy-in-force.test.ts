/** Whom the targets of a legacy policy mean, by the Services of the folder (policy-semantics §7). */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ResourceState } from '../../src/discovery/resource-state.ts'
import type { ConfigState } from '../../src/discovery/resource-state.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'

const service = (name: string, spec: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ns}\nspec: ${spec}\n`
const pod = (name: string, labels: string, ports: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ns, labels: ${labels}}\nspec: {containers: [{ports: ${ports}}]}\nstatus: {podIP: 10.0.0.${name.length}}\n`
const policy = (targets: string, more = 'peers: [{mtls: {}}]'): string =>
  `apiVersion: authentication.istio.io/v1alpha1\nkind: Policy\nmetadata: {name: p, namespace: ns}\nspec: {targets: ${targets}, ${more}}\n`

function state(...documents: readonly string[]): ConfigState {
  const { resources, problems } = readDocuments(documents.join('---\n'), 'f.yaml')
  assert.deepEqual(problems, [])
  return new ResourceState().apply([{ file: 'f.yaml', resources, problems: [] }])
}
const attached = (found: ConfigState) => [...found.legacy.values()].flatMap(({ attachments }) => attachments)

const orders = service(
  'orders',
  '{selector: {app: orders}, ports: [{name: http, port: 80, targetPort: 8080}, {name: admin, port: 81}]}',
)
const everywhere = { rank: 'port', selector: null, ports: null }

test('a target without ports is every port of the Service, at its target port', () => {
  assert.deepEqual(attached(state(orders, policy('[{name: orders}]'))), [
    { rank: 'service', selector: { app: 'orders' }, ports: [81, 8080], quarantined: null },
  ])
})

test('ports are the Service’s, by number or name, and come out as target ports', () => {
  for (const [ports, wanted] of [
    ['[{number: 80}]', [8080]],
    ['[{name: http}]', [8080]],
    ['[{name: admin}]', [81]],
    ['[{number: 80}, {name: admin}]', [81, 8080]],
  ] as const) {
    assert.deepEqual(attached(state(orders, policy(`[{name: orders, ports: ${ports}}]`))), [
      { rank: 'port', selector: { app: 'orders' }, ports: wanted, quarantined: null },
    ])
  }
})

test('what is not there selects nothing, and a warning says so', () => {
  for (const [targets, warning] of [
    ['[{name: web}]', 'spec.targets[0]: there is no Service "web" in namespace "ns"'],
    ['[{name: orders, ports: [{number: 8080}]}]', 'spec.targets[0]: the Service "orders" has no port 8080'],
    ['[{name: orders, ports: [{name: x}]}]', 'spec.targets[0]: the Service "orders" has no port x'],
    ['[{name: far}]', 'spec.targets[0]: the Service "far" is outside the mesh'],
  ] as const) {
    const far = service('far', '{type: ExternalName, externalName: a.test}')
    const found = state(orders, far, policy(targets))
    assert.deepEqual(attached(found), [])
    assert.deepEqual(found.quarantine, [])
    assert.ok(
      found.warnings.some((told) => told.endsWith(`: ${warning}: it selects nothing`)),
      found.warnings.join(),
    )
  }
  const elsewhere = orders.replace('namespace: ns', 'namespace: other')
  assert.deepEqual(attached(state(elsewhere, policy('[{name: orders}]'))), [])
})

test('a Service that is refused or has no selector may mean anybody: its namespace closes, and it is named', () => {
  for (const [given, reason] of [
    [service('orders', '{ports: 5}'), 'the Service "orders" is refused'],
    [service('orders', '{ports: [{port: 80}]}'), 'the Service "orders" has no selector'],
  ] as const) {
    const found = state(given, policy('[{name: orders, ports: [{number: 80}]}]', ''))
    assert.deepEqual(attached(found), [{ ...everywhere, quarantined: reason }])
    const told = found.quarantine.find(({ kind }) => kind === 'Policy')
    assert.equal(told?.reason, `spec.targets: ${reason}`)
  }
})

test('a target port that is a name is the number the endpoints have for it', () => {
  const named = service(
    'orders',
    '{selector: {app: orders}, ports: [{name: http, port: 80, targetPort: web}]}',
  )
  const one = pod('a', '{app: orders, v: one}', '[{name: web, containerPort: 9000}]')
  const two = pod('bb', '{app: orders, v: two}', '[{name: web, containerPort: 9001}]')
  const selector = { app: 'orders' }
  assert.deepEqual(attached(state(named, one, policy('[{name: orders}]'))), [
    { rank: 'service', selector, ports: [9000], quarantined: null },
  ])
  // Each number is for those alone that gave it: a port of one is another matter on the other.
  assert.deepEqual(attached(state(named, one, two, policy('[{name: orders}]'))), [
    { rank: 'service', selector: { ...selector, v: 'one' }, ports: [9000], quarantined: null },
    { rank: 'service', selector: { ...selector, v: 'two' }, ports: [9001], quarantined: null },
  ])
  const unknown = state(named, policy('[{name: orders}]'))
  const reason = 'no endpoint says which port the targetPort "web" is'
  assert.deepEqual(attached(unknown), [{ rank: 'service', selector, ports: null, quarantined: reason }])
  assert.equal(unknown.quarantine[0]?.reason, `spec.targets: ${reason}`)
})

test('a machine with a port of its own is covered at that port', () => {
  const machine =
    'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm, namespace: ns}\nspec: {address: 10.0.0.9, labels: {app: orders, vm: "1"}, ports: {http: 18080}}\n'
  assert.deepEqual(attached(state(orders, machine, policy('[{name: orders, ports: [{number: 80}]}]'))), [
    { rank: 'port', selector: { app: 'orders', vm: '1' }, ports: [18080], quarantined: null },
    { rank: 'port', selector: { app: 'orders' }, ports: [8080], quarantined: null },
  ])
})

test('a stub is attached where its policy would have been, or everywhere when nobody can tell', () => {
  const reason = 'spec.peers[0].mtls: must be set'
  assert.deepEqual(
    attached(state(orders, policy('[{name: orders, ports: [{number: 80}]}]', 'peers: [{}]'))),
    [{ rank: 'port', selector: { app: 'orders' }, ports: [8080], quarantined: reason }],
  )
  const [closed] = attached(state(orders, policy('[{name: Orders}]')))
  assert.deepEqual({ ...closed, quarantined: '' }, { ...everywhere, quarantined: '' })
  assert.match(closed?.quarantined ?? '', /^spec\.targets\[0\]\.name: expected a DNS label/)
})
