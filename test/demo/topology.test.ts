import { test } from 'node:test'
import assert from 'node:assert/strict'
import { listeners, topology } from '../../src/demo/topology.ts'

test('every listener has an address and port of its own below the prefix', () => {
  const all = listeners(topology('127.0.9')).map(({ address, port }) => `${address}:${port}`)
  assert.equal(new Set(all).size, all.length)
  assert.ok(all.every((place) => place.startsWith('127.0.9.')))
})

test('tiers carry the identity of their service account', () => {
  const { backend } = topology('127.0.1')
  assert.equal(backend.identity, 'spiffe://cluster.local/ns/photo-ns/sa/photo-backend')
  assert.equal(backend.hostname, 'photo-backend.photo-ns.svc.cluster.local')
})

test('only the first three numbers of a loopback address are a prefix', () => {
  for (const wrong of ['10.0.0', '127.0', '127.0.1.', '127.0.1.2', '127.0.256', '127.0.1\n', ' 127.0.1', ''])
    assert.throws(() => topology(wrong), { code: 'ERR_BOOTSTRAP_ADDRESS' }, JSON.stringify(wrong))
})

test('a prefix with leading zeros is written canonically', () => {
  assert.equal(topology('127.00.001').meshAddress, '127.0.1.100')
})
