/** How the way to an endpoint is secured: policy-semantics §4.6, §4.7, traps 40, 43–46, dataplane traps 10, 31, 33, 34. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { ClientTls } from '../../src/cluster/endpoint.ts'
import type { ClientTlsSettings } from '../../src/policy/destination-rule.ts'
import type { LegacyRank } from '../../src/policy/legacy-scope.ts'
import type { MeshConfig } from '../../src/policy/mesh-config.ts'
import type { PeerAuthentication } from '../../src/policy/peer-authentication.ts'
import type { Service } from '../../src/policy/service.ts'
import { destinationRule, endpoint, peerAuthentication, routes, service, settings, traffic } from './mesh.ts'

const host = 'app.ns2.svc.cluster.local'

interface Given {
  service?: Partial<Service>
  tls?: ClientTlsSettings
  peers?: PeerAuthentication[]
  mesh?: Partial<MeshConfig>
  rule?: Parameters<typeof destinationRule>[1]
}

/** TLS towards each endpoint of `app` on port 80. */
function ways(given: Given): ClientTls[] {
  const rules =
    given.tls === undefined && given.rule === undefined
      ? []
      : [destinationRule(host, { trafficPolicy: traffic({ tls: given.tls ?? null }), ...given.rule })]
  return routes([service('app', given.service)], {
    destinationRules: rules,
    peerAuthentications: given.peers ?? [],
    mesh: given.mesh ?? {},
  })
    .byHost(host, 80, null)
    .endpoints.map(({ tls }) => tls)
}

const modes = (given: Given): string[] => ways(given).map(({ mode }) => mode)

const app = 'spiffe://cluster.local/ns/ns2/sa/app'

test('auto-mTLS names the service port, no subset and the host as SNI, and the accounts as names', () => {
  assert.deepEqual(ways({}), [
    { mode: 'mtls', sni: 'outbound_.80_._.app.ns2.svc.cluster.local', expected: [app], settings: null },
  ])
})

test('auto-mTLS decides per endpoint: without the label plaintext', () => {
  const endpoints = [
    endpoint('10.1.0.1'),
    endpoint('10.1.0.2', { labels: {} }),
    endpoint('10.1.0.3', { labels: { 'security.istio.io/tlsMode': 'disabled' } }),
  ]
  assert.deepEqual(modes({ service: { endpoints } }), ['mtls', 'plaintext', 'plaintext'])
})

test('auto-mTLS asks the mode of the endpoint at its own port, not the service port', () => {
  const selector = { 'security.istio.io/tlsMode': 'istio' }
  const at = (port: string): PeerAuthentication =>
    peerAuthentication('ns2', 'UNSET', { selector, portLevel: { [port]: 'DISABLE' } })
  assert.deepEqual(modes({ peers: [at('8080')] }), ['plaintext'])
  assert.deepEqual(modes({ peers: [at('80')] }), ['mtls'])
})

test('server modes and clients: the table of policy-semantics §4.7', () => {
  for (const mode of ['STRICT', 'PERMISSIVE', 'DISABLE'] as const) {
    const peers = [peerAuthentication('ns2', mode)]
    assert.deepEqual(modes({ peers }), [mode === 'DISABLE' ? 'plaintext' : 'mtls'], mode)
    assert.deepEqual(modes({ peers, tls: settings('ISTIO_MUTUAL') }), ['mtls'])
    assert.deepEqual(modes({ peers, tls: settings('DISABLE') }), ['plaintext'])
  }
})

test('a namespace DISABLE hides a workload STRICT, as it does in Istio', () => {
  const strict = peerAuthentication('ns2', 'STRICT', { selector: { app: 'x' } })
  const endpoints = [endpoint('10.1.0.1', { labels: { 'security.istio.io/tlsMode': 'istio', app: 'x' } })]
  assert.deepEqual(modes({ service: { endpoints }, peers: [peerAuthentication('ns2', 'DISABLE'), strict] }), [
    'plaintext',
  ])
})

test('of legacy policies the narrowest decides for each endpoint, a plaintext namespace notwithstanding', () => {
  const scope = (rank: LegacyRank, ports: number[] | null): Partial<PeerAuthentication> => ({
    legacy: { rank, ports, quarantined: null },
  })
  const open = peerAuthentication('ns2', 'DISABLE', scope('namespace', null))
  const selector = { 'security.istio.io/tlsMode': 'istio' }
  const strict = (port: number): PeerAuthentication =>
    peerAuthentication('ns2', 'STRICT', { selector, ...scope('service', [port]) })
  assert.deepEqual(modes({ peers: [open] }), ['plaintext'])
  assert.deepEqual(modes({ peers: [open, strict(8080)] }), ['mtls'])
  assert.deepEqual(modes({ peers: [open, strict(80)] }), ['plaintext'])
  assert.deepEqual(modes({ peers: [open, peerAuthentication('ns2', 'PERMISSIVE')] }), ['mtls'])
})

test('auto-mTLS can be switched off, and never applies outside the mesh', () => {
  assert.deepEqual(modes({ mesh: { enableAutoMtls: false } }), ['plaintext'])
  assert.deepEqual(modes({ service: { location: 'MESH_EXTERNAL' } }), ['plaintext'])
  assert.deepEqual(modes({ service: { location: 'MESH_EXTERNAL' }, tls: settings('SIMPLE') }), ['simple'])
})

test('a headless service is plaintext for all as soon as one endpoint has no sidecar', () => {
  const endpoints = [endpoint('10.1.0.1'), endpoint('10.1.0.2')]
  const bare = endpoint('10.1.0.3', { labels: {} })
  const given = (list: typeof endpoints): Given => ({
    service: { headless: true, addresses: [], endpoints: list },
  })
  assert.deepEqual(modes(given(endpoints)), ['mtls', 'mtls'])
  assert.deepEqual(modes(given([...endpoints, bare])), ['plaintext', 'plaintext', 'plaintext'])
})

test('ISTIO_MUTUAL takes every endpoint, sidecar or not', () => {
  const endpoints = [endpoint('10.1.0.1', { labels: {} })]
  assert.deepEqual(modes({ service: { endpoints }, tls: settings('ISTIO_MUTUAL') }), ['mtls'])
})

test('expected names: all accounts, ready or not, and the entry names, per trust domain, sorted', () => {
  const [way] = ways({
    service: {
      endpoints: [
        endpoint('10.1.0.1', { serviceAccount: 'b' }),
        endpoint('10.1.0.2', { serviceAccount: 'a', namespace: 'ns3', ready: false }),
        endpoint('10.1.0.3', { serviceAccount: null }),
      ],
      subjectAltNames: ['app.example', 'spiffe://cluster.local/ns/x/sa/y'],
    },
    mesh: { trustDomainAliases: ['old.td'] },
  })
  assert.ok(way?.mode === 'mtls')
  assert.deepEqual(way.expected, [
    'app.example',
    'spiffe://cluster.local/ns/ns2/sa/b',
    'spiffe://cluster.local/ns/ns3/sa/a',
    'spiffe://cluster.local/ns/x/sa/y',
    'spiffe://old.td/ns/ns2/sa/b',
    'spiffe://old.td/ns/ns3/sa/a',
    'spiffe://old.td/ns/x/sa/y',
  ])
})

test('subjectAltNames and sni of the rule replace the defaults', () => {
  const [way] = ways({ tls: settings('ISTIO_MUTUAL', { subjectAltNames: ['spiffe://x/y'], sni: 's' }) })
  assert.ok(way?.mode === 'mtls')
  assert.deepEqual([way.sni, way.expected], ['s', ['spiffe://x/y']])
})

test('mTLS without any expected name is refused, not left unchecked', () => {
  const endpoints = [endpoint('10.1.0.1', { serviceAccount: null })]
  assert.deepEqual(modes({ service: { endpoints } }), ['refused'])
  assert.deepEqual(modes({ service: { endpoints }, tls: settings('ISTIO_MUTUAL') }), ['refused'])
})

test('credentialName on a sidecar is refused unless the rule selects workloads', () => {
  for (const mode of ['SIMPLE', 'MUTUAL'] as const)
    assert.deepEqual(modes({ tls: settings(mode, { credentialName: 'c' }) }), ['refused'])
  const rules = [
    destinationRule(host, {
      meta: { ...destinationRule('x').meta, namespace: 'ns1' },
      workloadSelector: { app: 'client' },
      trafficPolicy: traffic({ tls: settings('SIMPLE', { credentialName: 'c' }) }),
    }),
  ]
  const cluster = routes([service('app')], { destinationRules: rules }).byHost(host, 80, null)
  assert.equal(cluster.endpoints[0]?.tls.mode, 'simple')
})

test('SIMPLE and MUTUAL carry their settings; names are those of the rule, else of the entry', () => {
  const mutual = settings('MUTUAL', { sni: 'x.example', clientCertificate: '/c', privateKey: '/k' })
  assert.deepEqual(ways({ tls: mutual, service: { subjectAltNames: ['e.example'] } }), [
    { mode: 'mutual', sni: 'x.example', expected: ['e.example'], settings: mutual },
  ])
  const simple = settings('SIMPLE', { subjectAltNames: ['r.example'] })
  assert.deepEqual(ways({ tls: simple, service: { subjectAltNames: ['e.example'] } }), [
    { mode: 'simple', sni: '', expected: ['r.example'], settings: simple },
  ])
})

test('a quarantined DestinationRule refuses the host', () => {
  assert.deepEqual(ways({ rule: { quarantined: 'spec.host: expected text', trafficPolicy: null } }), [
    { mode: 'refused', reason: 'DestinationRule not in force: spec.host: expected text' },
  ])
})

test('a port entry without tls leaves the auto-mTLS decision', () => {
  const trafficPolicy = traffic({
    tls: settings('DISABLE'),
    ports: { 80: traffic({ loadBalancer: 'RANDOM' }) },
  })
  assert.deepEqual(modes({ rule: { trafficPolicy } }), ['mtls'])
})

test('a Unix socket endpoint is refused', () => {
  assert.deepEqual(modes({ service: { endpoints: [endpoint('unix:///x')] } }), ['refused'])
})
