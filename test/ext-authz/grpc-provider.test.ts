import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import type { sendUnaryData } from '@grpc/grpc-js'
import { ManualClock } from '../support/manual-clock.ts'
import { at, connection, deadPort, grpcAuthority, provider, rawAuthority, request } from './authorizers.ts'
import type { CheckHttp } from '../../src/ext-authz/check-request.ts'

const ok = { status: { code: 0 } }

async function ask(
  t: TestContext,
  answer: object,
  settings: Record<string, unknown> = {},
  http: CheckHttp | null = request(),
) {
  const authority = await grpcAuthority(t, (_, reply) => reply(null, answer))
  const it = provider(t, 'grpc', at(authority.port), settings, new ManualClock(1_700_000_000_250))
  const outcome = await it.check({ connection, http })
  const [seen] = authority.seen
  assert.ok(seen)
  return { outcome, attributes: seen.attributes, authority, it }
}

const option = (key: string, value: string, append?: boolean) => ({
  header: { key, value },
  ...(append === undefined ? {} : { append: { value: append } }),
})

test('the authorizer is told who asks, whom, and over which name', async (t) => {
  const { attributes, authority } = await ask(t, ok)
  const { source, destination } = attributes
  assert.equal(source.principal, 'spiffe://cluster.local/ns/a/sa/client')
  assert.deepEqual(source.address.socket_address, { address: '10.0.0.7', port_value: 40_000 })
  assert.equal(destination.principal, 'spiffe://cluster.local/ns/b/sa/server')
  assert.deepEqual(destination.address.socket_address, { address: '10.0.0.9', port_value: 8080 })
  assert.equal(attributes.tls_session?.sni, 'outbound_.80_._.b.ns.svc.cluster.local')
  assert.deepEqual(authority.authorities, ['authz.example.com'])
})

test('the authorizer is told the request with all its headers', async (t) => {
  const headers = ['x-role', 'user', 'x-role', 'admin', 'authorization', 'Bearer t', '__proto__', 'yes']
  headers.push('transfer-encoding', 'chunked', 'x-envoy-auth-partial-body', 'false')
  const { attributes } = await ask(t, ok, {}, request({ headers, contentLength: 12 }))
  const http = attributes.request?.http
  assert.deepEqual(attributes.request?.time, { seconds: 1_700_000_000, nanos: 250_000_000 })
  assert.deepEqual(http?.headers, [
    { key: ':authority', value: 'shop.example.com' },
    { key: ':method', value: 'GET' },
    { key: ':path', value: '/orders?id=7' },
    { key: ':scheme', value: 'http' },
    { key: 'x-role', value: 'user,admin' },
    { key: 'authorization', value: 'Bearer t' },
    { key: '__proto__', value: 'yes' },
    { key: 'content-length', value: '12' },
  ])
  const { id, method, path, host, scheme, query, size, protocol, body } = http
  assert.deepEqual([id, method, path, host], ['id-1', 'GET', '/orders?id=7', 'shop.example.com'])
  assert.deepEqual([scheme, query, size, protocol, body], ['http', '', 12, 'HTTP/1.1', ''])
})

test('header bytes that are no UTF-8 are told as exclamation marks, and the check still counts', async (t) => {
  const latin1 = Buffer.from('Jürgen', 'utf8').toString('latin1')
  const headers = ['x-good', latin1, 'x-bad', 'a\xff\xfeb']
  const { outcome, attributes } = await ask(t, ok, { failOpen: true }, request({ headers }))
  assert.equal(outcome.kind, 'allow')
  const told = attributes.request?.http.headers.slice(4)
  assert.deepEqual(told, [
    { key: 'x-good', value: 'Jürgen' },
    { key: 'x-bad', value: 'a!!b' },
  ])
})

test('an included body is text, or bytes with packAsBytes', async (t) => {
  const bytes = Buffer.from([104, 105, 255])
  const rule = { maxRequestBytes: 3, allowPartialMessage: true }
  const text = await ask(
    t,
    ok,
    { includeRequestBodyInCheck: rule },
    request({ body: { bytes, complete: true } }),
  )
  assert.equal(text.attributes.request?.http.body, 'hi!')
  assert.equal(text.attributes.request.http.raw_body.length, 0)
  const packed = await ask(
    t,
    ok,
    { includeRequestBodyInCheck: { ...rule, packAsBytes: true } },
    request({ body: { bytes, complete: false } }),
  )
  assert.equal(packed.attributes.request?.http.body, '')
  assert.deepEqual(packed.attributes.request.http.raw_body, bytes)
  const flag = (seen: typeof text) =>
    seen.attributes.request?.http.headers.find(({ key }) => key === 'x-envoy-auth-partial-body')?.value
  assert.deepEqual([flag(text), flag(packed)], ['false', 'true'])
})

test('OK allows and changes what it says', async (t) => {
  const { outcome } = await ask(t, {
    ...ok,
    ok_response: {
      headers: [option('X-User', 'Jürgen'), option('x-groups', 'a', true), option('x-set', 'b', false)],
      headers_to_remove: ['Authorization', 'Host', ':path', 'content-length'],
      response_headers_to_add: [option('x-seen', '1', true), option('Set-Cookie', 'a=1')],
      query_parameters_to_set: [{ key: 'user', value: 'j&k' }],
      query_parameters_to_remove: ['token'],
    },
  })
  assert.deepEqual(outcome, {
    kind: 'allow',
    setHeaders: ['x-user', Buffer.from('Jürgen').toString('latin1'), 'x-set', 'b'],
    appendHeaders: ['x-groups', 'a'],
    removeHeaders: ['authorization'],
    responseHeaders: ['x-seen', '1', 'set-cookie', 'a=1'],
    responseSetHeaders: [],
    responseAbsentHeaders: [],
    responsePresentHeaders: [],
    query: { set: ['user', 'j&k'], remove: ['token'] },
  })
})

test('an answer without a status is OK, one with a denial beside OK is a denial', async (t) => {
  assert.equal((await ask(t, {})).outcome.kind, 'allow')
  const both = await ask(t, { ...ok, denied_response: { status: { code: 401 } } })
  assert.ok(both.outcome.kind === 'deny')
  assert.equal(both.outcome.status, 401)
})

test('what is ours alone is never set by an authorizer', async (t) => {
  const names = ['host', ':path', ':authority', 'Content-Length', 'Transfer-Encoding', 'Connection', 'te']
  names.push('X-Forwarded-Client-Cert', 'x_forwarded_client_cert', 'upgrade', 'x-envoy-peer-metadata')
  const options = [...names, 'x-fine'].map((name) => option(name, '1'))
  const { outcome } = await ask(t, {
    ...ok,
    ok_response: { headers: options, response_headers_to_add: options, headers_to_remove: names },
  })
  assert.ok(outcome.kind === 'allow')
  assert.deepEqual(outcome.setHeaders, ['x-fine', '1'])
  assert.deepEqual(outcome.responseHeaders, ['x-fine', '1'])
  assert.deepEqual(outcome.removeHeaders, [])
})

test('an allowing answer with a header no head may contain is refused, even with failOpen', async (t) => {
  const bad: [string, string][] = [
    ['x-a', 'b\r\nx-admin: yes'],
    ['x a', 'b'],
    ['', 'b'],
    ['x-long', 'x'.repeat(16_385)],
  ]
  for (const [key, value] of bad) {
    const { outcome } = await ask(
      t,
      { ...ok, ok_response: { headers: [option(key, value)] } },
      { failOpen: true },
    )
    assert.ok(outcome.kind === 'error', key)
    assert.deepEqual([outcome.allowed, outcome.reason], [false, 'unsafe_header'])
  }
})

test('a denial has its status, headers and body, 403 when it names none', async (t) => {
  const plain = await ask(t, { status: { code: 7 } })
  assert.deepEqual(plain.outcome, {
    kind: 'deny',
    status: 403,
    headers: [],
    body: Buffer.alloc(0),
    details: 'ext_authz_denied',
  })
  const full = await ask(t, {
    status: { code: 16 },
    denied_response: {
      status: { code: 401 },
      headers: [option('WWW-Authenticate', 'Basic'), option('x-bad', 'a\nb'), option('date', 'now')],
      body: Buffer.from('no'),
    },
  })
  assert.ok(full.outcome.kind === 'deny')
  assert.equal(full.outcome.status, 401)
  assert.deepEqual(full.outcome.headers, ['www-authenticate', 'Basic', 'content-type', 'text/plain'])
  assert.equal(full.outcome.body.toString(), 'no')
})

test('a denial cannot have an interim or invented status', async (t) => {
  for (const code of [100, 199, 600, -1]) {
    const { outcome } = await ask(t, { status: { code: 7 }, denied_response: { status: { code } } })
    assert.ok(outcome.kind === 'deny')
    assert.equal(outcome.status, 403)
  }
})

test('every code but OK denies', async (t) => {
  for (const code of [1, 2, 5, 7, 13, 14, 16, 99]) {
    const { outcome } = await ask(t, { status: { code }, ok_response: {} }, { failOpen: true })
    assert.equal(outcome.kind, 'deny')
  }
})

test("an authorizer's own error_response is an error with its status", async (t) => {
  const answer = { status: { code: 13 }, error_response: { status: { code: 503 } } }
  const { outcome } = await ask(t, answer)
  assert.ok(outcome.kind === 'error')
  assert.deepEqual([outcome.allowed, outcome.status], [false, 503])
  const open = await ask(t, answer, { failOpen: true })
  assert.ok(open.outcome.kind === 'error' && open.outcome.allowed)
})

async function failing(t: TestContext, answer: (reply: sendUnaryData<object>) => void, failOpen: boolean) {
  const authority = await grpcAuthority(t, (_, reply) => answer(reply))
  const it = provider(t, 'grpc', at(authority.port), { failOpen, statusOnError: '503' })
  return it.check({ connection, http: request() })
}

test('a call that fails is an error, whatever status it fails with', async (t) => {
  for (const code of [7, 12, 14, 16]) {
    for (const failOpen of [false, true]) {
      const outcome = await failing(t, (reply) => reply({ code, details: 'secret' }), failOpen)
      assert.ok(outcome.kind === 'error')
      assert.deepEqual([outcome.allowed, outcome.status], [failOpen, 503])
      assert.match(outcome.reason, /^grpc_[A-Z_]+$/)
    }
  }
})

test('an authorizer that nobody reaches, or that speaks no gRPC, is an error', async (t) => {
  for (const port of [await deadPort(), await rawAuthority(t, 'HTTP/1.1 200 OK\r\n\r\n')]) {
    const outcome = await provider(t, 'grpc', at(port)).check({ connection, http: request() })
    assert.ok(outcome.kind === 'error' && !outcome.allowed)
    assert.equal(outcome.reason, 'grpc_UNAVAILABLE')
  }
})

test('an authorizer that does not answer in time is an error', async (t) => {
  const asked = Promise.withResolvers<undefined>()
  const authority = await grpcAuthority(t, () => asked.resolve(undefined))
  const clock = new ManualClock()
  const it = provider(t, 'grpc', at(authority.port), { timeout: '100ms' }, clock)
  const waiting = it.check({ connection, http: request() })
  await asked.promise
  clock.advance(100)
  const outcome = await waiting
  assert.ok(outcome.kind === 'error')
  assert.equal(outcome.reason, 'timeout')
  assert.deepEqual([clock.pending, it.inFlight], [0, 0])
})

test('a TCP check tells both peers and no request', async (t) => {
  const allowed = await ask(t, ok, {}, null)
  assert.equal(allowed.outcome.kind, 'allow')
  assert.equal(allowed.attributes.request, null)
  assert.equal(allowed.attributes.source.principal, 'spiffe://cluster.local/ns/a/sa/client')
  assert.equal((await ask(t, { status: { code: 7 } }, {}, null)).outcome.kind, 'deny')
})

test('an HTTP authorizer is never taken to have allowed a TCP connection', async (t) => {
  const it = provider(t, 'http', at(await deadPort()), { failOpen: true })
  const outcome = await it.check({ connection, http: null })
  assert.ok(outcome.kind === 'error' && !outcome.allowed)
})

test('checks share one channel, and a protected one is not shared with plaintext', async (t) => {
  const authority = await grpcAuthority(t, (_, reply) => reply(null, ok))
  const handshakes: string[] = []
  const secure = provider(
    t,
    'grpc',
    at(authority.port, async (socket, alpn) => {
      handshakes.push(alpn)
      return socket
    }),
  )
  for (let i = 0; i < 4; i++) {
    assert.equal((await secure.check({ connection, http: request() })).kind, 'allow')
  }
  assert.deepEqual(handshakes, ['h2'])
  const refused = provider(
    t,
    'grpc',
    at(authority.port, () => Promise.reject(new Error('wrong peer'))),
  )
  assert.equal((await refused.check({ connection, http: request() })).kind, 'error')
  assert.equal(authority.seen.length, 4)
})
