import { test } from 'node:test'
import assert from 'node:assert/strict'
import { judgeDestination } from '../../src/dataplane/loop-guard.ts'

const own = new Set([15001, 15006, 15000])
const local = { address: '127.0.0.1', port: 15001 }

test('a destination elsewhere is served', () => {
  assert.equal(judgeDestination({ address: '10.0.0.1', port: 80 }, local, own), 'ok')
  assert.equal(judgeDestination({ address: '127.0.0.1', port: 80 }, local, own), 'ok')
  assert.equal(judgeDestination({ address: '10.0.0.1', port: 80 }, null, own), 'ok')
})

test('our own ports are nobody’s destination, at whatever address', () => {
  for (const port of own)
    assert.equal(judgeDestination({ address: '10.0.0.1', port }, local, own), 'own_port')
})

test('no entry in the NAT table, or one that leads to the listener itself, was not redirected', () => {
  assert.equal(judgeDestination(null, local, own), 'not_redirected')
  const elsewhere = { address: '10.0.0.1', port: 20000 }
  assert.equal(judgeDestination({ ...elsewhere }, elsewhere, own), 'not_redirected')
})
