/** CUSTOM policies with a real gRPC authorizer, on HTTP and on TCP: policy-semantics §2.1, §3.1 and §9; traps 7, 34 and 56. */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { status as grpc } from '@grpc/grpc-js'
import { deadPort, grpcAuthority, httpAuthority, rawAuthority } from '../ext-authz/authorizers.ts'
import type { SeenCheck } from '../ext-authz/authorizers.ts'
import { echoApplication, httpApplication, tcpApplication } from '../support/applications.ts'
import { asking, authorizerProvider, authorizerService, customPolicy } from '../support/custom-mesh.ts'
import type { AuthorizerOptions } from '../support/custom-mesh.ts'
import { Harness, inboundPort, policy } from '../support/data-plane-harness.ts'
import type { SnapshotParts } from '../support/data-plane-harness.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialTls, dialWire } from '../support/wire-client.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const client = await ca.svid('shop', 'client')
const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nhost: web\r\n${fields}\r\n`

type Answer = (check: SeenCheck, reply: (error: object | null, answer?: object) => void) => void
const yes: Answer = (_, reply) => reply(null, { status: { code: 0 } })
const no: Answer = (_, reply) => reply(null, { status: { code: 7 } })

async function setup(
  t: TestContext,
  application: number,
  protocol: 'http' | 'tcp' | 'auto',
  options: AuthorizerOptions,
  parts: SnapshotParts = {},
) {
  const harness = await Harness.start({ applications: [application] })
  // A test that failed half-way must not keep the process alive.
  t.after(() => harness.thread.hear({ type: 'close' }))
  harness.identity(own, { 'cluster.local': ca.rootPem })
  const asked = asking(options)
  const apply = (more: SnapshotParts = {}): void =>
    harness.apply({
      inboundPorts: [inboundPort(harness.port, protocol, 'PERMISSIVE')],
      ...asked,
      ...parts,
      ...more,
      authorizationPolicies: [
        ...(more.authorizationPolicies ?? asked.authorizationPolicies ?? []),
        ...(parts.authorizationPolicies ?? []),
      ],
    })
  apply()
  const end = async (): Promise<void> => {
    await harness.quiet()
    await harness.stop()
  }
  return { harness, apply, end }
}

const check = async (t: TestContext, answer: Answer) =>
  grpcAuthority(t, answer as Parameters<typeof grpcAuthority>[1])

async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

test(
  'a request is asked about with all of it, and goes on with the changes of the answer',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const authority = await check(t, (_, reply) =>
      reply(null, {
        status: { code: 0 },
        ok_response: {
          headers: [
            { header: { key: 'x-user', value: 'alice' } },
            { header: { key: 'x-forwarded-client-cert', value: 'URI=x' } },
          ],
          headers_to_remove: ['cookie'],
          response_headers_to_add: [{ header: { key: 'x-trace', value: 't' } }],
          query_parameters_to_set: [{ key: 'user', value: 'a b' }],
          query_parameters_to_remove: ['token'],
        },
      }),
    )
    const { harness, end } = await setup(
      t,
      application.port,
      'http',
      {
        kind: 'grpc',
        port: authority.port,
        settings: { includeRequestBodyInCheck: { maxRequestBytes: 100 } },
      },
      {
        // Judged is the query after the change.
        authorizationPolicies: policy(
          'ALLOW',
          '[{when: [{key: "request.headers[:path]", values: ["/a?x=1&user=a%20b"]}]}]',
          'path',
        ),
      },
    )
    const peer = await dialTls(t, harness.port, { identity: client, alpn: ['istio-http/1.1', 'http/1.1'] })
    peer.send(
      'POST /a?token=t&x=1 HTTP/1.1\r\nhost: web\r\ncookie: c=d\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 4\r\n\r\nbody',
    )
    const answer = await peer.response()
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['x-trace'], 't')
    assert.equal(application.requests[0]?.url, '/a?x=1&user=a%20b')
    assert.equal(application.requests[0]?.headers['x-user'], 'alice')
    assert.equal(application.requests[0]?.headers.cookie, undefined)
    assert.match(String(application.requests[0]?.headers['x-forwarded-client-cert']), /sa\/client$/)
    const { attributes } = authority.seen[0] as SeenCheck
    assert.equal(attributes.source.principal, 'spiffe://cluster.local/ns/shop/sa/client')
    assert.equal(attributes.destination.principal, 'spiffe://cluster.local/ns/shop/sa/web')
    assert.equal(attributes.destination.address.socket_address.port_value, harness.port)
    const http = attributes.request?.http
    assert.deepEqual(
      [http?.method, http?.path, http?.host, http?.scheme, http?.protocol, http?.body, Number(http?.size)],
      ['POST', '/a?token=t&x=1', 'web', 'https', 'HTTP/1.1', 'body', 4],
    )
    assert.equal(http?.headers.find(({ key }) => key === 'x-a')?.value, '1,2')
    assert.equal((await harness.record())['custom'], 'it:allowed')
    peer.stream.destroy()
    await end()
  },
)

test(
  'a gRPC call that is denied ends with trailers, in the words of the authorizer',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const authority = await check(t, ({ attributes }, reply) =>
      reply(null, {
        status: { code: 7 },
        denied_response: {
          status: { code: 401 },
          body: Buffer.from('who? ü%'),
          headers: [
            { header: { key: 'x-why', value: 'because' } },
            { header: { key: 'content-type', value: 'text/html' } },
            ...(attributes.request?.http.path === '/own'
              ? [{ header: { key: 'grpc-status', value: '10' } }]
              : []),
          ],
        },
      }),
    )
    const { harness, end } = await setup(t, application.port, 'http', { kind: 'grpc', port: authority.port })
    const peer = await dialWire(t, harness.port)
    peer.send(get('/call', 'content-type: application/grpc\r\n'))
    const { status, headers, body } = await peer.response()
    assert.deepEqual([status, body], [200, ''])
    assert.equal(headers['content-type'], 'application/grpc')
    assert.equal(headers['grpc-status'], '16')
    assert.equal(headers['grpc-message'], 'who? %C3%BC%25')
    assert.equal(headers['x-why'], 'because')
    peer.send(get('/own', 'content-type: application/grpc\r\n'))
    assert.equal((await peer.response()).headers['grpc-status'], '10')
    peer.send(get('/plain'))
    const plain = await peer.response()
    assert.deepEqual(
      [plain.status, plain.headers['content-type'], Buffer.from(plain.body, 'latin1').toString()],
      [401, 'text/html', 'who? ü%'],
    )
    assert.equal((await harness.record())['response_flags'], 'UAEX')
    peer.stream.destroy()
    await end()
  },
)

test(
  'an authorizer that fails or is away closes, and lets pass where it fails open',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const broken = await check(t, (_, reply) => reply({ code: grpc.INTERNAL, details: 'oh' }))
    const ports: [number, string][] = [
      [broken.port, 'grpc_INTERNAL'],
      [await deadPort(), 'grpc_UNAVAILABLE'],
      [await rawAuthority(t, 'HTTP/1.1 200 OK\r\n\r\n'), 'grpc_UNAVAILABLE'],
    ]
    for (const [port, reason] of ports) {
      for (const failOpen of [false, true]) {
        const { harness, end } = await setup(t, application.port, 'http', {
          kind: 'grpc',
          port,
          settings: { failOpen },
        })
        const peer = await dialWire(t, harness.port)
        peer.send(get('/'))
        assert.equal((await peer.response()).status, failOpen ? 200 : 403)
        assert.equal((await harness.record())['custom'], `it:${failOpen ? 'failed_open' : 'error'}:${reason}`)
        peer.stream.destroy()
        await end()
      }
    }
  },
)

test(
  'a connection is asked about before the application is dialled, and carried when the answer is yes',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    const answer = Promise.withResolvers<() => void>()
    const authority = await check(t, (seen, reply) => answer.resolve(() => yes(seen, reply)))
    const { harness, end } = await setup(t, application.port, 'tcp', { kind: 'grpc', port: authority.port })
    const peer = await dialTls(t, harness.port, { identity: client, alpn: ['istio'] })
    peer.send('early ')
    const allow = await answer.promise
    await turns()
    assert.equal(application.accepted(), 0)
    allow()
    await peer.send('late').untilText('early late')
    const { attributes } = authority.seen[0] as SeenCheck
    assert.equal(attributes.request, null)
    assert.equal(attributes.source.principal, 'spiffe://cluster.local/ns/shop/sa/client')
    peer.end()
    await peer.over()
    const record = await harness.record()
    assert.deepEqual(
      [record['custom'], record['response_flags'], record['decision']],
      ['it:allowed', null, 'no_allow_policy'],
    )
    assert.equal(authority.seen.length, 1, 'asked once')
    await end()
  },
)

test(
  'a connection is closed unanswered when the answer is no, or when there is none',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    const refuses = await check(t, no)
    const cases: [number, string, string][] = [
      [refuses.port, 'ext_authz_denied', 'it:denied'],
      [await deadPort(), 'ext_authz_error', 'it:error:grpc_UNAVAILABLE'],
    ]
    for (const [port, details, note] of cases) {
      const { harness, end } = await setup(t, application.port, 'tcp', { kind: 'grpc', port })
      const peer = await dialWire(t, harness.port)
      assert.equal(await peer.send('x').over(), '')
      const record = await harness.record()
      assert.equal(record['connection_termination_details'], details)
      assert.deepEqual(
        [record['response_flags'], record['custom'], record['policy']],
        ['UAEX', note, 'shop/ask'],
      )
      await end()
    }
    assert.equal(application.accepted(), 0)
    const { harness, end } = await setup(t, application.port, 'tcp', {
      kind: 'grpc',
      port: await deadPort(),
      settings: { failOpen: true },
    })
    const peer = await dialWire(t, harness.port)
    await peer.send('x').untilText('x')
    peer.end()
    await end()
  },
)

test('an authorizer that is silent on a connection is given up on in time', { timeout }, async (t) => {
  const application = await echoApplication(t)
  const asked = Promise.withResolvers<void>()
  const authority = await check(t, () => asked.resolve())
  const { harness, end } = await setup(t, application.port, 'tcp', {
    kind: 'grpc',
    port: authority.port,
    settings: { timeout: '1s' },
  })
  const peer = (await dialWire(t, harness.port)).send('x')
  await asked.promise
  harness.clock.advance(1000)
  await peer.over()
  assert.equal((await harness.record())['custom'], 'it:error:timeout')
  await end()
})

test('a peer that breaks off while the authorizer thinks ends the check', { timeout }, async (t) => {
  const application = await echoApplication(t)
  const asked = Promise.withResolvers<void>()
  const authority = await check(t, () => asked.resolve())
  const { harness, end } = await setup(t, application.port, 'tcp', { kind: 'grpc', port: authority.port })
  const peer = await dialWire(t, harness.port)
  peer.send('hello')
  await asked.promise
  ;(peer.stream as Socket).resetAndDestroy()
  assert.equal((await harness.record())['response_flags'], 'DC')
  await turns()
  assert.equal(harness.metrics().authorizers['it']?.cancelled, 1)
  assert.equal(application.accepted(), 0)
  await end()
})

test(
  'an HTTP authorizer is not asked about TCP, but what is HTTP and not read is refused',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    const http = await httpAuthority(t, (_, response) => void response.end())
    const rpc = await check(t, yes)
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    for (const [kind, port] of [
      ['http', http.port],
      ['grpc', rpc.port],
    ] as const) {
      const tcp = await setup(t, application.port, 'tcp', { kind, port })
      const opaque = await dialWire(t, tcp.harness.port)
      await opaque.send(preface).untilText(preface)
      opaque.end()
      await tcp.end()

      const auto = await setup(t, application.port, 'auto', { kind, port })
      for (const dialled of [
        await dialWire(t, auto.harness.port),
        await dialTls(t, auto.harness.port, { identity: client, alpn: ['istio-h2', 'h2'] }),
      ]) {
        assert.equal(await dialled.send(preface).over(), '')
        const record = await auto.harness.record()
        assert.equal(record['decision'], 'custom_unread')
        assert.equal(record['connection_termination_details'], 'ext_authz_unread_http2')
        assert.equal(record['response_flags'], 'UAEX')
      }
      await auto.end()
    }
    assert.equal(http.seen.length, 0)
    assert.equal(rpc.seen.length, 1)
  },
)

test(
  'a live connection is asked about when policy comes to ask, and goes on until the answer is no',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    let answer: Answer = yes
    const authority = await check(t, (seen, reply) => answer(seen, reply))
    const { harness, apply, end } = await setup(t, application.port, 'tcp', {
      kind: 'grpc',
      port: authority.port,
    })
    apply({ authorizationPolicies: [] })
    const peer = await dialWire(t, harness.port)
    await peer.send('1').untilText('1')
    apply()
    while (authority.seen.length < 1) await turns(1)
    await peer.send('2').untilText('12')
    // What changes nothing about the question does not ask it again.
    apply({ authorizationPolicies: [...customPolicy(), ...policy('ALLOW', '[{}]', 'all')] })
    await turns()
    assert.equal(authority.seen.length, 1)
    const asked = Promise.withResolvers<() => void>()
    answer = (seen, reply) => asked.resolve(() => no(seen, reply))
    apply({ mesh: { extensionProviders: [authorizerProvider('grpc', { statusOnError: '503' })] } })
    const deny = await asked.promise
    await peer.send('3').untilText('123')
    deny()
    await peer.over()
    const record = await harness.record()
    assert.deepEqual(
      [record['response_flags'], record['custom'], record['bytes_received']],
      ['UAEX', 'it:denied', 3],
    )
    await end()
  },
)

test('a connection that waits is judged by the policy in force when it may go on', { timeout }, async (t) => {
  const application = await tcpApplication(t, (socket) => {
    socket.write('hello')
    socket.on('end', () => socket.end())
  })
  let asked = Promise.withResolvers<() => void>()
  const authority = await check(t, (seen, reply) => asked.resolve(() => yes(seen, reply)))
  const { harness, apply, end } = await setup(t, application.port, 'tcp', {
    kind: 'grpc',
    port: authority.port,
  })
  const one = (await dialWire(t, harness.port)).send('x')
  const allow = await asked.promise
  apply({ authorizationPolicies: [...customPolicy(), ...policy('DENY', '[{}]', 'shut')] })
  allow()
  assert.equal(await one.over(), '')
  assert.equal((await harness.record())['policy'], 'shop/shut')
  assert.equal(application.accepted(), 0)
  // Without the CUSTOM policy nobody has to wait any more.
  asked = Promise.withResolvers()
  apply()
  const two = (await dialWire(t, harness.port)).send('x')
  await asked.promise
  apply({ authorizationPolicies: [] })
  await two.untilText('hello')
  two.stream.destroy()
  await end()
})

test(
  'a WebSocket is asked about again when policy comes to ask another, and cut when the answer is no',
  { timeout },
  async (t) => {
    const application = await tcpApplication(t, (socket) => {
      socket.once('data', () =>
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi',
        ),
      )
    })
    let answer: Answer = yes
    const authority = await check(t, (seen, reply) => answer(seen, reply))
    const { harness, apply, end } = await setup(t, application.port, 'http', {
      kind: 'grpc',
      port: authority.port,
    })
    const peer = await dialWire(t, harness.port)
    peer.send(get('/ws', 'connection: upgrade\r\nupgrade: websocket\r\n'))
    await peer.untilText('\r\n\r\nhi')
    apply({ mesh: { extensionProviders: [authorizerProvider('grpc', { timeout: '9s' })] } })
    while (authority.seen.length < 2) await turns(1)
    assert.equal(authority.seen[1]?.attributes.request?.http.path, '/ws')
    await turns()
    assert.equal(peer.ending, 'open')
    answer = no
    apply({ mesh: { extensionProviders: [authorizerProvider('grpc', { timeout: '8s' })] } })
    await peer.over()
    assert.equal((await harness.record())['custom'], 'it:denied')
    await end()
  },
)

test('many live connections are asked about a few at a time, and none is lost', { timeout }, async (t) => {
  const application = await echoApplication(t)
  let under = 0
  let most = 0
  const replies: (() => void)[] = []
  const authority = await check(t, (seen, reply) => {
    under += 1
    most = Math.max(most, under)
    replies.push(() => {
      under -= 1
      yes(seen, reply)
    })
  })
  const { harness, apply, end } = await setup(t, application.port, 'tcp', {
    kind: 'grpc',
    port: authority.port,
  })
  apply({ authorizationPolicies: [] })
  const peers = await Promise.all(Array.from({ length: 100 }, () => dialWire(t, harness.port)))
  for (const peer of peers) await peer.send('1').untilText('1')
  apply()
  while (authority.seen.length < 100) {
    await turns(1)
    for (const reply of replies.splice(0)) reply()
  }
  assert.ok(most <= 64, `${most} at once`)
  await turns()
  for (const peer of peers) {
    await peer.send('2').untilText('12')
    peer.end()
  }
  await end()
})

for (const [kind, protocol] of [
  ['http', 'http'],
  ['grpc', 'grpc'],
] as const) {
  test(
    `a ${kind} authorizer behind a sidecar is asked over mTLS by its own name, and nobody else in its place`,
    { timeout },
    async (t) => {
      const application = await httpApplication(t)
      const authority =
        kind === 'http' ? await httpAuthority(t, (_, response) => void response.end()) : await check(t, yes)
      // The authorizer's own sidecar: nothing but mTLS comes in.
      const guard = await Harness.start({ applications: [authority.port] })
      t.after(() => guard.thread.hear({ type: 'close' }))
      guard.identity(await ca.svid('ext', 'authz'), { 'cluster.local': ca.rootPem })
      guard.apply({ inboundPorts: [inboundPort(guard.port, protocol, 'STRICT')] })
      const sidecar = { 'security.istio.io/tlsMode': 'istio' }
      const options = { kind, port: guard.port, endpoint: { labels: sidecar, serviceAccount: 'authz' } }
      const { harness, apply, end } = await setup(t, application.port, 'http', options)
      const peer = await dialWire(t, harness.port)
      for (let i = 0; i < 2; i += 1) {
        peer.send(get('/'))
        assert.equal((await peer.response()).status, 200)
      }
      assert.equal(authority.seen.length, 2)
      // The same place is not who it should be.
      apply({ services: [authorizerService(guard.port, { labels: sidecar, serviceAccount: 'other' })] })
      peer.send(get('/'))
      assert.equal((await peer.response()).status, 403)
      assert.equal(authority.seen.length, 2)
      peer.stream.destroy()
      await end()
      await guard.quiet()
      const record = await guard.record()
      assert.equal(record['peer_principal'], 'spiffe://cluster.local/ns/shop/sa/web')
      await guard.stop()
    },
  )
}
