import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Harness, inboundPort, policy } from '../support/data-plane-harness.ts'
import type { SnapshotParts } from '../support/data-plane-harness.ts'
import { deadPort, echoApplication, tcpApplication } from '../support/applications.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialTls, dialWire } from '../support/wire-client.ts'
import type { EffectiveMtls } from '../../src/policy/peer-authentication.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const client = await ca.svid('shop', 'client')
const other = await ca.svid('shop', 'other')
const alpn = ['istio']

async function started(
  port: number,
  mode: EffectiveMtls = 'PERMISSIVE',
): Promise<{ harness: Harness; apply: (parts?: SnapshotParts) => void }> {
  const harness = await Harness.start({ applications: [port] })
  harness.identity(own, { 'cluster.local': ca.rootPem })
  const apply = (parts: SnapshotParts = {}): void =>
    harness.apply({ inboundPorts: [inboundPort(harness.port, 'tcp', mode)], ...parts })
  apply()
  return { harness, apply }
}

test(
  'mTLS ends here and the application sees the bytes, half-close and answer after it included',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    const { harness } = await started(application.port)
    const peer = await dialTls(t, harness.port, { identity: client, alpn })
    peer.send('hello')
    assert.equal(await peer.untilText('hello'), 'hello')
    peer.send(' and goodbye').end()
    assert.equal(await peer.over(), 'hello and goodbye')
    const record = await harness.record()
    assert.equal(record['bytes_received'], 17)
    assert.equal(record['bytes_sent'], 17)
    assert.equal(record['response_flags'], null)
    assert.equal(record['peer_principal'], 'spiffe://cluster.local/ns/shop/sa/client')
    await harness.quiet()
    await harness.stop()
  },
)

test('a refused peer costs the application no connection and reads nothing', { timeout }, async (t) => {
  const application = await echoApplication(t)
  const { harness, apply } = await started(application.port)
  apply({
    authorizationPolicies: policy('DENY', '[{from: [{source: {principals: ["*/sa/other"]}}]}]', 'not-other'),
  })
  const peer = await dialTls(t, harness.port, { identity: other, alpn })
  assert.equal(await peer.send('x').over(), '')
  assert.equal(application.accepted(), 0)
  const record = await harness.record()
  assert.equal(record['policy'], 'shop/not-other')
  assert.match(String(record['connection_termination_details']), /^rbac_access_denied_matched_policy/)
  await harness.quiet()
  await harness.stop()
})

test('a policy that turns on a live connection closes it at once, and only it', { timeout }, async (t) => {
  const application = await echoApplication(t)
  const { harness, apply } = await started(application.port)
  const one = await dialTls(t, harness.port, { identity: client, alpn })
  const two = await dialTls(t, harness.port, { identity: other, alpn })
  for (const peer of [one, two]) await peer.send('hi').untilText('hi')
  assert.equal(harness.metrics().connections.inbound, 2)
  apply({ authorizationPolicies: policy('DENY', '[{from: [{source: {principals: ["*/sa/other"]}}]}]') })
  // Within the same turn: the record is there before anything else could happen.
  assert.equal((await harness.record())['peer_principal'], 'spiffe://cluster.local/ns/shop/sa/other')
  await two.over()
  one.send('still')
  await one.untilText('histill')
  assert.deepEqual(harness.unread, [])
  one.end()
  await harness.record()
  await harness.quiet()
  await harness.stop()
})

test(
  'a policy that comes while the application is being dialled finds the connection',
  { timeout },
  async (t) => {
    const reached = Promise.withResolvers<void>()
    const application = await tcpApplication(t, () => reached.resolve())
    const { harness, apply } = await started(application.port)
    const peer = await dialWire(t, harness.port)
    peer.send('\x00not http')
    while (harness.metrics().connections.inbound === 0) await new Promise((resolve) => setImmediate(resolve))
    apply({ authorizationPolicies: policy('DENY', '[{}]') })
    await peer.over()
    assert.equal(application.received(), '')
    await harness.quiet()
    assert.equal((await harness.record())['policy'], 'shop/p')
    assert.deepEqual(harness.unread, [])
    await harness.stop()
  },
)

test(
  'a port that turns STRICT closes its plaintext connections and leaves mTLS alone',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    const { harness, apply } = await started(application.port)
    const secure = await dialTls(t, harness.port, { identity: client, alpn })
    const plain = await dialWire(t, harness.port)
    for (const peer of [secure, plain]) await peer.send('hi\n').untilText('hi')
    apply({ inboundPorts: [inboundPort(harness.port, 'tcp', 'STRICT')] })
    await plain.over()
    assert.equal((await harness.record())['connection_termination_details'], 'plaintext_refused')
    await secure.send('on').untilText('hi\non')
    secure.end()
    await harness.record()
    await harness.quiet()
    await harness.stop()
  },
)

test(
  'a port that turns STRICT while a first byte is waited for serves no plaintext on that connection either',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    for (const protocol of ['auto', 'tcp', 'http'] as const) {
      const harness = await Harness.start({ applications: [application.port] })
      harness.identity(own, { 'cluster.local': ca.rootPem })
      harness.apply({ inboundPorts: [inboundPort(harness.port, protocol, 'PERMISSIVE')] })
      const silent = await dialWire(t, harness.port)
      while (harness.metrics().connections.inbound === 0)
        await new Promise((resolve) => setImmediate(resolve))
      harness.apply({ inboundPorts: [inboundPort(harness.port, protocol, 'STRICT')] })
      assert.equal(await silent.send('GET / HTTP/1.1\r\nhost: web\r\n\r\n').over(), '', protocol)
      const record = await harness.record()
      assert.equal(record['connection_termination_details'], 'plaintext_refused')
      assert.equal(record['response_flags'], 'NR')
      await harness.quiet()
      await harness.stop()
    }
    assert.equal(application.accepted(), 0)
  },
)

test('meshMTLS rules new handshakes: TLS 1.2 is refused where 1.3 is asked for', { timeout }, async (t) => {
  const application = await echoApplication(t)
  const { harness, apply } = await started(application.port)
  const old = { identity: client, alpn, maxVersion: 'TLSv1.2' } as const
  const before = await dialTls(t, harness.port, old)
  await before.send('hi').untilText('hi')
  apply({ mesh: { meshMtls: { minProtocolVersion: 'TLSv1.3', cipherSuites: [] } } })
  await assert.rejects(dialTls(t, harness.port, old))
  assert.match(String((await harness.record())['connection_termination_details']), /^tls_/)
  // Whoever is connected stays.
  await before.send(' ho').untilText('hi ho')
  before.end()
  await harness.record()
  await harness.quiet()
  await harness.stop()
})

test('an application that is down closes the connection and says why', { timeout }, async (t) => {
  const { harness } = await started(await deadPort())
  const peer = await dialWire(t, harness.port)
  assert.equal(await peer.send('\x00x').over(), '')
  const record = await harness.record()
  assert.equal(record['response_flags'], 'UF')
  assert.equal(record['upstream_transport_failure_reason'], 'ECONNREFUSED')
  await harness.quiet()
  await harness.stop()
})

test(
  'a server-first application is not stalled on a declared port: silence decides',
  { timeout },
  async (t) => {
    const application = await tcpApplication(t, (socket) => {
      socket.write('220 ready\r\n')
      socket.on('end', () => socket.end())
    })
    const { harness } = await started(application.port)
    const peer = await dialWire(t, harness.port)
    while (harness.metrics().connections.inbound === 0) await new Promise((resolve) => setImmediate(resolve))
    harness.clock.advance(100)
    assert.equal(await peer.untilText('ready\r\n'), '220 ready\r\n')
    peer.stream.destroy()
    await harness.record()
    await harness.quiet()
    await harness.stop()
  },
)

test(
  'on an undeclared port a silent client is waited for as long as the mesh says, then served as TCP',
  { timeout },
  async (t) => {
    const application = await tcpApplication(t, (socket) => {
      socket.write('220 ready\r\n')
      socket.on('end', () => socket.end())
    })
    const { harness, apply } = await started(application.port)
    apply({
      inboundPorts: [inboundPort(harness.port, 'auto', 'PERMISSIVE')],
      mesh: { protocolDetectionTimeoutMs: 700 },
    })
    const peer = await dialWire(t, harness.port)
    while (harness.metrics().connections.inbound === 0) await new Promise((resolve) => setImmediate(resolve))
    harness.clock.advance(699)
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(application.accepted(), 0)
    harness.clock.advance(1)
    assert.equal(await peer.untilText('ready\r\n'), '220 ready\r\n')
    peer.stream.destroy()
    await harness.record()
    await harness.quiet()
    await harness.stop()
  },
)

test('a connection where nothing moves is ended when it was idle for long', { timeout }, async (t) => {
  const application = await echoApplication(t)
  const { harness } = await started(application.port)
  const peer = await dialWire(t, harness.port)
  await peer.send('hi\n').untilText('hi')
  harness.clock.advance(3_600_000)
  harness.clock.advance(3_600_000)
  await peer.over()
  assert.equal((await harness.record())['response_flags'], 'SI')
  await harness.quiet()
  await harness.stop()
})

test(
  'handshakes that never end are cut at their deadline, and there are only so many',
  { timeout },
  async (t) => {
    const harness = await Harness.start({ applications: [1], settings: { maxHandshakes: 1 } })
    harness.identity(own, { 'cluster.local': ca.rootPem })
    harness.apply({ inboundPorts: [inboundPort(harness.port, 'tcp', 'STRICT')] })
    const hello = await clientHello(t)
    const first = await dialWire(t, harness.port)
    first.send(hello)
    while (harness.metrics().handshakes === 0) await new Promise((resolve) => setImmediate(resolve))
    const second = await dialWire(t, harness.port)
    await second.send(hello).over()
    assert.equal((await harness.record())['connection_termination_details'], 'too_many_handshakes')
    harness.clock.advance(10_000)
    await first.over()
    assert.equal((await harness.record())['connection_termination_details'], 'tls_timeout')
    assert.equal(harness.metrics().handshakes, 0)
    await harness.quiet()
    await harness.stop()
  },
)

/** What a real client sends first. */
async function clientHello(t: Parameters<typeof dialWire>[0]): Promise<Buffer> {
  const got = Promise.withResolvers<Buffer>()
  const application = await tcpApplication(t, (socket) => {
    socket.once('data', (chunk: Buffer) => {
      got.resolve(chunk)
      socket.destroy()
    })
  })
  await dialTls(t, application.port, { alpn }).catch(() => undefined)
  return got.promise
}
