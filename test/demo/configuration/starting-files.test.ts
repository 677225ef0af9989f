import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  allowBearers,
  allowMethods,
  allowPaths,
  denyAll,
  denyPaths,
  misspelt,
  rehearseDeny,
} from '../../../src/demo/configuration/authorization-policies.ts'
import { fileNames, startingFiles } from '../../../src/demo/configuration/starting-files.ts'
import { peerAuthentication } from '../../../src/demo/configuration/peer-authentications.ts'
import { believeIssuer } from '../../../src/demo/configuration/request-authentications.ts'
import { serviceEntry } from '../../../src/demo/configuration/service-entries.ts'
import { TokenIssuer } from '../../../src/demo/token-issuer.ts'
import { topology } from '../../../src/demo/topology.ts'
import { applicablePolicies } from '../../../src/authz/applicable.ts'
import { decodeResource } from '../../../src/policy/decode-resource.ts'
import type { Decoded } from '../../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../../src/policy/decode-mesh-config.ts'
import { readDocuments } from '../../../src/policy/read-documents.ts'

const places = topology('127.0.1')
const files = startingFiles(places)

/** Through the doors that the control plane uses. */
function decode(name: string, text: string): Decoded[] {
  const { resources, problems } = readDocuments(text, name)
  assert.deepEqual(problems, [])
  return resources.map((raw) => decodeResource(raw, defaultMeshConfig))
}

const all = [...files].flatMap(([name, text]) => decode(name, text))
const policies = all.flatMap((one) => (one.kind === 'AuthorizationPolicy' ? [one.value] : []))
const services = all.flatMap((one) => (one.kind === 'Service' ? [one.value] : []))
const workloads = all.flatMap((one) => (one.kind === 'WorkloadEntry' ? [one.value] : []))

test('what the demo starts with is understood whole, without a warning', () => {
  for (const one of all) {
    assert.ok(one.kind !== 'refused' && one.kind !== 'ignored', JSON.stringify(one))
    assert.deepEqual(one.warnings, [])
  }
})

test('the files the tour edits are among those it starts with', () => {
  for (const name of Object.values(fileNames)) assert.ok(files.has(name), name)
})

test('every tier has a service that selects its one workload', () => {
  const selected = services.map(
    ({ selector }) => workloads.filter(({ labels }) => labels['app'] === selector?.['app']).length,
  )
  assert.deepEqual(selected, [1, 1, 1])
})

test('the backend and the datastore have one policy each, the frontend none', () => {
  const counts = places.tiers.map(({ name, namespace, serviceAccount, address }) => {
    const workload = { name, namespace, serviceAccount, labels: { app: name }, addresses: [address] }
    return applicablePolicies(policies, workload, 'istio-system').length
  })
  assert.deepEqual(counts, [0, 1, 1])
})

test('whatever the tour puts in place is understood, but for the one file that is wrong on purpose', () => {
  const { backend, frontend } = places
  const claimed = {
    name: 'x',
    namespace: 'photo-ns',
    host: 'x.demo',
    address: '127.0.1.9',
    serviceAccount: 'x',
  }
  const issuer = new TokenIssuer('https://issuer.test')
  const edits = [
    denyAll(backend),
    allowMethods(backend, ['GET']),
    allowPaths(backend, ['*/hello']),
    denyPaths(backend, ['/admin/*']),
    allowBearers(backend, issuer.name),
    believeIssuer(backend, issuer.name, issuer.jwks),
    rehearseDeny(backend, ['/rehearsed']),
    peerAuthentication(frontend, 'DISABLE'),
    serviceEntry(claimed),
  ]
  for (const text of edits) {
    const kinds = decode('edit.yaml', text).map(({ kind }) => kind)
    assert.ok(kinds.length === 1 && !kinds.includes('refused') && !kinds.includes('ignored'), text)
  }
  assert.deepEqual(
    decode('misspelt.yaml', misspelt(backend)).map(({ kind }) => kind),
    ['refused'],
  )
})
