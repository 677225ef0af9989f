/** Snapshots on their way to the data threads: whole, in small pieces, and equal parts only once. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { packSnapshot, unpackSnapshot, type PackedSnapshot } from '../../src/dataplane/packed-snapshot.ts'
import { runAtOnce } from '../../src/lifecycle/steps.ts'
import { policies, snapshotOf, type SnapshotParts } from '../support/data-plane-harness.ts'
import { service } from '../cluster/mesh.ts'

const some = policies(
  'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\n' +
    'spec: {action: DENY, rules: [{to: [{operation: {paths: ["/é*"], notPaths: ["/e"]}}]}]}\n',
)
const services = Array.from({ length: 200 }, (_, i) => service(`app-${i}`))
const parts: SnapshotParts = { authorizationPolicies: some, services, defaultMtls: 'STRICT' }

test('what is packed and sent comes out equal', () => {
  const snapshot = snapshotOf(3, parts)
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(packSnapshot(snapshot))
  const { message } = receiveMessageOnPort(port2) as { message: PackedSnapshot }
  assert.deepEqual(runAtOnce(unpackSnapshot(message, null)), snapshot)
  port1.close()
})

test('a long list is read a piece a step, and no piece is long', () => {
  const long = [
    ...services,
    service('big', { subjectAltNames: Array.from({ length: 9000 }, (_, i) => `spiffe://x/${i}`) }),
  ]
  const packed = packSnapshot(snapshotOf(1, { services: long }))
  const { pieces } = packed
  assert.ok(pieces.services.length > 4)
  // One value is not cut.
  assert.equal(pieces.services.filter((piece) => piece.length > 64 * 1024).length, 1)
  let steps = 0
  const reading = unpackSnapshot(packed, null)
  while (reading.next().done !== true) steps += 1
  assert.equal(steps, pieces.services.length)
})

test('parts that did not change are neither written nor read again', () => {
  const first = snapshotOf(1, parts)
  const second = snapshotOf(2, { ...parts, services: services.slice(1) })
  const packed = packSnapshot(first)
  const next = packSnapshot(second, packed)
  assert.equal(next.pieces.authorizationPolicies, packed.pieces.authorizationPolicies)
  assert.notEqual(next.pieces.services, packed.pieces.services)
  const read = runAtOnce(unpackSnapshot(packed, null))
  const again = runAtOnce(unpackSnapshot(next, read))
  assert.equal(again.authorizationPolicies, read.authorizationPolicies)
  assert.deepEqual(again, second)
})
