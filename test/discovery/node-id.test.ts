import { test } from 'node:test'
import assert from 'node:assert/strict'
import { formatNodeId, parseNode } from '../../src/discovery/node-id.ts'

test('what is formatted is parsed again', () => {
  const id = formatNodeId({ name: 'web-1', namespace: 'shop', address: 'fd00::1', domain: 'cluster.local' })
  assert.equal(id, 'sidecar~fd00::1~web-1.shop~shop.svc.cluster.local')
  assert.deepEqual(parseNode(id, { SERVICE_ACCOUNT: 'web' }), {
    type: 'sidecar',
    addresses: ['fd00::1'],
    name: 'web-1',
    namespace: 'shop',
    serviceAccount: 'web',
  })
})

test('metadata says more than the id: addresses and namespace', () => {
  const node = parseNode('sidecar~bogus~a.b~b.svc.x', { INSTANCE_IPS: '10.0.0.1,::1', NAMESPACE: 'c' })
  assert.ok(typeof node === 'object')
  assert.deepEqual([node.addresses, node.namespace, node.serviceAccount], [['10.0.0.1', '::1'], 'c', null])
})

test('ids of another shape are refused with what is wrong', () => {
  for (const id of [
    '',
    'sidecar',
    'sidecar~10.0.0.1~a.b',
    'pod~10.0.0.1~a.b~b.svc',
    'sidecar~x~a.b~b.svc',
    'sidecar~10.0.0.1~a~',
  ]) {
    assert.match(String(parseNode(id, {})), /^node id: /)
  }
})
