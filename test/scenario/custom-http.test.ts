/** CUSTOM policies on HTTP, with a real HTTP authorizer: policy-semantics §2.1 and §9, traps 7, 56 and 57. */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { authentication, jwtRule, keySet, signer, token } from '../jwt/issuer.ts'
import { deadPort, httpAuthority, rawAuthority } from '../ext-authz/authorizers.ts'
import type { SeenRequest } from '../ext-authz/authorizers.ts'
import { httpApplication } from '../support/applications.ts'
import { asking, authorizerProvider, authorizerService, customPolicy } from '../support/custom-mesh.ts'
import { Harness, inboundPort, policy } from '../support/data-plane-harness.ts'
import type { SnapshotParts } from '../support/data-plane-harness.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialTls, dialWire } from '../support/wire-client.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const client = await ca.svid('shop', 'client')
const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nhost: web\r\n${fields}\r\n`
const post = (path: string, body: string, fields = ''): string =>
  `POST ${path} HTTP/1.1\r\nhost: web\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`

type Answer = (request: SeenRequest, response: ServerResponse) => void
const yes: Answer = (_, response) => void response.end()

interface Setup {
  readonly answer?: Answer
  readonly settings?: Record<string, unknown>
  readonly rules?: string
  readonly parts?: SnapshotParts
  /** Instead of an authorizer of our own. */
  readonly port?: number
}

async function setup(t: TestContext, { answer = yes, settings = {}, rules, parts = {}, port }: Setup) {
  const application = await httpApplication(t)
  const authority = await httpAuthority(t, answer)
  const harness = await Harness.start({ applications: [application.port] })
  // A test that failed half-way must not keep the process alive.
  t.after(() => harness.thread.hear({ type: 'close' }))
  harness.identity(own, { 'cluster.local': ca.rootPem })
  const asked = asking({
    kind: 'http',
    port: port ?? authority.port,
    settings,
    ...(rules === undefined ? {} : { rules }),
  })
  const apply = (more: SnapshotParts = {}): void =>
    harness.apply({
      inboundPorts: [inboundPort(harness.port, 'http', 'PERMISSIVE')],
      ...asked,
      ...parts,
      ...more,
      authorizationPolicies: [
        ...(more.authorizationPolicies ?? asked.authorizationPolicies ?? []),
        ...(parts.authorizationPolicies ?? []),
      ],
    })
  apply()
  const peer = await dialWire(t, harness.port)
  const end = async (): Promise<void> => {
    peer.stream.destroy()
    await harness.quiet()
    await harness.stop()
  }
  return { application, authority, harness, asked, apply, peer, end }
}

test(
  'a request is allowed with the changes that the authorizer makes to it and to its response',
  { timeout },
  async (t) => {
    const { application, authority, harness, peer, end } = await setup(t, {
      answer(_, response) {
        response.setHeader('x-user', 'alice')
        response.setHeader('x-trace', 't1')
        response.setHeader('x-secret', 's')
        response.setHeader('x-envoy-auth-headers-to-remove', 'cookie, x-forwarded-client-cert')
        response.end('not for the application')
      },
      settings: {
        headersToUpstreamOnAllow: ['x-user'],
        headersToDownstreamOnAllow: ['x-trace'],
        includeRequestHeadersInCheck: ['cookie'],
        pathPrefix: '/check',
      },
    })
    peer.send(get('/orders/../orders?id=7', 'x-user: root\r\nx_user: root\r\ncookie: a=b\r\nx-more: m\r\n'))
    const answer = await peer.response()
    assert.equal(answer.status, 200)
    assert.equal(answer.body, 'GET /orders?id=7')
    assert.equal(answer.headers['x-trace'], 't1')
    assert.equal(answer.headers['x-secret'], undefined)
    const seen = authority.seen[0]
    assert.equal(seen?.url, '/check/orders?id=7', 'asked about what is forwarded')
    assert.equal(seen?.method, 'GET')
    assert.equal(seen?.headers.host, 'web')
    assert.equal(seen?.headers.cookie, 'a=b')
    assert.equal(seen?.headers['x-more'], undefined)
    const got = application.requests[0]?.headers
    assert.equal(got?.['x-user'], 'alice', 'in place of what the client claimed')
    assert.equal(got?.['x_user'], undefined, 'in whatever spelling')
    assert.equal(got?.['cookie'], undefined)
    assert.equal(got?.['x-more'], 'm')
    const record = await harness.record()
    assert.equal(record['custom'], 'it:allowed')
    assert.equal(record['response_flags'], null)
    assert.equal(record['decision'], 'no_allow_policy')
    await end()
  },
)

test(
  'a denial reaches the client with status, headers and body, and the application never hears of it',
  { timeout },
  async (t) => {
    const { application, harness, peer, end } = await setup(t, {
      answer(_, response) {
        response.writeHead(302, {
          location: 'https://login.example.com/',
          'set-cookie': ['a=1', 'b=2'],
          'x-envoy-x': '1',
        })
        response.end('<p>log in</p>')
      },
    })
    peer.send(get('/') + get('/second'))
    for (let i = 0; i < 2; i++) {
      const answer = await peer.response()
      assert.equal(answer.status, 302)
      assert.equal(answer.headers['location'], 'https://login.example.com/')
      assert.equal(answer.headers['set-cookie'], 'a=1, b=2')
      assert.equal(answer.headers['x-envoy-x'], undefined)
      assert.equal(answer.headers['server'], 'istio-envoy')
      assert.equal(answer.body, '<p>log in</p>')
      const record = await harness.record()
      assert.equal(record['response_flags'], 'UAEX')
      assert.equal(record['response_code_details'], 'ext_authz_denied')
      assert.equal(record['decision'], 'custom_denied')
      assert.equal(record['policy'], 'shop/ask')
      assert.equal(record['rule'], 0)
      assert.equal(record['custom'], 'it:denied')
    }
    assert.equal(application.requests.length, 0)
    await end()
  },
)

test(
  'only the listed headers of a denial reach the client, beside those it needs',
  { timeout },
  async (t) => {
    const { peer, end } = await setup(t, {
      answer(_, response) {
        response.writeHead(401, { 'www-authenticate': 'Basic', 'x-a': '1', 'x-b': '2' })
        response.end()
      },
      settings: { headersToDownstreamOnDeny: ['x-a'] },
    })
    peer.send(get('/'))
    const { status, headers } = await peer.response()
    assert.deepEqual(
      [status, headers['www-authenticate'], headers['x-a'], headers['x-b']],
      [401, 'Basic', '1', undefined],
    )
    await end()
  },
)

test('a denial without content is one without content', { timeout }, async (t) => {
  const { peer, end } = await setup(t, { answer: (_, response) => void response.writeHead(204).end() })
  peer.send(get('/') + `HEAD / HTTP/1.1\r\nhost: web\r\n\r\n`)
  for (let i = 0; i < 2; i++) {
    const { status, headers, body } = await peer.response()
    assert.deepEqual([status, headers['content-length'], body], [204, undefined, ''])
  }
  await end()
})

test(
  'only requests that match a CUSTOM rule are asked about, and a yes is not final',
  { timeout },
  async (t) => {
    const { application, authority, harness, peer, end } = await setup(t, {
      rules: '[{to: [{operation: {paths: ["/admin*"]}}]}]',
      parts: {
        authorizationPolicies: policy('DENY', '[{to: [{operation: {paths: ["/admin/never"]}}]}]', 'no'),
      },
    })
    peer.send(get('/open'))
    assert.equal((await peer.response()).status, 200)
    assert.equal((await harness.record())['custom'], null)
    assert.equal(authority.seen.length, 0)
    peer.send(get('/admin/ok'))
    assert.equal((await peer.response()).status, 200)
    peer.send(get('/admin/never'))
    const denied = await peer.response()
    assert.deepEqual([denied.status, denied.body], [403, 'RBAC: access denied'])
    assert.equal(authority.seen.length, 2)
    assert.equal(application.requests.length, 2)
    await harness.record()
    const record = await harness.record()
    assert.equal(record['policy'], 'shop/no')
    assert.equal(record['custom'], 'it:allowed')
    assert.equal(record['response_flags'], null)
    await end()
  },
)

test(
  'policy judges the request as the authorizer leaves it, and the response headers come with a denial too',
  { timeout },
  async (t) => {
    const { peer, end } = await setup(t, {
      answer(request, response) {
        if (request.url === '/good') response.setHeader('x-role', 'admin')
        response.setHeader('x-trace', 't')
        response.end()
      },
      settings: { headersToUpstreamOnAllow: ['x-role'], headersToDownstreamOnAllow: ['x-trace'] },
      parts: {
        authorizationPolicies: policy(
          'ALLOW',
          '[{when: [{key: "request.headers[x-role]", values: [admin]}]}]',
          'role',
        ),
      },
    })
    peer.send(get('/good'))
    assert.equal((await peer.response()).status, 200)
    peer.send(get('/bad'))
    const refused = await peer.response()
    assert.deepEqual([refused.status, refused.headers['x-trace']], [403, 't'])
    await end()
  },
)

test('the authorizer comes before tokens, and may bring the token', { timeout }, async (t) => {
  const issuer = await signer('ES256', 'k1')
  const bearer = await token(issuer)
  const { authority, peer, end } = await setup(t, {
    answer(request, response) {
      if (request.url === '/no') response.statusCode = 418
      if (request.url === '/bring') response.setHeader('authorization', `Bearer ${bearer}`)
      response.end()
    },
    settings: { headersToUpstreamOnAllow: ['authorization'] },
    parts: {
      requestAuthentications: [authentication(jwtRule({ jwks: keySet(issuer) }))],
      authorizationPolicies: policy('ALLOW', '[{from: [{source: {requestPrincipals: ["*"]}}]}]', 'principal'),
    },
  })
  peer.send(get('/no', 'authorization: Bearer rubbish\r\n'))
  assert.equal((await peer.response()).status, 418, 'asked before the token is looked at')
  assert.equal(authority.seen[0]?.headers.authorization, 'Bearer rubbish')
  peer.send(get('/yes', 'authorization: Bearer rubbish\r\n'))
  assert.equal((await peer.response()).status, 401)
  peer.send(get('/bring'))
  assert.equal((await peer.response()).status, 200)
  await end()
})

test('what nobody may claim is not taken from an authorizer either', { timeout }, async (t) => {
  const { application, peer, end } = await setup(t, {
    answer(_, response) {
      response.setHeader('x-forwarded-client-cert', 'URI=spiffe://cluster.local/ns/root/sa/root')
      response.setHeader('x_forwarded_client_cert', 'URI=spiffe://cluster.local/ns/root/sa/root')
      response.setHeader('x-envoy-peer-metadata', 'x')
      response.setHeader('transfer-encoding', 'chunked')
      response.setHeader('x-good', 'yes')
      response.end()
    },
    settings: { headersToUpstreamOnAllow: ['x*', 'transfer-encoding', 'content-length', 'host'] },
  })
  peer.send(get('/'))
  assert.equal((await peer.response()).status, 200)
  const got = application.requests[0]?.headers ?? {}
  assert.equal(got['x-good'], 'yes')
  assert.equal(got.host, 'web')
  for (const name of [
    'x-forwarded-client-cert',
    'x_forwarded_client_cert',
    'x-envoy-peer-metadata',
    'transfer-encoding',
  ])
    assert.equal(got[name], undefined, name)
  await end()
})

test(
  'an authorizer that is down closes, with the status it was given, and passes where it fails open',
  { timeout },
  async (t) => {
    const port = await deadPort()
    const closed = await setup(t, { port })
    closed.peer.send(get('/'))
    const { status, body } = await closed.peer.response()
    assert.deepEqual([status, body], [403, ''])
    const record = await closed.harness.record()
    assert.equal(record['response_flags'], 'UAEX')
    assert.equal(record['response_code_details'], 'ext_authz_error')
    assert.equal(record['decision'], 'custom_error')
    assert.equal(record['custom'], 'it:error:ECONNREFUSED')
    assert.equal(record['upstream_transport_failure_reason'], 'ECONNREFUSED')
    assert.equal(closed.application.requests.length, 0)
    await closed.end()

    const other = await setup(t, { port, settings: { statusOnError: '503' } })
    other.peer.send(get('/'))
    assert.equal((await other.peer.response()).status, 503)
    await other.end()

    const open = await setup(t, {
      port,
      settings: { failOpen: true },
      parts: { authorizationPolicies: policy('DENY', '[{to: [{operation: {paths: ["/never"]}}]}]', 'no') },
    })
    open.peer.send(get('/') + get('/never'))
    assert.equal((await open.peer.response()).status, 200)
    assert.equal((await open.peer.response()).status, 403, 'the rest still holds')
    assert.equal((await open.harness.record())['custom'], 'it:failed_open:ECONNREFUSED')
    await open.end()
  },
)

test(
  'answers that allow nothing: a 5xx, half an answer, rubbish, a header that no head may hold',
  { timeout },
  async (t) => {
    const answers: [string, string][] = [
      ['HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n', 'it:error:status_500'],
      ['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', 'it:error:UND_ERR_SOCKET'],
      ['rubbish\r\n\r\n', 'it:error:HTTPParserError'],
      [
        `HTTP/1.1 200 OK\r\nx-user: ${'y'.repeat(17_000)}\r\ncontent-length: 0\r\n\r\n`,
        'it:error:unsafe_header',
      ],
    ]
    for (const [bytes, note] of answers) {
      const port = await rawAuthority(t, bytes)
      const { application, harness, peer, end } = await setup(t, {
        port,
        settings: { headersToUpstreamOnAllow: ['x-user'] },
      })
      peer.send(get('/'))
      assert.equal((await peer.response()).status, 403, note)
      assert.equal((await harness.record())['custom'], note)
      assert.equal(application.requests.length, 0)
      await end()
    }
  },
)

test('a slow authorizer is waited for as long as its timeout says, and no longer', { timeout }, async (t) => {
  const asked = Promise.withResolvers<void>()
  const { application, harness, peer, end } = await setup(t, {
    answer: () => asked.resolve(),
    settings: { timeout: '2s' },
  })
  peer.send(get('/'))
  await asked.promise
  harness.clock.advance(1999)
  harness.clock.advance(1)
  assert.equal((await peer.response()).status, 403)
  assert.equal((await harness.record())['custom'], 'it:error:timeout')
  assert.equal(application.requests.length, 0)
  await end()
})

test(
  'a provider that is unknown, or one of several, denies what its rules match and nothing else',
  { timeout },
  async (t) => {
    const rules = '[{to: [{operation: {paths: ["/admin"]}}]}]'
    const { authority, apply, harness, peer, end } = await setup(t, { rules })
    const wrong: SnapshotParts[] = [
      { authorizationPolicies: customPolicy(rules, 'ask', 'nobody') },
      { authorizationPolicies: [...customPolicy(rules), ...customPolicy(rules, 'also', 'other')] },
      { services: [] },
      { mesh: { extensionProviders: [authorizerProvider('http', { port: 'x' })] } },
    ]
    for (const parts of wrong) {
      apply(parts)
      peer.send(get('/admin') + get('/open'))
      const denied = await peer.response()
      assert.deepEqual([denied.status, denied.body], [403, 'RBAC: access denied'])
      assert.equal((await peer.response()).status, 200)
      const record = await harness.record()
      assert.equal(record['decision'], 'bad_custom_provider')
      assert.match(String(record['response_code_details']), /-deny-due-to-bad-CUSTOM-action\]$/)
      assert.equal(record['response_flags'], null)
      await harness.record()
    }
    assert.equal(authority.seen.length, 0)
    assert.match(
      harness.notices.join('\n'),
      /an extension provider cannot be asked: its CUSTOM rules deny, name "it"/,
    )
    apply()
    peer.send(get('/admin'))
    assert.equal((await peer.response()).status, 200)
    await end()
  },
)

test('the body is shown up to the limit, and the application gets all of it', { timeout }, async (t) => {
  let got = ''
  const application = await httpApplication(t, (request, response) => {
    request.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')))
    request.on('end', () => response.end('done'))
  })
  const authority = await httpAuthority(t, yes)
  const harness = await Harness.start({ applications: [application.port] })
  harness.apply({
    inboundPorts: [inboundPort(harness.port, 'http', 'PERMISSIVE')],
    ...asking({
      kind: 'http',
      port: authority.port,
      settings: { includeRequestBodyInCheck: { maxRequestBytes: 10, allowPartialMessage: true } },
    }),
  })
  const peer = await dialWire(t, harness.port)
  peer.send(post('/whole', '0123456789'))
  assert.equal((await peer.response()).status, 200)
  assert.equal(authority.seen[0]?.body, '0123456789')
  assert.equal(authority.seen[0]?.headers['x-envoy-auth-partial-body'], 'false')
  assert.equal(got, '0123456789')

  got = ''
  peer.send('POST /chunks HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n')
  for (const piece of ['abc', 'defg', 'hijkl']) peer.send(`${piece.length}\r\n${piece}\r\n`)
  // The authorizer is asked before the end of the body has come.
  while (authority.seen.length < 2) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(authority.seen[1]?.body, 'abcdefghij')
  assert.equal(authority.seen[1]?.headers['x-envoy-auth-partial-body'], 'true')
  peer.send('3\r\nmno\r\n0\r\n\r\n')
  assert.equal((await peer.response()).status, 200)
  assert.equal(got, 'abcdefghijklmno')

  got = ''
  peer.send(post('/none', ''))
  assert.equal((await peer.response()).status, 200)
  assert.equal(authority.seen[2]?.headers['x-envoy-auth-partial-body'], undefined)
  peer.stream.destroy()
  await harness.quiet()
  await harness.stop()
})

test(
  'a body that is larger than may be shown is 413, also with failOpen, and nobody is asked',
  { timeout },
  async (t) => {
    const { application, authority, harness, peer, end } = await setup(t, {
      settings: { failOpen: true, includeRequestBodyInCheck: { maxRequestBytes: 10 } },
    })
    peer.send(post('/', '0123456789a'))
    const announced = await peer.response()
    assert.deepEqual([announced.status, announced.body], [413, 'Payload Too Large'])
    const record = await harness.record()
    assert.equal(record['response_code_details'], 'request_payload_too_large')
    assert.equal(record['decision'], 'custom_body_too_large')
    assert.equal(record['custom'], 'it:body_too_large')
    peer.send('POST / HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n')
    peer.send('5\r\nghijk\r\n')
    assert.equal((await peer.response()).status, 413)
    await peer.over()
    assert.equal(authority.seen.length, 0)
    assert.equal(application.requests.length, 0)
    await end()
  },
)

test('a client that waits for leave to send its body is given it, once', { timeout }, async (t) => {
  const { application, authority, peer, end } = await setup(t, {
    settings: { includeRequestBodyInCheck: { maxRequestBytes: 10 } },
  })
  peer.send('POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n')
  await peer.untilText('HTTP/1.1 100 Continue\r\n\r\n')
  peer.take()
  peer.send('abc')
  assert.equal((await peer.response()).status, 200)
  assert.equal(authority.seen[0]?.body, 'abc')
  assert.equal(application.requests[0]?.headers.expect, undefined)

  peer.send('POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 30\r\nexpect: 100-continue\r\n\r\n')
  assert.equal((await peer.response()).status, 413, 'refused before a byte is sent')
  await end()
})

test('no more of a body is read than the limit and what one read brings', { timeout }, async (t) => {
  const held = Promise.withResolvers<() => void>()
  let got = 0
  const application = await httpApplication(t, (request, response) => {
    request.on('data', (chunk: Buffer) => (got += chunk.length))
    request.on('end', () => response.end())
  })
  const authority = await httpAuthority(t, (_, response) => held.resolve(() => response.end()))
  const harness = await Harness.start({ applications: [application.port] })
  harness.apply({
    inboundPorts: [inboundPort(harness.port, 'http', 'PERMISSIVE')],
    ...asking({
      kind: 'http',
      port: authority.port,
      settings: { includeRequestBodyInCheck: { maxRequestBytes: 1000, allowPartialMessage: true } },
    }),
  })
  const peer = await dialWire(t, harness.port)
  const size = 32 * 1024 * 1024
  peer.send(`POST / HTTP/1.1\r\nhost: web\r\ncontent-length: ${size}\r\n\r\n`)
  peer.stream.write(Buffer.alloc(size, 'x'))
  const answer = await held.promise
  // The kernel's buffers are full by now, and the client still has most of it.
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(
    peer.stream.writableLength > size / 2,
    `only ${peer.stream.writableLength} bytes wait at the client`,
  )
  answer()
  assert.equal((await peer.response()).status, 200)
  assert.equal(got, size)
  peer.stream.destroy()
  await harness.quiet()
  await harness.stop()
})

test(
  'a client that breaks off ends the check, and nothing reaches the application',
  { timeout },
  async (t) => {
    const asked = Promise.withResolvers<void>()
    const { application, authority, harness, peer, end } = await setup(t, { answer: () => asked.resolve() })
    peer.send(get('/'))
    await asked.promise
    const [socket] = authority.sockets
    const closed = new Promise((resolve) => socket?.once('close', resolve))
    ;(peer.stream as Socket).resetAndDestroy()
    const record = await harness.record()
    assert.equal(record['response_flags'], 'DC')
    assert.equal(record['response_code'], 0)
    await closed
    assert.equal(application.requests.length, 0)
    assert.equal(harness.metrics().authorizers['it']?.cancelled, 1)
    await end()
  },
)

test('the answer counts only for the policy that is in force when it comes', { timeout }, async (t) => {
  let answer = Promise.withResolvers<() => void>()
  const { application, authority, harness, apply, peer, end } = await setup(t, {
    answer(_, response) {
      answer.resolve(() => response.writeHead(403).end('no'))
    },
  })
  // A DENY that came meanwhile holds, whatever the authorizer would say.
  peer.send(get('/a'))
  await answer.promise
  apply({ authorizationPolicies: policy('DENY', '[{}]', 'shut') })
  assert.equal((await peer.response()).body, 'RBAC: access denied')
  // A CUSTOM policy that is gone holds nobody up any more.
  answer = Promise.withResolvers()
  apply()
  peer.send(get('/b'))
  await answer.promise
  apply({ authorizationPolicies: [] })
  assert.equal((await peer.response()).status, 200)
  // An unrelated change leaves the question alone: it is asked once.
  answer = Promise.withResolvers()
  apply()
  peer.send(get('/c'))
  const no = await answer.promise
  apply({ authorizationPolicies: [...customPolicy(), ...policy('ALLOW', '[{}]', 'all')] })
  no()
  assert.deepEqual([(await peer.response()).status, authority.seen.length], [403, 3])
  // Another authorizer is asked instead, and its answer is the one.
  const other = await httpAuthority(t, yes)
  answer = Promise.withResolvers()
  apply()
  peer.send(get('/d'))
  const late = await answer.promise
  apply({
    mesh: { extensionProviders: [authorizerProvider('http', { pathPrefix: '/v2' })] },
    services: [authorizerService(other.port)],
  })
  assert.equal((await peer.response()).status, 200)
  late()
  assert.equal(other.seen[0]?.url, '/v2/d')
  assert.deepEqual(
    application.requests.map(({ url }) => url),
    ['/b', '/d'],
  )
  assert.equal(harness.unread.length, 4)
  await end()
})

test(
  'a port that turns STRICT serves no plaintext request that still waits for an answer',
  { timeout },
  async (t) => {
    const answer = Promise.withResolvers<() => void>()
    const { application, harness, apply, peer, end } = await setup(t, {
      answer: (_, response) => answer.resolve(() => response.end()),
    })
    peer.send(get('/'))
    await answer.promise
    apply({ inboundPorts: [inboundPort(harness.port, 'http', 'STRICT')] })
    assert.equal(await peer.over(), '')
    assert.equal(application.requests.length, 0)
    await end()
  },
)

test('pipelined requests are asked about in turn and answered in order', { timeout }, async (t) => {
  const { authority, peer, end } = await setup(t, {
    answer: (request, response) => void response.writeHead(request.url === '/2' ? 401 : 200).end(),
  })
  peer.send(get('/1') + get('/2') + get('/3'))
  const answers = [await peer.response(), await peer.response(), await peer.response()]
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 401, 200],
  )
  assert.deepEqual(
    authority.seen.map(({ url }) => url),
    ['/1', '/2', '/3'],
  )
  await end()
})

test('draining waits for the answer, serves by it and closes', { timeout }, async (t) => {
  const answer = Promise.withResolvers<() => void>()
  const { harness, peer } = await setup(t, {
    answer: (_, response) => answer.resolve(() => response.end()),
  })
  peer.send(get('/'))
  const allow = await answer.promise
  harness.thread.hear({ type: 'drain', direction: 'inbound' })
  allow()
  const { status, headers } = await peer.response()
  assert.deepEqual([status, headers['connection']], [200, 'close'])
  await peer.over()
  peer.end()
  await harness.quiet()
  await harness.stop()
})

test('a thread that ends leaves no check behind', { timeout }, async (t) => {
  const asked = Promise.withResolvers<void>()
  const { harness, peer } = await setup(t, { answer: () => asked.resolve(), settings: { failOpen: true } })
  peer.send(get('/'))
  await asked.promise
  await harness.stop()
  await peer.over()
  assert.equal(peer.text, '')
})

test(
  'an authorizer in the mesh is asked over mTLS by its own name, and never in plaintext',
  { timeout },
  async (t) => {
    const { harness, apply, peer, end } = await setup(t, {})
    // The endpoint has a sidecar, so it is spoken to by mTLS; the plaintext authorizer behind the port must not do.
    const { port } = await httpAuthority(t, yes)
    const sidecar = { 'security.istio.io/tlsMode': 'istio' }
    apply({ services: [authorizerService(port, { labels: sidecar, serviceAccount: 'authz' })] })
    peer.send(get('/'))
    assert.equal((await peer.response()).status, 403)
    assert.match(String((await harness.record())['custom']), /^it:error:tls_/)
    await end()
  },
)

test('who asks is told to the authorizer as proven', { timeout }, async (t) => {
  const { authority, harness, end } = await setup(t, {
    settings: { includeRequestHeadersInCheck: ['x-forwarded-client-cert'] },
  })
  const secure = await dialTls(t, harness.port, { identity: client, alpn: ['istio-http/1.1', 'http/1.1'] })
  secure.send(get('/'))
  assert.equal((await secure.response()).status, 200)
  assert.match(
    String(authority.seen[0]?.headers['x-forwarded-client-cert']),
    /URI=spiffe:\/\/cluster.local\/ns\/shop\/sa\/client$/,
  )
  secure.stream.destroy()
  await end()
})
