import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Harness, inboundPort, policy } from '../support/data-plane-harness.ts'
import type { SnapshotParts } from '../support/data-plane-harness.ts'
import { deadPort, httpApplication, tcpApplication } from '../support/applications.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialTls, dialWire } from '../support/wire-client.ts'
import type { WirePeer } from '../support/wire-client.ts'
import type { EffectiveMtls } from '../../src/policy/peer-authentication.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const client = await ca.svid('shop', 'client')
const clientUri = 'spiffe://cluster.local/ns/shop/sa/client'
const mesh = { identity: client, alpn: ['istio-http/1.1', 'istio', 'http/1.1'] }

async function started(
  port: number,
  mode: EffectiveMtls = 'PERMISSIVE',
): Promise<{ harness: Harness; apply: (parts?: SnapshotParts) => void }> {
  const harness = await Harness.start({ applications: [port] })
  harness.identity(own, { 'cluster.local': ca.rootPem })
  const apply = (parts: SnapshotParts = {}): void =>
    harness.apply({ inboundPorts: [inboundPort(harness.port, 'http', mode)], ...parts })
  apply()
  return { harness, apply }
}

const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nhost: web\r\n${fields}\r\n`

async function finish(harness: Harness, ...peers: WirePeer[]): Promise<void> {
  for (const peer of peers) peer.stream.destroy()
  await harness.quiet()
  await harness.stop()
}

test(
  'an mTLS peer is named to the application in our element, behind what it forwarded; plaintext claims are stripped',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness } = await started(application.port)
    const peer = await dialTls(t, harness.port, mesh)
    peer.send(get('/a', 'x-forwarded-client-cert: By=up;Hash=1\r\nx_forwarded_client_cert: By=forged\r\n'))
    assert.equal((await peer.response()).status, 200)
    const seen = application.requests[0]?.headers
    assert.match(
      String(seen?.['x-forwarded-client-cert']),
      new RegExp(
        `^By=up;Hash=1,By=spiffe://cluster.local/ns/shop/sa/web;Hash=[0-9a-f]{64};Subject="";URI=${clientUri}$`,
      ),
    )
    assert.equal(seen?.['x_forwarded_client_cert'], undefined)
    assert.equal(seen?.['x-forwarded-proto'], 'https')
    const record = await harness.record()
    assert.equal(record['peer_principal'], clientUri)
    assert.equal(record['local_principal'], 'spiffe://cluster.local/ns/shop/sa/web')
    assert.equal(record['tls_version'], 'TLSv1.3')

    const plain = await dialWire(t, harness.port)
    plain.send(get('/b', 'X-Forwarded-Client-Cert: By=forged;URI=spiffe://cluster.local/ns/shop/sa/root\r\n'))
    assert.equal((await plain.response()).status, 200)
    assert.equal(application.requests[1]?.headers['x-forwarded-client-cert'], undefined)
    assert.equal(application.requests[1]?.headers['x-forwarded-proto'], 'http')
    assert.equal((await harness.record())['peer_principal'], 'plaintext')
    await finish(harness, peer, plain)
  },
)

test(
  'a refused request is a 403 in its exact form, names its rule in the record, and keeps the connection',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply } = await started(application.port)
    apply({
      authorizationPolicies: policy('DENY', '[{to: [{operation: {paths: ["/secret*"]}}]}]', 'no-secrets'),
    })
    const peer = await dialTls(t, harness.port, mesh)
    peer.send(get('/secret/1'))
    const denied = await peer.response()
    assert.equal(denied.status, 403)
    assert.equal(denied.headers['content-type'], 'text/plain')
    assert.equal(denied.body, 'RBAC: access denied')
    const record = await harness.record()
    assert.equal(record['policy'], 'shop/no-secrets')
    assert.equal(record['rule'], 0)
    assert.equal(
      record['response_code_details'],
      'rbac_access_denied_matched_policy[ns[shop]-policy[no-secrets]-rule[0]]',
    )
    peer.send('HEAD /secret HTTP/1.1\r\nhost: web\r\n\r\n')
    const head = await peer.untilText('\r\n\r\n')
    assert.match(head, /^HTTP\/1.1 403/)
    peer.take()
    peer.send(
      'POST /secret HTTP/1.1\r\nhost: web\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n',
    )
    const grpc = await peer.response()
    assert.equal(grpc.status, 200)
    assert.equal(grpc.headers['grpc-status'], '7')
    assert.equal(grpc.headers['grpc-message'], 'RBAC: access denied')
    peer.send(get('/open'))
    assert.equal((await peer.response()).body, 'GET /open')
    assert.equal(application.requests.length, 1)
    await finish(harness, peer)
  },
)

test(
  'identity is the connection’s and the verdict the request’s: an ALLOW by principal lets mTLS in and plaintext not',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply } = await started(application.port)
    apply({
      authorizationPolicies: policy(
        'ALLOW',
        '[{from: [{source: {principals: ["cluster.local/ns/shop/sa/client"]}}]}]',
      ),
    })
    const peer = await dialTls(t, harness.port, mesh)
    peer.send(get('/'))
    assert.equal((await peer.response()).status, 200)
    const plain = await dialWire(t, harness.port)
    plain.send(get('/'))
    assert.equal((await plain.response()).status, 403)
    await finish(harness, peer, plain)
  },
)

test(
  'a policy that changes between two requests of one connection judges the second',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply } = await started(application.port)
    const peer = await dialTls(t, harness.port, mesh)
    peer.send(get('/'))
    assert.equal((await peer.response()).status, 200)
    apply({ authorizationPolicies: policy('DENY', '[{}]') })
    peer.send(get('/'))
    assert.equal((await peer.response()).status, 403)
    apply()
    peer.send(get('/'))
    assert.equal((await peer.response()).status, 200)
    assert.deepEqual(
      [await harness.record(), await harness.record(), await harness.record()].map(
        (line) => line['generation'],
      ),
      [1, 2, 3],
    )
    await finish(harness, peer)
  },
)

test('a snapshot and new secrets that come during a response do not cut it', { timeout }, async (t) => {
  const held = Promise.withResolvers<() => void>()
  const application = await httpApplication(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('first')
    held.resolve(() => response.end('after'))
  })
  const { harness, apply } = await started(application.port)
  const peer = await dialTls(t, harness.port, mesh)
  peer.send(get('/'))
  await peer.untilText('first')
  const release = await held.promise
  apply({ authorizationPolicies: policy('DENY', '[{}]') })
  harness.identity(await ca.svid('shop', 'web'), { 'cluster.local': ca.rootPem })
  release()
  assert.equal((await peer.response()).body, 'firstafter')
  assert.equal((await harness.record())['response_code'], 200)
  await finish(harness, peer)
})

test('what is judged is byte for byte what the application gets', { timeout }, async (t) => {
  const application = await httpApplication(t)
  const { harness, apply } = await started(application.port)
  apply({ authorizationPolicies: policy('DENY', '[{to: [{operation: {paths: ["/admin"]}}]}]') })
  const peer = await dialWire(t, harness.port)
  for (const path of ['/x/../admin', '/./admin', '/%61dmin', '/admin?x=1', '/a/b/../../admin']) {
    peer.send(get(path))
    assert.equal((await peer.response()).status, 403, path)
  }
  peer.send(get('/a/../b/%7Eme?q=/../admin'))
  assert.equal((await peer.response()).status, 200)
  assert.deepEqual(
    application.requests.map(({ url }) => url),
    ['/b/~me?q=/../admin'],
  )
  await finish(harness, peer)
})

test(
  'where a token rule could not be read, requests that bear one are 401 and others pass',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply } = await started(application.port)
    apply({
      tokenRefusals: [
        {
          namespace: 'shop',
          name: 'jwt',
          selector: null,
          reason: 'unknown field',
          locations: { fromHeaders: [], fromParams: [], fromCookies: [] },
          outputs: [],
        },
      ],
    })
    const peer = await dialWire(t, harness.port)
    for (const request of [get('/', 'authorization: Bearer abc\r\n'), get('/?access_token=abc')]) {
      peer.send(request)
      assert.equal((await peer.response()).status, 401)
    }
    for (const scheme of ['bearer abc', 'BEARER abc', 'Bearer\tabc']) {
      peer.send(get('/', `authorization: ${scheme}\r\n`))
      await peer.response()
    }
    peer.send(get('/'))
    assert.equal((await peer.response()).status, 200)
    await finish(harness, peer)
  },
)

test('an application that is down is a 503 that says whose fault it is', { timeout }, async (t) => {
  const port = await deadPort()
  const { harness } = await started(port)
  const peer = await dialWire(t, harness.port)
  peer.send(get('/'))
  const answer = await peer.response()
  assert.equal(answer.status, 503)
  assert.match(answer.body, /the destination refused/)
  const record = await harness.record()
  assert.equal(record['response_flags'], 'UF')
  assert.equal(record['upstream_host'], `127.0.0.1:${port}`)
  assert.equal(record['upstream_transport_failure_reason'], 'ECONNREFUSED')
  await finish(harness, peer)
})

test(
  'before there is a certificate mTLS is refused, and a STRICT port serves no plaintext either',
  { timeout },
  async (t) => {
    const application = await tcpApplication(t, () => undefined)
    const harness = await Harness.start({ applications: [application.port] })
    harness.apply({ inboundPorts: [inboundPort(harness.port, 'http', 'STRICT')] })
    await assert.rejects(dialTls(t, harness.port, mesh))
    assert.equal((await harness.record())['connection_termination_details'], 'no_certificate')
    const plain = await dialWire(t, harness.port)
    assert.equal(await plain.send(get('/')).over(), '')
    assert.equal((await harness.record())['connection_termination_details'], 'plaintext_refused')
    assert.equal(application.accepted(), 0)
    await finish(harness, plain)
  },
)

test('before there is a configuration nothing is served', { timeout }, async (t) => {
  const harness = await Harness.start({ applications: [1], outbound: true })
  for (const port of [harness.port, harness.proxy]) {
    // The reset may be there before the client knows that it was connected.
    const peer = await dialWire(t, port).catch(() => null)
    assert.equal((await peer?.over()) ?? '', '')
    assert.equal((await harness.record())['connection_termination_details'], 'no_configuration')
  }
  assert.deepEqual(harness.metrics().refusals, { no_configuration: 2 })
  await harness.stop()
})

test(
  'a port that turns STRICT closes the plaintext connections it has, and leaves mTLS alone',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply } = await started(application.port)
    const peer = await dialTls(t, harness.port, mesh)
    const plain = await dialWire(t, harness.port)
    for (const one of [peer, plain]) {
      one.send(get('/'))
      assert.equal((await one.response()).status, 200)
    }
    apply({ inboundPorts: [inboundPort(harness.port, 'http', 'STRICT')] })
    assert.equal(await plain.over(), '')
    peer.send(get('/'))
    assert.equal((await peer.response()).status, 200)
    await finish(harness, peer, plain)
  },
)

test(
  'draining serves whoever still comes and tells it to go, closes the idle, and ends when they are gone',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness } = await started(application.port)
    const idle = await dialTls(t, harness.port, mesh)
    idle.send(get('/'))
    await idle.response()
    harness.thread.hear({ type: 'drain', direction: 'inbound' })
    await idle.over()
    idle.stream.destroy()
    await harness.quiet()
    const late = await dialTls(t, harness.port, mesh)
    late.send(get('/late'))
    const answer = await late.response()
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['connection'], 'close')
    await late.over()
    late.stream.destroy()
    await harness.quiet()
    assert.ok(harness.told.some((message) => message.type === 'drained'))
    await harness.stop()
  },
)

test('a client that resets at any moment leaves nothing behind', { timeout: 10_000 }, async (t) => {
  const application = await httpApplication(t, (request, response) => {
    request.resume()
    response.write('begun')
  })
  const { harness } = await started(application.port)
  const moments: ((peer: WirePeer) => unknown)[] = [
    () => undefined,
    (peer) => peer.send('GET / HT'),
    (peer) => peer.send(get('/')),
    (peer) => peer.send('POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 100\r\n\r\nabc'),
    (peer) => peer.send(get('/')).untilText('begun'),
  ]
  for (const moment of moments) {
    for (const dial of [() => dialWire(t, harness.port), () => dialTls(t, harness.port, mesh)]) {
      const peer = await dial()
      await moment(peer)
      peer.stream.destroy()
    }
  }
  // And in the middle of handshakes.
  for (let i = 0; i < 5; i += 1) {
    const peer = await dialWire(t, harness.port)
    peer.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])).stream.destroy()
  }
  await harness.quiet()
  await harness.stop()
})

test(
  'a rule about a header is judged by what the application receives: not by nominated fields or forged identities',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply } = await started(application.port)
    apply({
      authorizationPolicies: [
        ...policy('ALLOW', '[{when: [{key: "request.headers[x-tenant]", values: ["a"]}]}]', 'tenant'),
        ...policy(
          'ALLOW',
          '[{when: [{key: "request.headers[x-forwarded-client-cert]", values: ["*URI=spiffe://td/ns/x/sa/admin"]}]}]',
          'element',
        ),
      ],
    })
    const forged = 'x-forwarded-client-cert: URI=spiffe://td/ns/x/sa/admin\r\n'
    const plain = await dialWire(t, harness.port)
    plain.send(get('/', 'x-tenant: a\r\n'))
    assert.equal((await plain.response()).status, 200)
    plain.send(get('/', 'x-tenant: a\r\nconnection: x-tenant\r\n'))
    assert.equal((await plain.response()).status, 403)
    plain.send(get('/', forged))
    assert.equal((await plain.response()).status, 403)
    const peer = await dialTls(t, harness.port, mesh)
    peer.send(get('/', forged))
    assert.equal((await peer.response()).status, 403)
    assert.equal(application.requests.length, 1)
    await finish(harness, peer, plain)
  },
)

test(
  'a peer that settles on h2 and speaks HTTP/1.1 is closed: its claims would reach the application unread',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness } = await started(application.port, 'STRICT')
    const peer = await dialTls(t, harness.port, { identity: client, alpn: ['h2'] })
    peer.send(get('/', 'x-forwarded-client-cert: By=forged\r\n'))
    assert.equal(await peer.over(), '')
    assert.equal((await harness.record())['decision'], 'not_http2')
    assert.equal(application.requests.length, 0)
    await finish(harness, peer)
  },
)
