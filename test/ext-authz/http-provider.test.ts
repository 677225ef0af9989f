import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { ManualClock } from '../support/manual-clock.ts'
import { at, connection, deadPort, httpAuthority, provider, rawAuthority, request } from './authorizers.ts'
import type { SeenRequest } from './authorizers.ts'

const ok = (_: SeenRequest, response: ServerResponse): void => void response.end()

function answering(status: number, headers: Record<string, string | string[]> = {}, body = '') {
  return (_: SeenRequest, response: ServerResponse): void => {
    response.writeHead(status, headers)
    response.end(body)
  }
}

async function ask(
  t: TestContext,
  answer: (request: SeenRequest, response: ServerResponse) => void,
  settings: Record<string, unknown> = {},
  subject = request(),
) {
  const authority = await httpAuthority(t, answer)
  const it = provider(t, 'http', at(authority.port), settings)
  const outcome = await it.check({ connection, http: subject })
  return { outcome, seen: authority.seen[0], it, authority }
}

test('method, path with query and host are the original ones, and there is no body', async (t) => {
  const { outcome, seen } = await ask(t, ok, {}, request({ method: 'POST' }))
  assert.equal(outcome.kind, 'allow')
  assert.equal(seen?.method, 'POST')
  assert.equal(seen.url, '/orders?id=7')
  assert.equal(seen.headers.host, 'shop.example.com')
  assert.equal(seen.headers['content-length'], '0')
  assert.equal(seen.headers['x-envoy-auth-partial-body'], undefined)
})

test('pathPrefix comes before the path, and dots stay dots', async (t) => {
  const target = '/a/../b/%2e%2e//c?x=../y'
  const { seen } = await ask(t, ok, { pathPrefix: '/check' }, request({ target }))
  assert.equal(seen?.url, `/check${target}`)
})

test('a request for * is asked about as a path', async (t) => {
  const { seen } = await ask(t, ok, {}, request({ method: 'OPTIONS', target: '*' }))
  assert.equal(seen?.url, '/*')
})

test('Authorization is sent always, other headers when listed, with all their values', async (t) => {
  const headers = ['authorization', 'Bearer t', 'x-a-one', '1', 'x-role', 'user', 'x-role', 'admin']
  headers.push('cookie', 'a=1', 'cookie', 'b=2', 'x-other', 'no', 'the-id', '9')
  const settings = { includeRequestHeadersInCheck: ['X-Role', 'x-a-*', '*-ID', 'cookie'] }
  const { seen } = await ask(t, ok, settings, request({ headers }))
  assert.equal(seen?.headers.authorization, 'Bearer t')
  assert.equal(seen.headers['x-role'], 'user,admin')
  assert.equal(seen.headers['x-a-one'], '1')
  assert.equal(seen.headers['the-id'], '9')
  assert.equal(seen.headers.cookie, 'a=1; b=2')
  assert.equal(seen.headers['x-other'], undefined)
  assert.equal(seen.raw.filter((text) => text.toLowerCase() === 'x-role').length, 1)
})

test("additional headers override the client's", async (t) => {
  const headers = ['x-fixed', 'forged', 'authorization', 'Bearer client']
  const { seen } = await ask(
    t,
    ok,
    {
      includeRequestHeadersInCheck: ['x-fixed'],
      includeAdditionalHeadersInCheck: { 'X-Fixed': 'ours', authorization: 'Basic own' },
    },
    request({ headers }),
  )
  assert.equal(seen?.headers['x-fixed'], 'ours')
  assert.equal(seen.headers.authorization, 'Basic own')
})

test("framing and hop-by-hop fields of the client's message are not told", async (t) => {
  const headers = ['connection', 'x-a', 'transfer-encoding', 'chunked', 'te', 'trailers', 'x-b', '2']
  headers.push('expect', '100-continue', 'upgrade', 'x', 'content-length', '99', 'host', 'other')
  headers.push('x-envoy-auth-partial-body', 'false', 'connection-x', '1')
  const settings = { includeRequestHeadersInCheck: ['x-*', 'te', 'c*', '*e', 't*', 'expect', 'host'] }
  const { outcome, seen } = await ask(t, ok, settings, request({ headers }))
  assert.equal(outcome.kind, 'allow')
  assert.deepEqual(Object.keys(seen?.headers ?? {}).sort(), ['connection', 'connection-x', 'host', 'x-b'])
  assert.equal(seen?.headers.connection, 'keep-alive')
  assert.equal(seen?.headers.host, 'shop.example.com')
})

test('an included body is sent with its length and whether it is partial', async (t) => {
  const settings = { includeRequestBodyInCheck: { maxRequestBytes: 5, allowPartialMessage: true } }
  for (const complete of [true, false]) {
    const body = { bytes: Buffer.from([0, 255, 65, 66, 67]), complete }
    const { seen } = await ask(t, ok, settings, request({ method: 'POST', body, contentLength: 5 }))
    assert.equal(seen?.body, '\x00\xffABC')
    assert.equal(seen.headers['content-length'], '5')
    assert.equal(seen.headers['x-envoy-auth-partial-body'], String(!complete))
  }
})

test('200 allows with the listed headers replaced, and those for the client added', async (t) => {
  const { outcome } = await ask(
    t,
    answering(200, {
      'X-User': 'jane',
      'x-multi': ['1', '2'],
      'set-cookie': ['a=1', 'b=2'],
      'x-private': 'no',
      'x-envoy-auth-headers-to-remove': 'Authorization, x-gone,host, content-length,:path, bad name',
    }),
    { headersToUpstreamOnAllow: ['x-user', 'x-multi'], headersToDownstreamOnAllow: ['Set-Cookie'] },
  )
  assert.deepEqual(outcome, {
    kind: 'allow',
    setHeaders: ['x-user', 'jane', 'x-multi', '1', 'x-multi', '2'],
    appendHeaders: [],
    removeHeaders: ['authorization', 'x-gone'],
    responseHeaders: ['set-cookie', 'a=1', 'set-cookie', 'b=2'],
    responseSetHeaders: [],
    responseAbsentHeaders: [],
    responsePresentHeaders: [],
    query: null,
  })
})

test('without lists 200 changes nothing', async (t) => {
  const { outcome } = await ask(t, answering(200, { 'x-user': 'jane', 'set-cookie': 'a=1' }))
  assert.ok(outcome.kind === 'allow')
  assert.deepEqual([...outcome.setHeaders, ...outcome.removeHeaders, ...outcome.responseHeaders], [])
})

test('what is ours alone is never set upstream, whatever the lists say', async (t) => {
  const bytes =
    'HTTP/1.1 200 OK\r\nHost: evil\r\nX-Forwarded-Client-Cert: URI=x\r\nx_forwarded_client_cert: URI=y\r\n' +
    'Upgrade: h2c\r\nTE: trailers\r\nKeep-Alive: 1\r\nX-Envoy-Original-Path: /\r\nX-Hop: 1\r\nX-Fine: yes\r\n' +
    'Connection: close, x-hop\r\nContent-Length: 0\r\n\r\n'
  const port = await rawAuthority(t, bytes)
  const patterns = ['x-*', 'x_*', 'host', 'upgrade', 'te', 'keep-alive', 'connection', 'content-length']
  const it = provider(t, 'http', at(port), {
    headersToUpstreamOnAllow: patterns,
    headersToDownstreamOnAllow: patterns,
  })
  const outcome = await it.check({ connection, http: request() })
  assert.ok(outcome.kind === 'allow')
  assert.deepEqual(outcome.setHeaders, ['x-fine', 'yes'])
  assert.deepEqual(outcome.responseHeaders, ['x-fine', 'yes'])
})

for (const status of [201, 202, 204, 302, 304, 400, 401, 403, 404, 429, 499]) {
  test(`${status} denies with the authorizer's status`, async (t) => {
    const { outcome } = await ask(t, answering(status), { failOpen: true })
    assert.ok(outcome.kind === 'deny')
    assert.equal(outcome.status, status)
    assert.equal(outcome.details, 'ext_authz_denied')
  })
}

const refusing = answering(
  401,
  {
    'x-why': 'no token',
    'www-authenticate': 'Basic',
    location: '/login',
    'x-other': '1',
    'set-cookie': ['a=1', 'b=2'],
    server: 'authz',
    'content-type': 'text/html',
    'x-envoy-upstream-service-time': '3',
  },
  '<p>no</p>',
)

test('a denial without a list carries all headers and the body', async (t) => {
  const { outcome } = await ask(t, refusing)
  assert.ok(outcome.kind === 'deny')
  assert.equal(outcome.body.toString(), '<p>no</p>')
  assert.deepEqual(outcome.headers, [
    ...['x-why', 'no token', 'www-authenticate', 'Basic', 'location', '/login', 'x-other', '1'],
    ...['set-cookie', 'a=1', 'set-cookie', 'b=2', 'content-type', 'text/html'],
  ])
})

test('a denial with a list carries those headers, WWW-Authenticate and Location', async (t) => {
  const { outcome } = await ask(t, refusing, { headersToDownstreamOnDeny: ['X-Why'] })
  assert.ok(outcome.kind === 'deny')
  const always = ['www-authenticate', 'Basic', 'location', '/login', 'content-type', 'text/plain']
  assert.deepEqual(outcome.headers, ['x-why', 'no token', ...always])
})

test('a redirect is passed on and not followed', async (t) => {
  const { outcome, authority } = await ask(t, answering(302, { location: '/again' }))
  assert.ok(outcome.kind === 'deny')
  assert.equal(authority.seen.length, 1)
})

for (const status of [500, 502, 503, 504]) {
  test(`${status} is an error: failOpen and statusOnError decide`, async (t) => {
    const closed = await ask(t, answering(status, {}, 'trace'), { statusOnError: '503' })
    assert.deepEqual(closed.outcome, {
      kind: 'error',
      allowed: false,
      status: 503,
      details: 'ext_authz_error',
      reason: `status_${status}`,
    })
    const open = await ask(t, answering(status), { failOpen: true })
    assert.ok(open.outcome.kind === 'error' && open.outcome.allowed)
    assert.equal(open.outcome.status, 403)
    assert.deepEqual(
      { ...open.it.counters },
      {
        ...{ checks: 1, allowed: 0, denied: 0, errors: 1, failedOpen: 1, cancelled: 0 },
      },
    )
  })
}

test('an authorizer that nobody reaches is an error', async (t) => {
  const port = await deadPort()
  for (const failOpen of [false, true]) {
    const outcome = await provider(t, 'http', at(port), { failOpen }).check({ connection, http: request() })
    assert.ok(outcome.kind === 'error')
    assert.deepEqual([outcome.allowed, outcome.status, outcome.reason], [failOpen, 403, 'ECONNREFUSED'])
  }
})

test('an authorizer that does not answer in time is an error', async (t) => {
  const port = await rawAuthority(t, null)
  const clock = new ManualClock()
  for (const failOpen of [false, true]) {
    const it = provider(t, 'http', at(port), { failOpen, timeout: '2s' }, clock)
    const waiting = it.check({ connection, http: request() })
    clock.advance(1999)
    assert.equal(it.inFlight, 1)
    clock.advance(1)
    const outcome = await waiting
    assert.ok(outcome.kind === 'error')
    assert.deepEqual([outcome.allowed, outcome.reason], [failOpen, 'timeout'])
    assert.equal(it.inFlight, 0)
  }
  assert.equal(clock.pending, 0)
})

test('an answer that is no HTTP is an error, a 200 that breaks off too, a 403 that breaks off denies', async (t) => {
  const ask = async (bytes: string) => {
    const it = provider(t, 'http', at(await rawAuthority(t, bytes)), { failOpen: true })
    return it.check({ connection, http: request() })
  }
  assert.equal((await ask('SSH-2.0-x\r\n\r\n')).kind, 'error')
  assert.equal((await ask('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab')).kind, 'error')
  assert.equal((await ask('HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nab')).kind, 'deny')
})

test('a client that goes away ends its check', async (t) => {
  const port = await rawAuthority(t, null)
  const it = provider(t, 'http', at(port), { failOpen: true })
  const gone = new AbortController()
  const waiting = it.check({ connection, http: request() }, gone.signal)
  gone.abort()
  const outcome = await waiting
  assert.ok(outcome.kind === 'error' && !outcome.allowed)
  assert.deepEqual([it.counters.cancelled, it.counters.errors, it.inFlight], [1, 0, 0])
})

test('checks share connections', async (t) => {
  const authority = await httpAuthority(t, ok)
  const it = provider(t, 'http', at(authority.port))
  for (let i = 0; i < 5; i++) await it.check({ connection, http: request({ method: 'POST' }) })
  assert.equal(authority.seen.length, 5)
  // A connection may still be finishing one answer when the next check wants one.
  assert.ok(authority.sockets.size <= 2)
})

test('a request that cannot be told is refused, even with failOpen', async (t) => {
  const headers = ['x-a', 'line\nbreak']
  const settings = { includeRequestHeadersInCheck: ['x-a'], failOpen: true }
  const { outcome, seen } = await ask(t, ok, settings, request({ headers }))
  assert.equal(seen, undefined)
  assert.ok(outcome.kind === 'error')
  assert.deepEqual([outcome.allowed, outcome.reason], [false, 'unsendable_check'])
})

test('header values beyond ASCII arrive byte for byte', async (t) => {
  const headers = ['x-name', 'J\xf6rg \xff']
  const { seen } = await ask(t, ok, { includeRequestHeadersInCheck: ['x-name'] }, request({ headers }))
  assert.equal(seen?.headers['x-name'], 'J\xf6rg \xff')
})

test('an allowing answer with more headers than a request may get is refused', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-h-${i}`, 'v']))
  const settings = { headersToUpstreamOnAllow: ['x-h-*'], failOpen: true }
  const { outcome } = await ask(t, answering(200, many), settings)
  assert.ok(outcome.kind === 'error')
  assert.deepEqual([outcome.allowed, outcome.reason], [false, 'too_many_headers'])
})

test('a denial with too long a body is still a denial', async (t) => {
  const { outcome } = await ask(t, answering(403, {}, 'x'.repeat(1024 * 1024 + 1)))
  assert.ok(outcome.kind === 'deny')
  assert.equal(outcome.body.length, 0)
})

test('a protected authorizer is asked over the protected socket, never beside it', async (t) => {
  const authority = await httpAuthority(t, ok)
  const asked: string[] = []
  const secured = provider(
    t,
    'http',
    at(authority.port, async (socket, alpn) => {
      asked.push(alpn)
      return socket
    }),
  )
  assert.equal((await secured.check({ connection, http: request() })).kind, 'allow')
  assert.deepEqual(asked, ['http/1.1'])
  const refused = provider(
    t,
    'http',
    at(authority.port, () => Promise.reject(new Error('wrong peer'))),
  )
  assert.equal((await refused.check({ connection, http: request() })).kind, 'error')
  assert.equal(authority.seen.length, 1)
})
