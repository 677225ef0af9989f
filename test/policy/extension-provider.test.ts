import { test } from 'node:test'
import assert from 'node:assert/strict'
import { decodeAuthorizer } from '../../src/policy/extension-provider.ts'
import type { GrpcAuthorizer, HttpAuthorizer } from '../../src/policy/extension-provider.ts'

const least = { service: 'authz.ns.svc.cluster.local', port: 9000 }

function http(more: object): HttpAuthorizer {
  const decoded = decodeAuthorizer('http', { ...least, ...more }, 'p')
  assert.ok(decoded.ok && decoded.settings.kind === 'http', decoded.ok ? '' : decoded.reason)
  return decoded.settings
}

function grpc(more: object): GrpcAuthorizer {
  const decoded = decodeAuthorizer('grpc', { ...least, ...more }, 'p')
  assert.ok(decoded.ok && decoded.settings.kind === 'grpc', decoded.ok ? '' : decoded.reason)
  return decoded.settings
}

function refusal(more: object, kind: 'http' | 'grpc' = 'http'): string {
  const decoded = decodeAuthorizer(kind, { ...least, ...more }, 'p')
  return decoded.ok ? 'accepted' : decoded.reason
}

test("what is left out has Istio's defaults", () => {
  const shared = {
    service: { namespace: null, host: 'authz.ns.svc.cluster.local' },
    port: 9000,
    timeoutMs: 600_000,
    failOpen: false,
    statusOnError: 403,
    clearRouteCache: false,
    body: null,
  }
  assert.deepEqual(grpc({}), { kind: 'grpc', ...shared })
  assert.deepEqual(http({}), {
    kind: 'http',
    ...shared,
    pathPrefix: '',
    requestHeaders: [],
    additionalHeaders: [],
    toUpstreamOnAllow: [],
    toDownstreamOnAllow: [],
    toDownstreamOnDeny: null,
  })
})

test('every field is read, in either spelling', () => {
  const settings = http({
    service: 'ns/Authz.example.com',
    timeout: '1.5s',
    fail_open: true,
    statusOnError: '503',
    clearRouteCache: true,
    pathPrefix: '/check',
    includeRequestHeadersInCheck: ['X-User', 'x-a-*', '*-id'],
    includeAdditionalHeadersInCheck: { 'X-Fixed': 'yes' },
    includeRequestBodyInCheck: { maxRequestBytes: 10, allowPartialMessage: true, packAsBytes: true },
    headersToUpstreamOnAllow: ['authorization'],
    headersToDownstreamOnAllow: ['set-cookie'],
    headersToDownstreamOnDeny: ['x-why'],
  })
  assert.deepEqual(settings, {
    kind: 'http',
    service: { namespace: 'ns', host: 'authz.example.com' },
    port: 9000,
    timeoutMs: 1500,
    failOpen: true,
    statusOnError: 503,
    clearRouteCache: true,
    body: { maxRequestBytes: 10, allowPartialMessage: true, packAsBytes: true },
    pathPrefix: '/check',
    requestHeaders: [
      { kind: 'exact', text: 'x-user' },
      { kind: 'prefix', text: 'x-a-' },
      { kind: 'suffix', text: '-id' },
    ],
    additionalHeaders: ['x-fixed', 'yes'],
    toUpstreamOnAllow: [{ kind: 'exact', text: 'authorization' }],
    toDownstreamOnAllow: [{ kind: 'exact', text: 'set-cookie' }],
    toDownstreamOnDeny: [{ kind: 'exact', text: 'x-why' }],
  })
})

test('includeHeadersInCheck counts only where the newer name is empty', () => {
  const old = { includeHeadersInCheck: ['x-old'] }
  assert.deepEqual(http(old).requestHeaders, [{ kind: 'exact', text: 'x-old' }])
  assert.deepEqual(http({ ...old, includeRequestHeadersInCheck: ['x-new'] }).requestHeaders, [
    { kind: 'exact', text: 'x-new' },
  ])
})

test('empty text and lists are as absent', () => {
  const settings = http({ statusOnError: '', pathPrefix: '', headersToDownstreamOnDeny: [] })
  assert.deepEqual([settings.statusOnError, settings.pathPrefix], [403, ''])
  assert.equal(settings.toDownstreamOnDeny, null)
})

test('every wrong field is named with what was expected', () => {
  const cases: [object, RegExp][] = [
    [{ service: null }, /^p\.service: must be set$/],
    [{ service: 'a/b/c' }, /^p\.service: expected "host" or "namespace\/host"/],
    [{ service: 'UP/host' }, /^p\.service/],
    [{ service: '*.example.com' }, /^p\.service/],
    [{ port: 0 }, /^p\.port: expected a whole number from 1 to 65535/],
    [{ port: null }, /^p\.port: must be set$/],
    [{ timeout: '0s' }, /^p\.timeout: expected a duration from "1ms" to "1h"/],
    [{ timeout: '2h' }, /^p\.timeout/],
    [{ timeout: 'soon' }, /^p\.timeout/],
    [{ failOpen: 'yes' }, /^p\.failOpen: expected true or false/],
    [{ statusOnError: '599' }, /^p\.statusOnError: expected a known HTTP status/],
    [{ statusOnError: '100' }, /^p\.statusOnError/],
    [{ statusOnError: 'many' }, /^p\.statusOnError/],
    [{ statusOnError: 503 }, /^p\.statusOnError.*put it in quotes/],
    [{ pathPrefix: 'check' }, /^p\.pathPrefix: expected a path that begins with "\/"/],
    [{ pathPrefix: '/a?b' }, /^p\.pathPrefix/],
    [{ includeRequestHeadersInCheck: ['*'] }, /^p\.includeRequestHeadersInCheck\[0\]: a lone "\*"/],
    [{ headersToUpstreamOnAllow: ['x', '*'] }, /^p\.headersToUpstreamOnAllow\[1\]: a lone "\*"/],
    [{ headersToDownstreamOnAllow: ['a b'] }, /^p\.headersToDownstreamOnAllow\[0\]: expected a header name/],
    [{ headersToDownstreamOnDeny: [''] }, /^p\.headersToDownstreamOnDeny\[0\]/],
    [{ includeAdditionalHeadersInCheck: { 'a b': 'x' } }, /no header name/],
    [{ includeAdditionalHeadersInCheck: { Host: 'x' } }, /"Host" cannot be fixed/],
    [{ includeAdditionalHeadersInCheck: { 'Content-Length': '1' } }, /cannot be fixed/],
    [{ includeAdditionalHeadersInCheck: { a: '1', A: '2' } }, /given twice/],
    [{ includeAdditionalHeadersInCheck: { a: 'se\ncret' } }, /printable ASCII$/],
    [{ includeRequestBodyInCheck: {} }, /^p\.includeRequestBodyInCheck\.maxRequestBytes: must be set$/],
    [{ includeRequestBodyInCheck: { maxRequestBytes: 0 } }, /whole number from 1/],
    [{ includeRequestBodyInCheck: { maxRequestBytes: 1, partial: true } }, /unknown field "partial"/],
    [{ failopen: true }, /unknown field "failopen"; did you mean "failOpen"\?/],
  ]
  for (const [more, wanted] of cases) assert.match(refusal(more), wanted, JSON.stringify(more))
})

test('the value of a fixed header is not quoted in a message', () => {
  assert.doesNotMatch(refusal({ includeAdditionalHeadersInCheck: { a: 'hunter2\n' } }), /hunter2/)
})

test('fields of HTTP alone are refused for gRPC', () => {
  for (const key of ['pathPrefix', 'includeRequestHeadersInCheck', 'headersToUpstreamOnAllow']) {
    assert.match(refusal({ [key]: [] }, 'grpc'), new RegExp(`unknown field "${key}"`))
  }
})

test('anything but a map is refused, never thrown', () => {
  for (const input of [null, undefined, 1, 'x', [], () => 1]) {
    assert.equal(decodeAuthorizer('http', input, 'p').ok, false)
  }
})
