/** CUSTOM policies on requests that share one connection between two sidecars: each is asked about by itself. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { grpcAuthority, httpAuthority } from '../ext-authz/authorizers.ts'
import { httpApplication } from '../support/applications.ts'
import { asking, authorizerProvider } from '../support/custom-mesh.ts'
import { policy } from '../support/data-plane-harness.ts'
import { startPair } from '../support/sidecar-pair.ts'
import { dialWire } from '../support/wire-client.ts'

const timeout = 10_000
const get = (path = '/', fields = ''): string => `GET ${path} HTTP/1.1\r\nhost: api.ns2\r\n${fields}\r\n`
const post = (path: string, length: number, fields = ''): string =>
  `POST ${path} HTTP/1.1\r\nhost: api.ns2\r\ncontent-length: ${length}\r\n${fields}\r\n`

test('a request that waits for its answer holds up no other on the connection', { timeout }, async (t) => {
  const application = await httpApplication(t)
  const held: ServerResponse[] = []
  const authority = await httpAuthority(t, ({ url }, response) => {
    if (url === '/slow') held.push(response)
    else response.writeHead(url === '/no' ? 401 : 200, { 'x-why': 'w' }).end(url === '/no' ? 'who?' : '')
  })
  const pair = await startPair(t, application.port)
  pair.applyInbound(asking({ kind: 'http', port: authority.port }))
  const slow = await dialWire(t, pair.outbound.proxy)
  slow.send(get('/slow'))
  await pair.until(() => held.length === 1, 'nobody asked')
  const other = await dialWire(t, pair.outbound.proxy)
  other.send(get('/yes'))
  assert.equal((await other.response()).status, 200)
  other.send(get('/no'))
  const denied = await other.response()
  assert.deepEqual([denied.status, denied.body, denied.headers['x-why']], [401, 'who?', 'w'])
  held[0]?.end()
  assert.equal((await slow.response()).body, 'GET /slow')
  assert.equal(pair.legs, 1)
  const records = [await pair.inbound.record(), await pair.inbound.record(), await pair.inbound.record()]
  assert.deepEqual(
    records.map(({ custom }) => custom),
    ['it:allowed', 'it:denied', 'it:allowed'],
  )
})

test('bodies are shown, held back and forwarded whole, beside each other', { timeout: 30_000 }, async (t) => {
  const application = await httpApplication(t, (request, response) => {
    let size = 0
    request.on('data', (chunk: Buffer) => (size += chunk.length))
    request.on('end', () => response.end(String(size)))
  })
  const held: ServerResponse[] = []
  const authority = await httpAuthority(t, ({ url }, response) => {
    if (url === '/held') held.push(response)
    else response.end()
  })
  const pair = await startPair(t, application.port)
  const settings = { includeRequestBodyInCheck: { maxRequestBytes: 1000, allowPartialMessage: true } }
  pair.applyInbound(asking({ kind: 'http', port: authority.port, settings }))
  const size = 48 << 20
  const uploader = await dialWire(t, pair.outbound.proxy)
  uploader.send(post('/held', size)).send(Buffer.alloc(size, 'x'))
  await pair.until(() => held.length === 1, 'nobody asked')
  assert.equal(authority.seen[0]?.body, 'x'.repeat(1000))
  const small = await dialWire(t, pair.outbound.proxy)
  for (let i = 0; i < 10; i += 1) {
    small.send(post('/small', 3)).send('abc')
    assert.equal((await small.response()).body, '3')
  }
  // Flow control stopped the upload: what is held is far from all of it.
  const waiting = uploader.stream.writableLength
  assert.ok(waiting > size / 2, `only ${waiting} bytes wait at the client`)
  held[0]?.end()
  assert.equal((await uploader.response()).body, String(size))
  assert.equal(pair.legs, 1)

  pair.applyInbound(
    asking({
      kind: 'http',
      port: authority.port,
      settings: { includeRequestBodyInCheck: { maxRequestBytes: 1000 } },
    }),
  )
  small.send(post('/large', 2000)).send(Buffer.alloc(2000))
  assert.equal((await small.response()).status, 413)
})

test(
  'a client that waits for leave to send its body gets it across both sidecars',
  { timeout },
  async (t) => {
    const application = await httpApplication(t, (request, response) => void request.pipe(response))
    const authority = await httpAuthority(t, (_, response) => void response.end())
    const pair = await startPair(t, application.port)
    const settings = { includeRequestBodyInCheck: { maxRequestBytes: 1000 } }
    pair.applyInbound(asking({ kind: 'http', port: authority.port, settings }))
    const peer = await dialWire(t, pair.outbound.proxy)
    peer.send(post('/', 4, 'expect: 100-continue\r\n'))
    await peer.untilText('HTTP/1.1 100')
    peer.take()
    peer.send('abcd')
    assert.equal((await peer.response()).body, 'abcd')
    assert.equal(authority.seen[0]?.body, 'abcd')
  },
)

test('a client that leaves cancels its own check alone', { timeout }, async (t) => {
  const application = await httpApplication(t)
  const held: ServerResponse[] = []
  const authority = await httpAuthority(t, (_, response) => void held.push(response))
  const pair = await startPair(t, application.port)
  pair.applyInbound(asking({ kind: 'http', port: authority.port }))
  const [leaver, stayer] = [await dialWire(t, pair.outbound.proxy), await dialWire(t, pair.outbound.proxy)]
  leaver.send(get('/leaves'))
  stayer.send(get('/stays'))
  await pair.until(() => held.length === 2, 'not both were asked about')
  ;(leaver.stream as Socket).resetAndDestroy()
  await pair.until(() => pair.inbound.metrics().authorizers['it']?.cancelled === 1, 'the check goes on')
  for (const response of held) response.end()
  assert.equal((await stayer.response()).body, 'GET /stays')
  assert.deepEqual(
    application.requests.map(({ url }) => url),
    ['/stays'],
  )
})

test(
  'requests under way are judged by the policy in force when their answers come',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const replies: (() => void)[] = []
    const authority = await grpcAuthority(t, (_, reply) =>
      replies.push(() => reply(null, { status: { code: 0 } })),
    )
    const pair = await startPair(t, application.port)
    const asked = asking({ kind: 'grpc', port: authority.port })
    pair.applyInbound(asked)
    const peers = await Promise.all(Array.from({ length: 6 }, () => dialWire(t, pair.outbound.proxy)))
    for (const [i, peer] of peers.entries()) peer.send(get(i % 2 === 0 ? '/open' : '/shut'))
    await pair.until(() => replies.length === 6, 'not all were asked about')
    pair.applyInbound({
      ...asked,
      authorizationPolicies: [
        ...(asked.authorizationPolicies ?? []),
        ...policy('DENY', '[{to: [{operation: {paths: ["/shut"]}}]}]', 'shut'),
      ],
    })
    for (const reply of replies.splice(0)) reply()
    const statuses = []
    for (const peer of peers) statuses.push((await peer.response()).status)
    assert.deepEqual(statuses, [200, 403, 200, 403, 200, 403])
    // Another authorizer, for those that wait and for those that come.
    for (const peer of peers) peer.send(get('/open'))
    await pair.until(() => replies.length === 6, 'not all were asked about')
    const old = replies.splice(0)
    pair.applyInbound({
      ...asked,
      mesh: { extensionProviders: [authorizerProvider('grpc', { timeout: '9s' })] },
    })
    await pair.until(() => replies.length === 6, 'nobody was asked instead')
    for (const reply of [...old, ...replies]) reply()
    for (const peer of peers) assert.equal((await peer.response()).status, 200)
    assert.equal(pair.legs, 1)
  },
)
