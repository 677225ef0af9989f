/** Legacy policies on their way to sidecars: who gets what of them, and that it means the same where it arrives. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ResourceStore } from '../../src/config-server/resource-store.ts'
import { assembleConfig } from '../../src/discovery/assemble-config.ts'
import { attachedAnnotation, readAttached } from '../../src/discovery/legacy-annotation.ts'
import { openEnvelope } from '../../src/discovery/mcp-resource.ts'
import { ResourceState } from '../../src/discovery/resource-state.ts'
import type { ConfigState } from '../../src/discovery/resource-state.ts'
import { meshPolicyType, policyType } from '../../src/discovery/resource-type.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import type { RawResource } from '../../src/policy/resource.ts'

const legacy = (kind: string, metadata: string, spec: string): string =>
  `apiVersion: authentication.istio.io/v1alpha1\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`
const policy = (name: string, spec: string): string =>
  legacy('Policy', `{name: ${name}, namespace: shop}`, spec)
const orders =
  'apiVersion: v1\nkind: Service\nmetadata: {name: orders, namespace: shop}\nspec: {selector: {app: orders}, ports: [{name: http, port: 80, targetPort: 8080}, {port: 81, name: tcp-x}]}\n'
const full =
  '{targets: [{name: orders, ports: [{number: 80}]}], peers: [{mtls: }], origins: [{jwt: {issuer: i, audiences: [a], jwks_uri: "https://idp.test/k", jwtHeaders: [x], jwtParams: [p], triggerRules: [{excludedPaths: [{exact: /a}, {regex: "/b.*"}], includedPaths: [{prefix: /}, {suffix: c}]}, {}]}}, {jwt: {issuer: j}}], originIsOptional: true, principalBinding: USE_ORIGIN}'

class Mesh {
  readonly store = new ResourceStore()
  readonly #state = new ResourceState()

  apply(...documents: readonly string[]): ConfigState {
    const read = readDocuments(documents.join('---\n'), 'f.yaml')
    assert.deepEqual(read.problems, [])
    const state = this.#state.apply([{ file: 'f.yaml', ...read }])
    this.store.update(state, assembleConfig(state, []))
    assert.deepEqual(this.store.unsendable, [])
    return state
  }

  /** The documents as a sidecar of the namespace receives them. */
  sent(namespace: string): RawResource[] {
    return [meshPolicyType, policyType].flatMap((type) =>
      this.store.view(type.typeUrl, namespace).resources.map((any) => {
        const opened = openEnvelope(type, any, 'mesh')
        if (typeof opened === 'string') assert.fail(opened)
        return opened
      }),
    )
  }
}

const received = (resources: readonly RawResource[]): ConfigState =>
  new ResourceState().apply([{ file: 'mesh', resources, problems: [] }])

/** Without what says where an object was read and that it crossed the wire. */
const content = (state: ConfigState): unknown => {
  const { peerAuthentications, requestAuthentications } = assembleConfig(state, [])
  return JSON.parse(
    JSON.stringify({ peerAuthentications, requestAuthentications }, (key, value: unknown) =>
      ['origin', 'annotations', 'createdAt', 'labels'].includes(key) ? undefined : value,
    ),
  )
}

const cases: readonly (readonly [name: string, documents: readonly string[]])[] = [
  ['a whole policy', [orders, policy('orders', full)]],
  ['a policy of a whole Service', [orders, policy('orders', '{targets: [{name: orders}]}')]],
  ['a policy of nothing', [policy('orders', '{targets: [{name: gone}]}')]],
  ['a namespace’s policy', [policy('default', '{peers: [{mtls: {mode: PERMISSIVE}}]}')]],
  ['an empty policy', [policy('default', '{}')]],
  ['a mesh’s policy', [legacy('MeshPolicy', '{name: default}', '{peers: [{mtls: {}}]}')]],
  [
    'a refused policy without origins',
    [orders, policy('orders', '{targets: [{name: orders}], peers: [{}]}')],
  ],
  ['a refused policy with origins', [orders, policy('orders', '{targets: [{name: orders}], origins: [{}]}')]],
  ['a refused policy whose targets cannot be read', [policy('orders', '{targets: [{name: Orders}]}')]],
  ['a refused namespace’s policy', [policy('default', '{peer: []}')]],
  ['a refused mesh’s policy', [legacy('MeshPolicy', '{name: default}', '{origins: 5}')]],
  [
    'a target that cannot be told',
    ['apiVersion: v1\nkind: Service\nmetadata: {name: orders, namespace: shop}\n', policy('orders', full)],
  ],
]
for (const [name, documents] of cases) {
  test(`${name} means the same to a sidecar of its namespace as to the folder's reader`, () => {
    const mesh = new Mesh()
    const here = mesh.apply(...documents)
    const there = received(mesh.sent('shop'))
    assert.deepEqual(content(there), content(here))
    const named = ({ quarantine }: ConfigState): string[] =>
      quarantine.map(({ kind, name }) => `${kind} ${name}`)
    assert.deepEqual(named(there), named(here))
  })
}

test('clients of other namespaces get the mode and nothing of the tokens', () => {
  const mesh = new Mesh()
  const here = mesh.apply(orders, policy('orders', full))
  const sent = mesh.sent('elsewhere')
  assert.equal(sent.length, 1)
  assert.deepEqual(Object.keys(sent[0]?.object['spec'] as object).toSorted(), [
    'peers',
    'principalBinding',
    'targets',
  ])
  assert.doesNotMatch(JSON.stringify(sent), /idp\.test/)
  const there = assembleConfig(received(sent), [])
  const modes = assembleConfig(here, []).peerAuthentications
  assert.deepEqual(
    there.peerAuthentications.map(({ mode, selector, legacy: scope }) => [mode, selector, scope]),
    modes.map(({ mode, selector, legacy: scope }) => [mode, selector, scope]),
  )
})

test('a bad newer version is told, and the good one stays', () => {
  const mesh = new Mesh()
  mesh.apply(orders, policy('orders', '{targets: [{name: orders}], peers: [{mtls: }]}'))
  mesh.apply(orders, policy('orders', '{targets: [{name: orders}], peers: 5}'))
  const { quarantine, legacy: policies } = received(mesh.sent('shop'))
  assert.deepEqual(
    quarantine.map(({ reason, lastGood }) => [reason, lastGood]),
    [['spec.peers: expected a list, found 5', true]],
  )
  assert.equal([...policies.values()][0]?.policy.mode, 'STRICT')
})

test('a control plane that does not tell whom the targets mean closes their namespace', () => {
  const mesh = new Mesh()
  mesh.apply(orders, policy('orders', '{targets: [{name: orders}]}'))
  for (const text of ['', '{}', '[{"rank":"all"}]', '[{"rank":"port","ports":[0]}]', undefined]) {
    const [raw] = mesh.sent('shop')
    assert.ok(raw !== undefined)
    const { [attachedAnnotation]: _told, ...annotations } = raw.meta.annotations
    const damaged = {
      ...raw,
      meta: { ...raw.meta, annotations: { ...annotations, [attachedAnnotation]: text ?? '' } },
    }
    const state = received([damaged])
    assert.deepEqual(
      [...state.legacy.values()].flatMap(({ attachments }) => attachments),
      [
        {
          rank: 'port',
          selector: null,
          ports: null,
          quarantined: 'the control plane did not tell whom they mean',
        },
      ],
    )
    assert.equal(assembleConfig(state, []).peerAuthentications[0]?.mode, 'STRICT')
    assert.equal(state.quarantine.length, 1)
  }
  assert.equal(readAttached('null'), null)
})

test('an author’s own annotation of that name counts for nothing', () => {
  const mesh = new Mesh()
  const forged = policy('orders', '{targets: [{name: orders}]}').replace(
    'namespace: shop}',
    `namespace: shop, annotations: {${attachedAnnotation}: "[]"}}`,
  )
  const state = mesh.apply(orders, forged)
  assert.equal([...state.legacy.values()][0]?.attachments.length, 1)
  assert.equal([...received(mesh.sent('shop')).legacy.values()][0]?.attachments.length, 1)
})
