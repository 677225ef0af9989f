import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { RequestHead } from '../../../src/http1/message.ts'
import { denial, isGrpc, localReply, tokenRefusal } from '../../../src/dataplane/http/deny-response.ts'
import { unreadableHead } from '../../../src/dataplane/http/refusal-text.ts'

const head = (...headers: string[]): RequestHead => ({ ...unreadableHead, headers })
const grpc = head('content-type', 'application/grpc+proto')

test('a denial is Istio’s, to the byte', () => {
  assert.deepEqual(denial(head()), {
    status: 403,
    headers: ['content-type', 'text/plain'],
    body: 'RBAC: access denied',
  })
  assert.equal(Buffer.byteLength(denial(head()).body), 19)
})

test('a gRPC denial is a trailers-only 200', () => {
  const headers = [
    'content-type',
    'application/grpc',
    'grpc-status',
    '7',
    'grpc-message',
    'RBAC: access denied',
  ]
  assert.deepEqual(denial(grpc), { status: 200, headers, body: '' })
})

test('gRPC is application/grpc and application/grpc+something only', () => {
  assert.ok(isGrpc(head('content-type', 'application/grpc')))
  assert.ok(isGrpc(grpc))
  assert.ok(!isGrpc(head('content-type', 'application/grpc-web')))
  assert.ok(!isGrpc(head('content-type', 'application/json')))
  assert.ok(!isGrpc(head()))
})

test('a refused token is 401 with a challenge, 16 for gRPC, and 403 is 7', () => {
  const challenge = 'Bearer realm="http://a/", error="invalid_token"'
  assert.deepEqual(tokenRefusal(head(), 401, 'Jwt is expired', challenge), {
    status: 401,
    headers: ['content-type', 'text/plain', 'www-authenticate', challenge],
    body: 'Jwt is expired',
  })
  assert.equal(tokenRefusal(grpc, 401, 'Jwt is expired', null).headers[3], '16')
  assert.equal(tokenRefusal(grpc, 403, 'Audiences in Jwt are not allowed', null).headers[3], '7')
})

test('a gRPC message is percent-encoded', () => {
  assert.equal(localReply(grpc, 503, 'a%b\n').headers[5], 'a%25b%0A')
})
