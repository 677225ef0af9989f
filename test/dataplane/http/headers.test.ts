import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { RequestHead, ResponseHead } from '../../../src/http1/message.ts'
import { Framing } from '../../../src/http1/message.ts'
import {
  rewriteInterim,
  rewriteRequest,
  rewriteResponse,
  safeTrailers,
  upgrades,
} from '../../../src/dataplane/http/headers.ts'

const plain = { clientCertElement: '', proto: 'http' } as const
const element = 'By=spiffe://td/ns/b/sa/b;Hash=00;Subject="";URI=spiffe://td/ns/a/sa/a'
const mutual = { clientCertElement: element, proto: 'https' } as const

function request(headers: string[], over: Partial<RequestHead> = {}): RequestHead {
  return {
    method: 'GET',
    target: '/',
    version: 11,
    headers,
    framing: Framing.None,
    contentLength: -1,
    keepAlive: true,
    host: 'a',
    expectContinue: false,
    upgrade: '',
    ...over,
  }
}

function response(headers: string[], over: Partial<ResponseHead> = {}): ResponseHead {
  return {
    status: 200,
    reason: 'OK',
    version: 11,
    headers,
    framing: Framing.Length,
    contentLength: 2,
    keepAlive: true,
    ...over,
  }
}

const known = ['x-request-id', 'id', 'x-forwarded-proto', 'http']

function forwarded(headers: string[], over: Partial<RequestHead> = {}): string[] {
  return rewriteRequest(request([...headers, ...known], over), 'a', plain).headers
}

test('end-to-end headers pass in order, unmerged, and hop-by-hop ones end here', () => {
  const headers = [
    ...[
      'x-a',
      '1',
      'host',
      'ignored',
      'connection',
      'keep-alive',
      'keep-alive',
      'timeout=5',
      'proxy-connection',
      'close',
    ],
    ...[
      'te',
      'gzip',
      'transfer-encoding',
      'chunked',
      'upgrade',
      'h2c',
      'http2-settings',
      'AAMA',
      'x-a',
      '2',
      'cookie',
      'k=v',
    ],
  ]
  assert.deepEqual(forwarded(headers), ['host', 'a', 'x-a', '1', 'x-a', '2', 'cookie', 'k=v', ...known])
})

test('te is kept as trailers only', () => {
  assert.deepEqual(forwarded(['te', 'gzip;q=0.5, Trailers', 'connection', 'TE']), [
    'host',
    'a',
    'te',
    'trailers',
    ...known,
  ])
})

test('what Connection nominates is dropped, in whatever order the two stand', () => {
  assert.deepEqual(forwarded(['x-hop', '1', 'connection', 'close, X-Hop , x-hop2', 'x-hop2', '2']), [
    'host',
    'a',
    ...known,
  ])
})

test('security headers cannot be nominated away', () => {
  const trusted = [
    'authorization',
    'Bearer t',
    'x-forwarded-for',
    '10.0.0.1',
    'x-real-ip',
    '10.0.0.1',
    'content-length',
    '0',
  ]
  const nominations = [
    'connection',
    'host, authorization, X-Forwarded-For, x-forwarded-proto, x-request-id, x-real-ip, content-length',
  ]
  const got = forwarded([...nominations, ...trusted], { framing: Framing.Length, contentLength: 0 })
  assert.deepEqual(got, ['host', 'a', ...trusted, ...known])
})

test('a nomination does not remove what we set ourselves', () => {
  const head = request(['connection', 'x-forwarded-client-cert, x-request-id', ...known])
  assert.deepEqual(rewriteRequest(head, 'a', mutual).headers.slice(-2), ['x-forwarded-client-cert', element])
})

test('a forged client certificate header never passes without mTLS, in no spelling and no number', () => {
  const forged = [
    'x-forwarded-client-cert',
    'By=x',
    'x-forwarded-client-cert',
    'URI=y',
    'x_forwarded_client_cert',
    'URI=z',
  ]
  assert.deepEqual(forwarded([...forged, 'x_forwarded-client_cert', 'q']), ['host', 'a', ...known])
})

test('with mTLS the own element is appended to what the peer sent', () => {
  const head = request(['x-forwarded-client-cert', 'URI=one', 'x-forwarded-client-cert', 'URI=two', ...known])
  const got = rewriteRequest(head, 'a', mutual).headers
  assert.deepEqual(got, ['host', 'a', ...known, 'x-forwarded-client-cert', `URI=one,URI=two,${element}`])
})

test('request id and forwarded proto are kept or made, never doubled', () => {
  const made = rewriteRequest(request([]), 'a', mutual)
  assert.match(made.requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.deepEqual(made.headers.slice(0, 6), [
    'host',
    'a',
    'x-request-id',
    made.requestId,
    'x-forwarded-proto',
    'https',
  ])
  const kept = rewriteRequest(
    request(['x-request-id', 'one', 'x-request-id', 'two', 'x-forwarded-proto', 'https']),
    'a',
    plain,
  )
  assert.equal(kept.requestId, 'one')
  assert.deepEqual(kept.headers, ['host', 'a', 'x-request-id', 'one', 'x-forwarded-proto', 'https'])
})

test('private proxy headers are stripped from requests', () => {
  assert.deepEqual(
    forwarded(['x-envoy-retry-on', '5xx', 'x-envoy-peer-metadata', 'CgA=', 'x-envoy-peer-metadata-id', 's']),
    ['host', 'a', ...known],
  )
})

test('a 1.0 request loses its Expect, and a body keeps its framing', () => {
  assert.deepEqual(forwarded(['expect', '100-continue'], { version: 10 }), ['host', 'a', ...known])
  assert.deepEqual(forwarded(['expect', '100-continue']), ['host', 'a', 'expect', '100-continue', ...known])
  const chunked = forwarded(['transfer-encoding', 'chunked'], { framing: Framing.Chunked })
  assert.deepEqual(chunked.slice(-2), ['transfer-encoding', 'chunked'])
})

test('only a WebSocket upgrade of a bodiless GET goes on', () => {
  const offer = ['connection', 'Upgrade', 'upgrade', 'websocket']
  assert.deepEqual(forwarded(offer, { upgrade: 'websocket' }).slice(-4), [
    'connection',
    'upgrade',
    'upgrade',
    'websocket',
  ])
  assert.equal(upgrades(request(offer, { upgrade: 'h2c' })), false)
  assert.equal(upgrades(request(offer, { upgrade: 'websocket', method: 'POST' })), false)
  assert.equal(
    upgrades(request(offer, { upgrade: 'websocket', framing: Framing.Length, contentLength: 3 })),
    false,
  )
  assert.equal(upgrades(request(offer, { upgrade: 'websocket', version: 10 })), false)
})

test('responses get our server and a date, and lose metadata and hop-by-hop', () => {
  const rule = { server: 'istio-envoy', serviceTime: true }
  const input = [
    ...[
      'server',
      'nginx',
      'connection',
      'close, x-hop',
      'keep-alive',
      'timeout=5',
      'transfer-encoding',
      'chunked',
      'x-hop',
      '1',
    ],
    ...[
      'x-envoy-peer-metadata',
      'x',
      'x-envoy-peer-metadata-id',
      'y',
      'x-envoy-decorator-operation',
      'z',
      'content-length',
      '2',
    ],
    ...['x-envoy-upstream-service-time', '9', 'set-cookie', 'a=1', 'set-cookie', 'b=2', 'date', 'D'],
  ]
  assert.deepEqual(rewriteResponse(response(input), rule, 7), [
    ...['content-length', '2', 'set-cookie', 'a=1', 'set-cookie', 'b=2', 'date', 'D'],
    ...['x-envoy-upstream-service-time', '7', 'server', 'istio-envoy'],
  ])
  const bare = rewriteResponse(response([]), { server: 'envoy', serviceTime: false }, 7)
  assert.equal(bare[0], 'date')
  assert.match(bare[1] as string, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
  assert.deepEqual(bare.slice(2), ['server', 'envoy'])
})

test('a 204 carries no content-length', () => {
  const got = rewriteResponse(
    response(['content-length', '0', 'date', 'D'], { status: 204 }),
    { server: 's', serviceTime: false },
    0,
  )
  assert.deepEqual(got, ['date', 'D', 'server', 's'])
})

test('interim responses pass without hop-by-hop', () => {
  assert.deepEqual(rewriteInterim(response(['link', '</a>', 'connection', 'x', 'x-envoy-y', '1'])), [
    'link',
    '</a>',
  ])
})

test('trailers that would reframe, route or identify are dropped', () => {
  const smuggled = [
    'content-length',
    '9',
    'host',
    'evil',
    'authorization',
    'x',
    'transfer-encoding',
    'chunked',
    'X'.toLowerCase(),
    '1',
  ]
  assert.deepEqual(
    safeTrailers([
      ...smuggled,
      'x-forwarded-client-cert',
      'f',
      'x_forwarded-client_cert',
      'f',
      'grpc-status',
      '0',
    ]),
    ['x', '1', 'grpc-status', '0'],
  )
  assert.equal(safeTrailers(['connection', 'close']), null)
})
