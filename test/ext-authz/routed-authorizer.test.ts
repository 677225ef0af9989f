import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/cluster/endpoint.ts'
import { Routes } from '../../src/cluster/route.ts'
import type { Service } from '../../src/policy/service.ts'
import { routedAuthorizers } from '../../src/ext-authz/routed-authorizer.ts'
import { client, endpoint, mesh, service } from '../cluster/mesh.ts'

const host = 'authz.ns2.svc.cluster.local'

function find(services: readonly Service[], protects = true) {
  const asked: string[] = []
  const parts = { services, destinationRules: [], peerAuthentications: [], mesh, workload: client }
  const resolve = routedAuthorizers(Routes.build(parts), {
    random: () => 0,
    protection: ({ key }: Endpoint, tls, name) => {
      asked.push(`${tls.mode} ${name}`)
      return protects ? { key, protect: (socket) => Promise.resolve(socket) } : null
    },
  })
  return { resolve, asked }
}

test('a service is found by host and port, in its namespace when one is given', () => {
  const { resolve } = find([service('authz')])
  assert.notEqual(resolve(host, null, 80), null)
  assert.notEqual(resolve(host, 'ns2', 80), null)
  assert.equal(resolve(host, 'ns1', 80), null)
  assert.equal(resolve(host, null, 81), null)
  assert.equal(resolve('other.ns2.svc.cluster.local', null, 80), null)
})

test('an authorizer without a sidecar is asked in plaintext at its endpoint', () => {
  const { resolve, asked } = find([service('authz', { endpoints: [endpoint('10.1.0.1', { labels: {} })] })])
  assert.deepEqual(resolve(host, null, 80)?.pick(), { address: '10.1.0.1', port: 8080, protection: null })
  assert.deepEqual(asked, [])
})

test('an authorizer in the mesh is asked over mTLS, or not at all', () => {
  const { resolve, asked } = find([service('authz')])
  const target = resolve(host, null, 80)?.pick()
  assert.equal(target?.address, '10.1.0.1')
  assert.match(target.protection?.key ?? '', /^10\.1\.0\.1\|8080\|.*mtls/)
  assert.deepEqual(asked, [`mtls ${host}`])
  assert.equal(
    find([service('authz')], false)
      .resolve(host, null, 80)
      ?.pick(),
    null,
  )
})

test('a service without endpoints is known and has no place', () => {
  const { resolve } = find([service('authz', { endpoints: [] })])
  assert.equal(resolve(host, null, 80)?.pick(), null)
})
