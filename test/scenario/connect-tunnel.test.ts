import { test } from 'node:test'
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { Harness } from '../support/data-plane-harness.ts'
import type { SnapshotParts } from '../support/data-plane-harness.ts'
import { deadPort, echoApplication, tcpApplication, tlsApplication } from '../support/applications.ts'
import { endpoint, service } from '../cluster/mesh.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialWire } from '../support/wire-client.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const app = await ca.svid('ns2', 'app')
const mallory = await ca.svid('ns2', 'mallory')

async function started(parts: SnapshotParts = {}): Promise<Harness> {
  const harness = await Harness.start({ outbound: true })
  harness.identity(own, { 'cluster.local': ca.rootPem })
  harness.apply(parts)
  return harness
}

const at = (port: number, labels?: Record<string, string>): ReturnType<typeof endpoint> =>
  endpoint('127.0.0.1', { ports: { 80: port }, ...(labels === undefined ? {} : { labels }) })
const open = (authority: string): string => `CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`

test('a tunnel carries bytes both ways with half-close, and ends with one record', { timeout }, async (t) => {
  const echo = await echoApplication(t)
  const harness = await started()
  const peer = await dialWire(t, harness.proxy)
  peer.send(open(`127.0.0.1:${echo.port}`))
  assert.equal((await peer.response()).status, 200)
  await peer.send('hello').untilText('hello')
  peer.send(' bye').end()
  assert.equal(await peer.over(), 'hello bye')
  const record = await harness.record()
  assert.equal(record['upstream_cluster'], 'PassthroughCluster')
  assert.deepEqual([record['bytes_received'], record['bytes_sent']], [9, 9])
  await harness.quiet()
  assert.deepEqual(harness.unread, [])
  await harness.stop()
})

test(
  'a tunnel to a mesh service runs under mTLS, and bytes right behind the head are neither lost nor early',
  { timeout },
  async (t) => {
    const secure = await tlsApplication(t, {
      identity: app,
      clientRoots: ca.rootPem,
      accept: (stream) => {
        stream.on('data', (chunk: Buffer) => stream.write(chunk))
        stream.on('end', () => stream.end())
      },
    })
    const harness = await started({ services: [service('api', { endpoints: [at(secure.port)] })] })
    const peer = await dialWire(t, harness.proxy)
    peer.send(`${open('api.ns2:80')}pipelined`)
    const text = await peer.untilText('pipelined')
    assert.equal(text, 'HTTP/1.1 200 Connection Established\r\n\r\npipelined')
    assert.equal(secure.lastServername(), 'outbound_.80_._.api.ns2.svc.cluster.local')
    peer.end()
    assert.equal((await harness.record())['peer_principal'], 'spiffe://cluster.local/ns/ns2/sa/app')
    await harness.quiet()
    await harness.stop()
  },
)

test('a wrong server gets none of the tunnel’s bytes, and the client is told', { timeout }, async (t) => {
  const wrong = await tlsApplication(t, { identity: mallory, clientRoots: ca.rootPem })
  const harness = await started({ services: [service('api', { endpoints: [at(wrong.port)] })] })
  const peer = await dialWire(t, harness.proxy)
  peer.send(`${open('api.ns2:80')}secret`)
  const answer = await peer.response()
  assert.equal(answer.status, 503)
  assert.equal(wrong.received(), '')
  assert.match(String((await harness.record())['upstream_transport_failure_reason']), /^name_mismatch/)
  peer.stream.destroy()
  await harness.quiet()
  await harness.stop()
})

test(
  'a destination that refuses is 503, an unregistered one 502, a malformed one 400',
  { timeout },
  async (t) => {
    const harness = await started({
      mesh: { outboundTrafficPolicy: 'REGISTRY_ONLY' },
      services: [
        service('down', { endpoints: [at(await deadPort(), {})] }),
        service('empty', { addresses: ['10.2.0.4'], endpoints: [] }),
      ],
    })
    for (const [authority, status] of [
      ['down.ns2:80', 503],
      ['empty.ns2:80', 503],
      ['elsewhere.test:443', 502],
      ['nonsense', 400],
      ['down.ns2:0', 400],
      ['down.ns2:99999', 400],
    ] as const) {
      const peer = await dialWire(t, harness.proxy)
      const answer = await peer.send(open(authority)).response()
      assert.equal(answer.status, status, authority)
      await peer.over()
      peer.stream.destroy()
      await harness.record()
    }
    await harness.quiet()
    assert.deepEqual(harness.unread, [])
    await harness.stop()
  },
)

test('a client that leaves while its upstream is dialled leaves nothing behind', { timeout }, async (t) => {
  const echo = await echoApplication(t)
  const harness = await started()
  for (let i = 0; i < 20; i += 1) {
    const peer = await dialWire(t, harness.proxy)
    peer.send(open(`127.0.0.1:${echo.port}`))
    if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
    peer.stream.destroy()
  }
  await harness.quiet()
  await harness.stop()
})

test(
  'a client that is gone when its upstream is there costs one record and leaves no connection open',
  { timeout },
  async (t) => {
    const secure = await tlsApplication(t, { identity: app, clientRoots: ca.rootPem })
    // Between us and the server: lets the handshake begin only when told to.
    const held = Promise.withResolvers<Socket>()
    const gate = await tcpApplication(t, (socket) => held.resolve(socket.pause()))
    const harness = await started({ services: [service('api', { endpoints: [at(gate.port)] })] })
    const peer = await dialWire(t, harness.proxy)
    peer.send(open('api.ns2:80'))
    const early = await held.promise
    ;(peer.stream as Socket).resetAndDestroy()
    await harness.quiet()
    const onwards = connect(secure.port, '127.0.0.1')
    onwards.on('error', () => undefined)
    early.pipe(onwards).pipe(early)
    const record = await harness.record()
    assert.equal(record['response_flags'], 'DC')
    const stillOpen = harness.metrics().series.reduce((sum, one) => sum + one.tcpOpened - one.tcpClosed, 0)
    assert.equal(stillOpen, 0)
    onwards.destroy()
    await harness.stop()
  },
)
