import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readDocuments } from '../../src/policy/read-documents.ts'
import { ResourceState } from '../../src/discovery/resource-state.ts'

const file = (name: string, text: string) => ({ file: name, ...readDocuments(text, name) })
const policy = (name: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: shop}
spec: ${spec}
`
const good = '{action: DENY, rules: [{to: [{operation: {ports: ["80"]}}]}]}'
const other = '{action: DENY, rules: [{to: [{operation: {ports: ["81"]}}]}]}'
const bad = '{selector: {matchLabels: {app: web}}, rules: [{bogus: 1}]}'

const inForce = (state: ReturnType<ResourceState['apply']>) =>
  Object.fromEntries(
    state.entries.map((entry) => {
      const { decoded } = entry
      if (decoded.kind === 'refused') return [entry.raw.meta.name, 'stub']
      return [entry.raw.meta.name, JSON.stringify(entry.raw.object['spec']).match(/"(8\d)"/)?.[1] ?? 'other']
    }),
  )

test('a bad object without an earlier version becomes its stub and is named, others go on', () => {
  const state = new ResourceState().apply([file('a.yaml', `${policy('x', bad)}---${policy('y', good)}`)])
  assert.deepEqual(inForce(state), { x: 'stub', y: '80' })
  assert.equal(state.quarantine.length, 1)
  assert.equal(state.quarantine[0]?.lastGood, false)
  assert.match(state.quarantine[0].reason, /bogus/)
  const refused = state.entries[0]?.decoded
  assert.ok(refused?.kind === 'refused' && refused.stub?.kind === 'AuthorizationPolicy')
  assert.deepEqual(refused.stub.value.selector, { app: 'web' })
})

test('a bad new version leaves the good earlier one in force, a later good one replaces it', () => {
  const state = new ResourceState()
  state.apply([file('a.yaml', policy('x', good))])
  const broken = state.apply([file('a.yaml', policy('x', bad))])
  assert.deepEqual(inForce(broken), { x: '80' })
  assert.equal(broken.quarantine[0]?.lastGood, true)
  assert.deepEqual(inForce(state.apply([file('a.yaml', policy('x', bad))])), { x: '80' })
  const mended = state.apply([file('a.yaml', policy('x', other))])
  assert.deepEqual(inForce(mended), { x: '81' })
  assert.deepEqual(mended.quarantine, [])
})

test('a file that does not parse keeps the good objects of that file only', () => {
  const state = new ResourceState()
  const both = [file('a.yaml', policy('x', good)), file('b.yaml', policy('y', good))]
  state.apply(both)
  const after = state.apply([file('a.yaml', 'kind: "unclosed\n  - [')])
  assert.deepEqual(inForce(after), { x: '80' })
  assert.equal(after.quarantine[0]?.kind, 'Document')
  assert.equal(after.quarantine[0].lastGood, true)
})

test('a deleted object is gone, even one that was kept for a bad version', () => {
  const state = new ResourceState()
  state.apply([file('a.yaml', policy('x', good))])
  state.apply([file('a.yaml', policy('x', bad))])
  assert.deepEqual(inForce(state.apply([])), {})
  assert.deepEqual(inForce(state.apply([file('a.yaml', policy('x', bad))])), { x: 'stub' })
})

test('the later of two documents of one object wins, and it is said', () => {
  const state = new ResourceState().apply([
    file('a.yaml', policy('x', good)),
    file('b.yaml', policy('x', other)),
  ])
  assert.deepEqual(inForce(state), { x: '81' })
  assert.match(state.quarantine[0]?.reason ?? '', /declared again at b\.yaml/)
})

test('what an earlier process kept counts as the earlier version', () => {
  const first = new ResourceState()
  first.apply([file('a.yaml', policy('x', good))])
  const second = new ResourceState()
  second.restore(first.kept())
  assert.deepEqual(inForce(second.apply([file('a.yaml', policy('x', bad))])), { x: '80' })
})

test('a bad mesh.yaml leaves the mesh as it was; none gives the defaults back', () => {
  const state = new ResourceState()
  assert.equal(state.apply([file('mesh.yaml', 'trustDomain: td.test')]).mesh.trustDomain, 'td.test')
  const broken = state.apply([file('mesh.yaml', 'trustDomain: "NOT A DOMAIN"')])
  assert.equal(broken.mesh.trustDomain, 'td.test')
  assert.equal(broken.quarantine[0]?.lastGood, true)
  assert.equal(state.apply([]).mesh.trustDomain, 'cluster.local')
})

test('the stub of a bad object stands when its file stops parsing, and after a restart', () => {
  const state = new ResourceState()
  state.apply([file('a.yaml', policy('x', bad))])
  assert.deepEqual(inForce(state.apply([file('a.yaml', '[')])), { x: 'stub' })
  const restarted = new ResourceState()
  restarted.restore(state.kept())
  assert.deepEqual(inForce(restarted.apply([file('a.yaml', '[')])), { x: 'stub' })
})
