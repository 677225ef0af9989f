/** Where a request or connection goes: dataplane §8.1, §8.2 and traps 30, 31, 35. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Cluster } from '../../src/cluster/cluster.ts'
import type { PortProtocol, Service, ServicePort } from '../../src/policy/service.ts'
import { destinationRule, endpoint, meta, routes, service, settings, traffic } from './mesh.ts'

const closed = { mesh: { outboundTrafficPolicy: 'REGISTRY_ONLY' as const } }
const vip = { address: '10.2.0.1', port: 80 }
const nowhere = { address: '192.0.2.1', port: 80 }

const port = (number: number, protocol: PortProtocol): ServicePort => ({ number, name: protocol, protocol })
const external = (hostname: string, more: Partial<Service> = {}): Service =>
  service('external', {
    hostname,
    addresses: [],
    endpoints: [],
    resolution: 'NONE',
    location: 'MESH_EXTERNAL',
    ...more,
  })
const at = (cluster: Cluster): string[] =>
  cluster.endpoints.map(({ address, port: to }) => `${address}:${to}`)

// [authority, whether it names app.ns2 for a client in ns1]
const names: [string, boolean][] = [
  ['app.ns2.svc.cluster.local', true],
  ['APP.ns2.svc.Cluster.Local', true],
  ['app.ns2.svc.cluster.local.', true],
  ['app.ns2.svc.cluster.local:80', true],
  ['app.ns2.svc.cluster.local:9999', true],
  ['app.ns2.svc', true],
  ['app.ns2', true],
  ['app.ns2:80', true],
  ['10.2.0.1', true],
  ['10.2.0.1:80', true],
  ['app', false],
  ['app.ns1', false],
  ['x.app.ns2.svc.cluster.local', false],
  ['', false],
]

for (const [authority, known] of names)
  test(`authority "${authority}" ${known ? 'names' : 'does not name'} a service of another namespace`, () => {
    const cluster = routes([service('app')]).byHost(authority, 80, vip)
    assert.equal(cluster.name, known ? 'outbound|80||app.ns2.svc.cluster.local' : 'PassthroughCluster')
  })

test('the bare name means the own namespace', () => {
  const own = service('app', { meta: meta('app', 'ns1'), addresses: ['10.2.0.2'] })
  assert.equal(
    routes([service('app'), own]).byHost('app', 80, nowhere).name,
    'outbound|80||app.ns1.svc.cluster.local',
  )
})

test('a service of the own namespace does not take a host another service has as its full name', () => {
  const own = service('app', { meta: meta('app', 'ns1'), addresses: [] })
  const entry = external('app')
  assert.equal(routes([own, entry]).byHost('app', 80, null).name, 'outbound|80||app')
})

test('an IPv6 authority finds its virtual address in any spelling', () => {
  const table = routes([service('app', { addresses: ['2001:db8::1'] })])
  for (const authority of ['[2001:db8::1]:80', '[2001:DB8:0::1]', '2001:db8::1'])
    assert.equal(table.byHost(authority, 80, null).kind, 'service', authority)
})

test('the longest wildcard wins, and an exact host beats all', () => {
  const table = routes([
    external('*'),
    external('*.example.com'),
    external('*.b.example.com'),
    external('a.b.example.com'),
  ])
  const found = (host: string): string => table.byHost(host, 80, null).name
  assert.equal(found('a.b.example.com'), 'outbound|80||a.b.example.com')
  assert.equal(found('x.b.example.com'), 'outbound|80||*.b.example.com')
  assert.equal(found('x.y.b.example.com'), 'outbound|80||*.b.example.com')
  assert.equal(found('b.example.com'), 'outbound|80||*.example.com')
  assert.equal(found('example.com'), 'outbound|80||*')
})

test('a known name on a port it does not have is an unknown host', () => {
  assert.equal(routes([service('app')]).byHost('app.ns2', 81, null).name, 'PassthroughCluster')
  assert.equal(routes([service('app')], closed).byHost('app.ns2', 81, null).name, 'BlackHoleCluster')
})

test('an unknown host passes to where it was going, or nowhere with a closed registry', () => {
  const open = routes([service('app')]).byHost('unknown', 80, nowhere)
  assert.deepEqual([open.name, at(open), open.dialByName], ['PassthroughCluster', ['192.0.2.1:80'], false])
  assert.equal(open.endpoints[0]?.tls.mode, 'plaintext')
  const shut = routes([service('app')], closed).byHost('unknown', 80, nowhere)
  assert.deepEqual([shut.kind, shut.endpoints.length], ['blackhole', 0])
})

test('without a destination an unknown host is dialled by name, never with a closed registry', () => {
  const open = routes([]).byHost('Some.Where:8080', 8080, null)
  assert.deepEqual([open.name, at(open), open.dialByName], ['PassthroughCluster', ['some.where:8080'], true])
  const address = routes([]).byHost('192.0.2.1:80', 80, null)
  assert.deepEqual([at(address), address.dialByName], [['192.0.2.1:80'], false])
  assert.equal(routes([], closed).byHost('some.where', 80, null).kind, 'blackhole')
  assert.equal(routes([]).byHost('', 80, null).kind, 'blackhole')
})

test('a known service without endpoints is found, with none', () => {
  const cluster = routes([service('app', { endpoints: [endpoint('10.1.0.1', { ready: false })] })]).byHost(
    'app.ns2',
    80,
    vip,
  )
  assert.deepEqual([cluster.kind, at(cluster)], ['service', []])
})

test('endpoints that do not serve the port are not in its cluster', () => {
  const endpoints = [endpoint('10.1.0.1'), endpoint('10.1.0.2', { ports: { 81: 8081 } })]
  assert.deepEqual(at(routes([service('app', { endpoints })]).byHost('app.ns2', 80, null)), ['10.1.0.1:8080'])
})

test('a virtual address finds its service, ranges by the longest prefix', () => {
  const table = routes([
    service('app'),
    service('wide', { addresses: ['10.3.0.0/16'], endpoints: [endpoint('10.1.0.2')] }),
    service('narrow', { addresses: ['10.3.1.0/24', '2001:db8::/32'], endpoints: [endpoint('10.1.0.3')] }),
  ])
  const found = (address: string, to = 80): string => table.byAddress({ address, port: to }).name
  assert.equal(found('10.2.0.1'), 'outbound|80||app.ns2.svc.cluster.local')
  assert.equal(found('10.2.0.1', 81), 'PassthroughCluster')
  assert.equal(found('10.3.1.9'), 'outbound|80||narrow.ns2.svc.cluster.local')
  assert.equal(found('10.3.2.9'), 'outbound|80||wide.ns2.svc.cluster.local')
  assert.equal(found('2001:db8::9'), 'outbound|80||narrow.ns2.svc.cluster.local')
})

test('a call to a workload address reaches exactly that endpoint, with its mTLS', () => {
  const endpoints = [endpoint('10.1.0.1'), endpoint('10.1.0.2', { ready: false })]
  const table = routes([service('app', { endpoints })])
  const direct = table.byAddress({ address: '10.1.0.2', port: 8080 })
  assert.deepEqual(at(direct), ['10.1.0.2:8080'])
  assert.equal(direct.endpoints[0]?.tls.mode, 'mtls')
  assert.equal(direct.name, 'outbound|80||app.ns2.svc.cluster.local')
  // The service port is not what the workload listens on.
  assert.equal(table.byAddress({ address: '10.1.0.2', port: 80 }).kind, 'passthrough')
  const target = { address: '10.1.0.1', port: 8080 }
  assert.equal(table.byHost('10.1.0.1:8080', 8080, target).endpoints[0]?.tls.mode, 'mtls')
  assert.equal(table.byHost('unknown', 8080, target).endpoints[0]?.tls.mode, 'mtls')
})

test('with a closed registry a forged Host is refused even towards a known workload', () => {
  const table = routes([service('app')], closed)
  const target = { address: '10.1.0.1', port: 8080 }
  assert.equal(table.byHost('forged', 8080, target).kind, 'blackhole')
  assert.equal(table.byHost('10.1.0.1:8080', 8080, target).kind, 'service')
  assert.equal(table.byAddress(target).kind, 'service')
  assert.equal(table.byAddress(nowhere).kind, 'blackhole')
})

test('a call to the own address is not routed', () => {
  const endpoints = [endpoint('10.1.0.99')]
  assert.equal(
    routes([service('app', { endpoints })]).byAddress({ address: '10.1.0.99', port: 8080 }).kind,
    'passthrough',
  )
})

test('a headless service goes where the client resolved it to', () => {
  const headless = service('db', {
    headless: true,
    addresses: [],
    ports: [port(80, 'http')],
    endpoints: [endpoint('10.1.0.1', { ports: { 80: 80 } }), endpoint('10.1.0.2', { ports: { 80: 80 } })],
  })
  const table = routes([headless])
  const second = { address: '10.1.0.2', port: 80 }
  assert.deepEqual(at(table.byHost('db.ns2', 80, second)), ['10.1.0.2:80'])
  assert.deepEqual(at(table.byHost('pod-1.db.ns2.svc.cluster.local', 80, second)), ['10.1.0.2:80'])
  assert.deepEqual(at(table.byAddress(second)), ['10.1.0.2:80'])
  const unknown = table.byHost('db.ns2', 80, nowhere)
  assert.deepEqual([at(unknown), unknown.endpoints[0]?.tls.mode], [['192.0.2.1:80'], 'mtls'])
  assert.equal(table.byHost('db.ns2', 80, null).endpoints.length, 2)
})

test('an undeclared port goes by address whatever the Host', () => {
  const auto = service('app', { ports: [port(80, 'auto')] })
  assert.equal(
    routes([auto, external('other')]).byHost('other', 80, vip).name,
    'outbound|80||app.ns2.svc.cluster.local',
  )
})

test('an unresolved external service keeps the destination, or the name when there is none', () => {
  const table = routes([external('*.example.com')], closed)
  assert.deepEqual(at(table.byHost('x.example.com', 80, nowhere)), ['192.0.2.1:80'])
  const named = table.byHost('x.example.com', 80, null)
  assert.deepEqual([at(named), named.dialByName, named.kind], [['x.example.com:80'], true, 'service'])
})

test('a DNS service keeps host names as endpoint addresses', () => {
  const endpoints = [endpoint('db.example.net', { ports: { 80: 8443 } })]
  const dns = (more: Partial<Service>): Cluster =>
    routes([external('db.example', { resolution: 'DNS', ...more })]).byHost('db.example', 80, null)
  assert.deepEqual(at(dns({ endpoints })), ['db.example.net:8443'])
  assert.deepEqual(at(dns({})), [])
})

test('TLS services without an address are found by SNI, opaque ones take every destination on their port', () => {
  const table = routes(
    [
      external('api.example', { ports: [port(443, 'tls')] }),
      external('*.s3.example', { ports: [port(443, 'tls')] }),
      external('db.example', { ports: [port(3306, 'tcp')] }),
    ],
    closed,
  )
  const to443 = { address: '192.0.2.1', port: 443 }
  assert.equal(table.byAddress(to443, 'API.example').name, 'outbound|443||api.example')
  assert.equal(table.byAddress(to443, 'b.s3.example').name, 'outbound|443||*.s3.example')
  assert.deepEqual(at(table.byAddress(to443, 'api.example')), ['192.0.2.1:443'])
  assert.equal(table.byAddress(to443, 'other').kind, 'blackhole')
  assert.equal(table.byAddress(to443).kind, 'blackhole')
  assert.equal(table.byAddress({ address: '192.0.2.1', port: 3306 }).name, 'outbound|3306||db.example')
})

test('the protocol is the declared one, and sniffed where services differ', () => {
  const at9 = (name: string, protocol: PortProtocol, addresses: string[]): Service =>
    service(name, { ports: [port(9, protocol)], addresses, endpoints: [] })
  const table = routes([
    at9('a', 'tcp', ['10.9.0.1']),
    at9('b', 'http', ['10.9.0.2']),
    at9('c', 'grpc', ['10.9.0.2', '10.9.0.3']),
    at9('d', 'tcp', ['10.9.0.3']),
    at9('e', 'tls', ['10.9.0.4']),
    at9('f', 'auto', ['10.9.0.5']),
    external('g', { ports: [port(7, 'tls')] }),
    external('h', { ports: [port(6, 'tcp')] }),
  ])
  const protocol = (address: string, to = 9): string => table.protocolFor({ address, port: to })
  assert.equal(protocol('10.9.0.1'), 'tcp')
  assert.equal(protocol('10.9.0.2'), 'http')
  assert.equal(protocol('10.9.0.3'), 'auto')
  assert.equal(protocol('10.9.0.4'), 'tls')
  assert.equal(protocol('10.9.0.5'), 'auto')
  // HTTP services share their port with every destination, opaque ones only when they have no address.
  assert.equal(protocol('192.0.2.1'), 'auto')
  assert.equal(protocol('192.0.2.1', 7), 'tls')
  assert.equal(protocol('192.0.2.1', 6), 'tcp')
  assert.equal(protocol('192.0.2.1', 5), 'tcp')
})

test('limits, timeout and balancing come from the DestinationRule or the mesh', () => {
  const trafficPolicy = traffic({
    connectTimeoutMs: 5,
    maxConnections: 6,
    maxPendingRequests: 7,
    loadBalancer: 'RANDOM',
  })
  const host = 'app.ns2.svc.cluster.local'
  const ruled = routes([service('app')], {
    destinationRules: [destinationRule(host, { trafficPolicy })],
  }).byHost(host, 80, null)
  assert.deepEqual(
    [ruled.connectTimeoutMs, ruled.maxConnections, ruled.maxPendingRequests, ruled.loadBalancer],
    [5, 6, 7, 'RANDOM'],
  )
  const plain = routes([service('app')]).byHost(host, 80, null)
  assert.deepEqual(
    [plain.connectTimeoutMs, plain.maxConnections, plain.maxPendingRequests, plain.loadBalancer],
    [10_000, null, null, 'LEAST_REQUEST'],
  )
})

test('of two services with one name the own namespace wins, then the oldest', () => {
  const entry = (namespace: string, age: number): Service =>
    external('x.example', { meta: meta('x', namespace, age), resolution: 'STATIC' })
  const owner = (services: Service[]): string | undefined =>
    routes(services).byHost('x.example', 80, null).service?.meta.namespace
  assert.equal(owner([entry('ns3', 1), entry('ns1', 2)]), 'ns1')
  assert.equal(owner([entry('ns4', 2), entry('ns3', 1)]), 'ns3')
})

test('equal endpoints survive a new snapshot, changed ones do not', () => {
  const host = 'app.ns2.svc.cluster.local'
  const first = routes([service('app')])
  const before = first.byHost(host, 80, null).endpoints[0]
  assert.ok(before)
  before.inFlight = 3
  const heavier = service('app', {
    endpoints: [endpoint('10.1.0.1', { weight: 5 }), endpoint('10.1.0.2')],
  })
  const second = routes([heavier], {}, first)
  assert.equal(second.byHost(host, 80, null).endpoints[0], before)
  assert.equal(before.source?.weight, 5)
  const third = routes([service('app')], {}, second)
  assert.equal(third.byAddress({ address: '10.1.0.1', port: 8080 }).endpoints[0], before)
  const renamed = service('app', { endpoints: [endpoint('10.1.0.1', { serviceAccount: 'other' })] })
  const changed = routes([renamed], {}, third).byHost(host, 80, null).endpoints[0]
  assert.notEqual(changed?.key, before.key)
  assert.equal(changed?.inFlight, 0)
  const tls = settings('DISABLE')
  const rule = destinationRule(host, { trafficPolicy: traffic({ tls }) })
  const plain = routes([service('app')], { destinationRules: [rule] }, third).byHost(host, 80, null)
  assert.notEqual(plain.endpoints[0]?.key, before.key)
})

test('clusters are listed by name', () => {
  const two = service('app', { ports: [port(80, 'http'), port(90, 'tcp')] })
  assert.deepEqual([...routes([two]).clusters.keys()].sort(), [
    'outbound|80||app.ns2.svc.cluster.local',
    'outbound|90||app.ns2.svc.cluster.local',
  ])
})
