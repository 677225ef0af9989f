import { test } from 'node:test'
import assert from 'node:assert/strict'
import { assembleConfig } from '../../src/discovery/assemble-config.ts'
import { buildSnapshot, contentHash } from '../../src/discovery/build-snapshot.ts'
import { ResourceState } from '../../src/discovery/resource-state.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import type { Workload } from '../../src/policy/workload.ts'

const workload: Workload = {
  name: 'web',
  namespace: 'shop',
  serviceAccount: 'web',
  labels: { app: 'web' },
  addresses: ['10.0.0.1', 'fd00::1'],
}

const configOf = (text: string) => {
  const state = new ResourceState().apply([{ file: 'a.yaml', ...readDocuments(text, 'a.yaml') }])
  return assembleConfig(state, [])
}
const build = (text: string, previous: ReturnType<typeof buildSnapshot> | null = null) =>
  buildSnapshot(configOf(text), workload, previous)

const entry = (name: string, address: string, more = '', created = '2026-01-01') => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop, creationTimestamp: "${created}T00:00:00Z"}
spec:
  hosts: [${name}.shop.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http-a, protocol: HTTP}, {number: 90, name: tcp-b, protocol: TCP}]
  endpoints: [{address: "${address}", ports: {http-a: 8080, tcp-b: 9090}}]
${more}
`
const peer = (name: string, spec: string, namespace = 'shop') => `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
`
const deny = (name: string, namespace: string, selector = '') => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: ${namespace}}
spec: {action: DENY, rules: [{}]${selector === '' ? '' : `, selector: {matchLabels: {app: ${selector}}}`}}
`

test('equal content gives back the snapshot before; a moved line or a key order is no change', () => {
  const first = build(deny('a', 'shop'))
  assert.equal(first.generation, 1)
  assert.equal(build(`# comment\n${deny('a', 'shop')}`, first), first)
  const second = build(deny('b', 'shop'), first)
  assert.equal(second.generation, 2)
  assert.notEqual(second.hash, first.hash)
  assert.equal(contentHash({ a: 1, b: { c: 2, d: 3 } }), contentHash({ b: { d: 3, c: 2 }, a: 1 }))
})

test('a change moves the hash of the part that is compiled of it, and no other', () => {
  const base = entry('api', '10.1.1.1') + deny('a', 'shop') + peer('default', '{mtls: {mode: STRICT}}')
  const { parts } = build(base)
  const moved = (text: string): string[] => {
    const now = build(text).parts
    return (Object.keys(parts) as (keyof typeof parts)[]).filter((part) => now[part] !== parts[part])
  }
  assert.deepEqual(moved(`# comment\n${base}`), [])
  assert.deepEqual(moved(base.replace('10.1.1.1', '10.1.1.2')), ['routing'])
  assert.deepEqual(moved(base.replace('STRICT', 'PERMISSIVE')), ['routing'])
  assert.deepEqual(moved(base + deny('b', 'shop')), ['policy'])
  assert.deepEqual(moved(base + deny('b', 'elsewhere')), [])
  const mesh = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n'
  assert.deepEqual(moved(`${base}---\n${mesh}data: {mesh: "trustDomain: other.td"}\n`), ['policy', 'routing'])
})

test('a label called origin is content', () => {
  assert.notEqual(contentHash({ labels: { origin: 'a' } }), contentHash({ labels: { origin: 'b' } }))
  const meta = (origin: string) => ({ meta: { origin, createdAt: 0, labels: { origin: 'x' } } })
  assert.equal(contentHash(meta('a:1')), contentHash(meta('a:2')))
})

test('only policies that apply to the workload are in it', () => {
  const snapshot = build(
    deny('own', 'shop') + deny('root', 'istio-system') + deny('other', 'bank') + deny('db', 'shop', 'db'),
  )
  assert.deepEqual(
    snapshot.authorizationPolicies.map((policy) => policy.meta.name),
    ['own', 'root'],
  )
})

test('inbound ports are the target ports of own endpoints, the older service wins, others do not count', () => {
  const snapshot = build(
    entry('young', '10.0.0.1', '', '2026-02-01') + entry('old', 'FD00:0::1') + entry('far', '10.0.0.2'),
  )
  assert.deepEqual(
    snapshot.inboundPorts.map(({ port, protocol, mtls, service }) => [port, protocol, mtls, service?.name]),
    [
      [8080, 'http', 'PERMISSIVE', 'old'],
      [9090, 'tcp', 'PERMISSIVE', 'old'],
    ],
  )
})

test('each port has the mode of its own number, and port settings count for ports of no service', () => {
  const ports = '{8080: {mode: DISABLE}, 7000: {mode: PERMISSIVE}}'
  const snapshot = build(
    entry('web', '10.0.0.1') +
      peer('ns', '{mtls: {mode: STRICT}}') +
      peer('own', `{selector: {matchLabels: {app: web}}, portLevelMtls: ${ports}}`),
  )
  assert.deepEqual(
    snapshot.inboundPorts.map(({ port, mtls }) => [port, mtls]),
    [
      [7000, 'PERMISSIVE'],
      [8080, 'DISABLE'],
      [9090, 'STRICT'],
    ],
  )
  assert.equal(snapshot.defaultMtls, 'STRICT')
})

test('a legacy policy is in force at the target ports of its Service, unless a modern object speaks for the workload', () => {
  const service =
    '---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n'
  const legacy = `---\napiVersion: authentication.istio.io/v1alpha1\nkind: Policy\nmetadata: {name: web, namespace: shop}\nspec: {targets: [{name: web}], peers: [{mtls: }], origins: [{jwt: {issuer: i, jwksUri: "https://idp.test/k"}}]}\n`
  const tokens = `---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: t, namespace: shop}\nspec: {jwtRules: [{issuer: j, jwksUri: "https://idp.test/k"}]}\n`
  const seen = (text: string) => {
    const { inboundPorts, defaultMtls, requestAuthentications } = build(text)
    const [port] = inboundPorts
    return [
      port?.port,
      port?.mtls,
      defaultMtls,
      requestAuthentications.map(({ jwtRules }) => jwtRules[0]?.issuer),
    ]
  }
  // No endpoint is known: the port is listed for the policy's sake.
  assert.deepEqual(seen(service + legacy), [8080, 'STRICT', 'PERMISSIVE', ['i']])
  assert.deepEqual(seen(legacy), [undefined, undefined, 'PERMISSIVE', []])
  const peers = peer('default', '{mtls: {mode: DISABLE}}')
  assert.deepEqual(seen(service + legacy + peers), [8080, 'DISABLE', 'DISABLE', ['i']])
  assert.deepEqual(seen(service + legacy + tokens), [8080, 'STRICT', 'PERMISSIVE', ['j']])
})

test('services and rules that are exported elsewhere only are left out, own ports are not', () => {
  const snapshot = build(`${entry('web', '10.0.0.1', '  exportTo: [bank]')}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: private, namespace: bank}
spec: {host: a.test, exportTo: ["."]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: public, namespace: bank}
spec: {host: b.test}
`)
  assert.deepEqual(snapshot.services, [])
  assert.equal(snapshot.inboundPorts.length, 2)
  assert.deepEqual(
    snapshot.destinationRules.map((rule) => rule.meta.name),
    ['public'],
  )
})

test('refused objects are in force as stubs and in the quarantine', () => {
  const request = `---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, jwtRules: [{bogus: 1}]}
`
  const snapshot = build(request + peer('p', '{mtls: {mode: LAX}}'))
  assert.equal(snapshot.defaultMtls, 'STRICT')
  assert.deepEqual(
    snapshot.tokenRefusals.map(({ name }) => name),
    ['jwt'],
  )
  assert.deepEqual(snapshot.quarantine.map(({ name }) => name).toSorted(), ['jwt', 'p'])
})

test('a snapshot can be posted to a worker', () => {
  const snapshot = build(entry('web', '10.0.0.1') + deny('a', 'shop'))
  assert.deepEqual(structuredClone(snapshot), snapshot)
})
