import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Harness, meshConfig } from '../support/data-plane-harness.ts'
import type { SnapshotParts } from '../support/data-plane-harness.ts'
import { deadPort, echoApplication, httpApplication, tlsApplication } from '../support/applications.ts'
import { destinationRule, endpoint, peerAuthentication, service, settings, traffic } from '../cluster/mesh.ts'
import type { Service, ServiceEndpoint } from '../../src/policy/service.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialWire } from '../support/wire-client.ts'
import type { WirePeer } from '../support/wire-client.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const app = await ca.svid('ns2', 'app')
const mallory = await ca.svid('ns2', 'mallory')
const appUri = 'spiffe://cluster.local/ns/ns2/sa/app'
const meshAlpn = ['http/1.1']

async function started(
  parts: SnapshotParts = {},
): Promise<{ harness: Harness; apply: (parts: SnapshotParts) => void }> {
  const harness = await Harness.start({ outbound: true })
  harness.identity(own, { 'cluster.local': ca.rootPem })
  const apply = (more: SnapshotParts): void => harness.apply({ ...parts, ...more })
  apply({})
  return { harness, apply }
}

const at = (port: number, more: Partial<ServiceEndpoint> = {}, address = '127.0.0.1'): ServiceEndpoint =>
  endpoint(address, { ports: { 80: port }, ...more })
const plainAt = (port: number, address = '127.0.0.1'): ServiceEndpoint => at(port, { labels: {} }, address)
const api = (endpoints: readonly ServiceEndpoint[], more: Partial<Service> = {}): Service =>
  service('api', { endpoints, ...more })

const get = (host: string, path = '/', fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${fields}\r\n`

async function finish(harness: Harness, ...peers: WirePeer[]): Promise<void> {
  for (const peer of peers) peer.stream.destroy()
  await harness.quiet()
  assert.deepEqual(
    harness.clusters().filter(({ inFlight }) => inFlight !== 0),
    [],
    'requests are counted in flight',
  )
  await harness.stop()
}

test(
  'an endpoint with a sidecar is called with mTLS, with its SNI and the mesh’s ALPN; one without in plaintext',
  { timeout },
  async (t) => {
    const secure = await tlsApplication(t, { identity: app, clientRoots: ca.rootPem, alpn: meshAlpn })
    const plain = await httpApplication(t)
    const { harness } = await started({
      services: [
        api([at(secure.port)]),
        service('old', { addresses: ['10.2.0.2'], endpoints: [plainAt(plain.port)] }),
      ],
    })
    const peer = await dialWire(t, harness.proxy)
    peer.send(get('api.ns2', '/x', 'x-forwarded-client-cert: By=forged\r\n'))
    const answer = await peer.response()
    assert.equal(answer.body, 'ok')
    assert.equal(answer.headers['server'], 'envoy')
    assert.equal(secure.lastServername(), 'outbound_.80_._.api.ns2.svc.cluster.local')
    assert.equal(secure.lastAlpn(), 'http/1.1')
    assert.equal(secure.lastClient(), 'URI:spiffe://cluster.local/ns/shop/sa/web')
    assert.doesNotMatch(secure.received(), /forwarded-client-cert/i)
    const record = await harness.record()
    assert.equal(record['peer_principal'], appUri)
    assert.equal(record['upstream_cluster'], 'outbound|80||api.ns2.svc.cluster.local')
    peer.send(get('old.ns2.svc.cluster.local:80'))
    assert.equal((await peer.response()).body, 'GET /')
    assert.equal((await harness.record())['peer_principal'], 'plaintext')
    assert.equal(secure.handshakes(), 1)
    await finish(harness, peer)
  },
)

test('the absolute form names the host, whatever Host says', { timeout }, async (t) => {
  const plain = await httpApplication(t)
  const { harness } = await started({
    mesh: { outboundTrafficPolicy: 'REGISTRY_ONLY' },
    services: [api([plainAt(plain.port)])],
  })
  const peer = await dialWire(t, harness.proxy)
  peer.send('GET http://api.ns2/p?q HTTP/1.1\r\nhost: elsewhere.test\r\n\r\n')
  assert.equal((await peer.response()).body, 'GET /p?q')
  assert.equal(plain.requests[0]?.headers.host, 'api.ns2')
  await finish(harness, peer)
})

test(
  'REGISTRY_ONLY answers 502 for a host nobody registered; a service without endpoints is 503',
  { timeout },
  async (t) => {
    const { harness } = await started({
      mesh: { outboundTrafficPolicy: 'REGISTRY_ONLY' },
      services: [api([])],
    })
    const peer = await dialWire(t, harness.proxy)
    peer.send(get('elsewhere.test'))
    assert.equal((await peer.response()).status, 502)
    const refused = await harness.record()
    assert.deepEqual([refused['upstream_cluster'], refused['route_name']], ['BlackHoleCluster', 'block_all'])
    peer.send(get('api.ns2'))
    const empty = await peer.response()
    assert.equal(empty.status, 503)
    assert.equal(empty.body, 'no healthy upstream')
    assert.equal((await harness.record())['response_flags'], 'UH')
    await finish(harness, peer)
  },
)

test(
  'a server with another identity gets not one byte of the request, and the record says name_mismatch',
  { timeout },
  async (t) => {
    const wrong = await tlsApplication(t, { identity: mallory, clientRoots: ca.rootPem, alpn: meshAlpn })
    const { harness } = await started({ services: [api([at(wrong.port)])] })
    const peer = await dialWire(t, harness.proxy)
    for (let i = 0; i < 3; i += 1) {
      peer.send('POST /secret HTTP/1.1\r\nhost: api.ns2\r\ncontent-length: 6\r\n\r\nsecret')
      const answer = await peer.response()
      assert.equal(answer.status, 503)
      const record = await harness.record()
      assert.equal(record['response_flags'], 'UF')
      assert.match(
        String(record['upstream_transport_failure_reason']),
        /^name_mismatch: expected one of .*sa\/app, seen .*sa\/mallory/,
      )
      assert.equal(record['peer_principal'], 'unverified')
    }
    assert.equal(wrong.received(), '')
    await finish(harness, peer)
  },
)

test('when mTLS fails plaintext is never tried', { timeout }, async (t) => {
  const plain = await echoApplication(t)
  const { harness } = await started({ services: [api([at(plain.port)])] })
  const peer = await dialWire(t, harness.proxy)
  peer.send(get('api.ns2', '/secret'))
  assert.equal((await peer.response()).status, 503)
  assert.equal((await harness.record())['response_flags'], 'UF')
  // A ClientHello, and nothing of the request.
  assert.equal(plain.received().charCodeAt(0), 0x16)
  assert.doesNotMatch(plain.received(), /secret|GET/)
  await finish(harness, peer)
})

test('a server of another mesh is untrusted, also when it has the name we want', { timeout }, async (t) => {
  const evil = await createTestCa({ trustDomain: 'cluster.local' })
  const server = await tlsApplication(t, { identity: await evil.svid('ns2', 'app'), alpn: meshAlpn })
  const { harness } = await started({ services: [api([at(server.port)])] })
  const peer = await dialWire(t, harness.proxy)
  peer.send(get('api.ns2'))
  assert.equal((await peer.response()).status, 503)
  assert.match(String((await harness.record())['upstream_transport_failure_reason']), /^untrusted/)
  assert.equal(server.received(), '')
  await finish(harness, peer)
})

test('an endpoint that refuses is left for another, and no count stays behind', { timeout }, async (t) => {
  const plain = await httpApplication(t)
  const dead = await deadPort()
  const { harness } = await started({ services: [api([plainAt(dead, '127.0.0.2'), plainAt(plain.port)])] })
  const peer = await dialWire(t, harness.proxy)
  for (let i = 0; i < 10; i += 1) {
    peer.send(get('api.ns2'))
    assert.equal((await peer.response()).status, 200)
    assert.equal((await harness.record())['upstream_host'], `127.0.0.1:${plain.port}`)
  }
  await finish(harness, peer)
})

test(
  'requests count on their endpoint while they are under way, and are gone whatever ends them',
  { timeout },
  async (t) => {
    const release: (() => void)[] = []
    const came = Promise.withResolvers<void>()
    const plain = await httpApplication(t, (_request, response) => {
      release.push(() => response.end('done'))
      if (release.length === 2) came.resolve()
    })
    const { harness, apply } = await started({ services: [api([plainAt(plain.port)])] })
    const one = await dialWire(t, harness.proxy)
    const two = await dialWire(t, harness.proxy)
    one.send(get('api.ns2'))
    two.send(get('api.ns2'))
    await came.promise
    const counts = (): number[] => harness.clusters().map(({ inFlight }) => inFlight)
    assert.deepEqual(counts(), [2])
    // Counts outlive a change of configuration.
    apply({ mesh: { connectTimeoutMs: 9000 } })
    assert.deepEqual(counts(), [2])
    two.stream.destroy()
    await harness.record()
    assert.deepEqual(counts(), [1])
    for (const end of release) end()
    assert.equal((await one.response()).body, 'done')
    assert.deepEqual(counts(), [0])
    await finish(harness, one)
  },
)

test(
  'a DestinationRule decides: DISABLE is plaintext, SIMPLE verifies by name, MUTUAL shows a certificate, ISTIO_MUTUAL ours',
  { timeout: 8000 },
  async (t) => {
    const plain = await httpApplication(t)
    const secure = await tlsApplication(t, { identity: app, clientRoots: ca.rootPem, alpn: meshAlpn })
    const named = await tlsApplication(t, { identity: await ca.issue({ dns: ['api.outside.test'] }) })
    const { harness, apply } = await started()
    const peer = await dialWire(t, harness.proxy)
    const rule = (tls: Parameters<typeof settings>): SnapshotParts['destinationRules'] => [
      destinationRule('api.ns2.svc.cluster.local', { trafficPolicy: traffic({ tls: settings(...tls) }) }),
    ]
    const ask = async (): Promise<number> => (await peer.send(get('api.ns2')).response()).status

    apply({ services: [api([at(plain.port)])], destinationRules: rule(['DISABLE']) ?? [] })
    assert.equal(await ask(), 200)
    apply({ services: [api([plainAt(secure.port)])], destinationRules: rule(['ISTIO_MUTUAL']) ?? [] })
    assert.equal(await ask(), 200)
    assert.match(secure.lastClient(), /sa\/web/)
    const { mkdtemp, writeFile, rm } = await import('node:fs/promises')
    const folder = await mkdtemp(`${(await import('node:os')).tmpdir()}/sallyport-`)
    t.after(() => rm(folder, { recursive: true }))
    const root = `${folder}/root.pem`
    await writeFile(root, ca.rootPem)
    const outside = { caCertificates: root, sni: 'api.outside.test', subjectAltNames: ['api.outside.test'] }
    apply({ services: [api([plainAt(named.port)])], destinationRules: rule(['SIMPLE', outside]) ?? [] })
    assert.equal(await ask(), 200)
    assert.equal(named.lastServername(), 'api.outside.test')
    assert.equal(named.lastAlpn(), null)
    apply({
      services: [api([plainAt(named.port)])],
      destinationRules: rule(['SIMPLE', { ...outside, subjectAltNames: ['other.test'] }]) ?? [],
    })
    const before = named.received()
    assert.equal(await ask(), 503)
    assert.equal(named.received(), before)
    await writeFile(`${folder}/cert.pem`, own.certificateChain)
    await writeFile(`${folder}/key.pem`, own.privateKey, { mode: 0o600 })
    const mutual = {
      ...outside,
      sni: 'api.ns2',
      subjectAltNames: [appUri],
      clientCertificate: `${folder}/cert.pem`,
      privateKey: `${folder}/key.pem`,
    }
    apply({ services: [api([plainAt(secure.port)])], destinationRules: rule(['MUTUAL', mutual]) ?? [] })
    assert.equal(await ask(), 200)
    assert.equal(secure.lastServername(), 'api.ns2')
    await finish(harness, peer)
  },
)

test(
  'a DestinationRule that could not be read refuses to dial its host and no other',
  { timeout },
  async (t) => {
    const plain = await httpApplication(t)
    const { harness } = await started({
      services: [
        api([plainAt(plain.port)]),
        service('other', { addresses: ['10.2.0.3'], endpoints: [plainAt(plain.port)] }),
      ],
      destinationRules: [
        destinationRule('api.ns2.svc.cluster.local', { quarantined: 'unknown field spec.x' }),
      ],
    })
    const peer = await dialWire(t, harness.proxy)
    peer.send(get('api.ns2'))
    assert.equal((await peer.response()).status, 503)
    assert.match(
      String((await harness.record())['upstream_transport_failure_reason']),
      /unknown field spec\.x/,
    )
    peer.send(get('other.ns2'))
    assert.equal((await peer.response()).status, 200)
    assert.equal(plain.requests.length, 1)
    await finish(harness, peer)
  },
)

test(
  'a server whose policy is DISABLE is called in plaintext although it has a sidecar',
  { timeout },
  async (t) => {
    const plain = await httpApplication(t)
    const { harness } = await started({
      services: [api([at(plain.port)])],
      peerAuthentications: [peerAuthentication('ns2', 'DISABLE')],
    })
    const peer = await dialWire(t, harness.proxy)
    peer.send(get('api.ns2'))
    assert.equal((await peer.response()).status, 200)
    await finish(harness, peer)
  },
)

test('before there is a certificate a mesh service is not called at all', { timeout }, async (t) => {
  const server = await echoApplication(t)
  const harness = await Harness.start({ outbound: true })
  harness.apply({ services: [api([at(server.port)])] })
  const peer = await dialWire(t, harness.proxy)
  peer.send(get('api.ns2'))
  assert.equal((await peer.response()).status, 503)
  assert.match(String((await harness.record())['upstream_transport_failure_reason']), /^not_ready/)
  assert.equal(server.received(), '')
  await finish(harness, peer)
})

test(
  'our own listener is nobody’s destination, by address, by name or by whatever resolves to it',
  { timeout },
  async (t) => {
    const { harness } = await started()
    for (const host of ['127.0.0.1', 'localhost', '0.0.0.0']) {
      const peer = await dialWire(t, harness.proxy)
      peer.send(get(`${host}:${harness.proxy}`))
      assert.equal((await peer.response()).status, 503, host)
      assert.match(String((await harness.record())['upstream_transport_failure_reason']), /this proxy itself/)
      peer.stream.destroy()
      await harness.quiet()
    }
    await harness.stop()
  },
)

test(
  'secrets that change under load fail no request, and new connections bear the new certificate',
  { timeout: 15_000 },
  async (t) => {
    const secure = await tlsApplication(t, { identity: app, clientRoots: ca.rootPem, alpn: meshAlpn })
    const { harness } = await started({ services: [api([at(secure.port)])] })
    const renewed = await Promise.all(
      Array.from({ length: 5 }, (_, i) =>
        ca.issue({ uri: 'spiffe://cluster.local/ns/shop/sa/web', dns: [`r${i}.test`] }),
      ),
    )
    let [done, failed] = [0, 0]
    let stop = false
    const load = async (): Promise<void> => {
      const peer = await dialWire(t, harness.proxy)
      while (!stop) {
        const { status } = await peer.send(get('api.ns2')).response()
        done += 1
        if (status !== 200) failed += 1
      }
      peer.stream.destroy()
    }
    const running = Array.from({ length: 8 }, load)
    for (const next of renewed) {
      const target = done + 100
      while (done < target) await new Promise((resolve) => setImmediate(resolve))
      harness.identity(next, { 'cluster.local': ca.rootPem })
    }
    const target = done + 100
    while (done < target) await new Promise((resolve) => setImmediate(resolve))
    stop = true
    await Promise.all(running)
    assert.equal(failed, 0)
    assert.match(secure.lastClient(), /r4\.test/)
    await finish(harness)
  },
)

test(
  'an upstream that is not named in time is cut at the connect deadline of the cluster or of the handshake',
  { timeout },
  async (t) => {
    const { tcpApplication } = await import('../support/applications.ts')
    const silent = await tcpApplication(t, () => undefined)
    const { harness } = await started({ services: [api([at(silent.port)])] })
    const peer = await dialWire(t, harness.proxy)
    peer.send(get('api.ns2'))
    while (silent.accepted() === 0) await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    harness.clock.advance(meshConfig.connectTimeoutMs)
    assert.equal((await peer.response()).status, 503)
    assert.match(String((await harness.record())['upstream_transport_failure_reason']), /^timeout/)
    await finish(harness, peer)
  },
)

test('an https:// target is refused, never sent in plaintext', { timeout }, async (t) => {
  const plain = await httpApplication(t)
  const { harness } = await started({ services: [api([plainAt(plain.port)])] })
  for (const scheme of ['https', 'HTTPS']) {
    const peer = await dialWire(t, harness.proxy)
    peer.send(
      `GET ${scheme}://127.0.0.1:${plain.port}/secret HTTP/1.1\r\nhost: 127.0.0.1:${plain.port}\r\n\r\n`,
    )
    const answer = await peer.response()
    assert.equal(answer.status, 400)
    assert.match(answer.body, /use CONNECT/)
    peer.stream.destroy()
  }
  assert.equal(plain.requests.length, 0)
  await finish(harness)
})
