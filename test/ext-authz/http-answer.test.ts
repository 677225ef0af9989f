import { test } from 'node:test'
import assert from 'node:assert/strict'
import { decodeAuthorizer } from '../../src/policy/extension-provider.ts'
import { readGrpcAnswer } from '../../src/ext-authz/grpc-answer.ts'
import type { CheckResponse } from '../../src/ext-authz/grpc-answer.ts'
import * as rules from '../../src/ext-authz/header-rules.ts'
import { readHttpAnswer } from '../../src/ext-authz/http-answer.ts'
import type { CheckOutcome } from '../../src/ext-authz/outcome.ts'
import { loadProto } from '../../src/proto/load-proto.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
let state = seed
function random(below: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

function settings() {
  const all = [...'abcdefghijklmnopqrstuvwxyz'].map((letter) => `${letter}*`)
  const decoded = decodeAuthorizer(
    'http',
    {
      service: 'a.b',
      port: 1,
      headersToUpstreamOnAllow: all,
      headersToDownstreamOnAllow: all,
      failOpen: true,
    },
    'p',
  )
  assert.ok(decoded.ok && decoded.settings.kind === 'http')
  return decoded.settings
}

function assertSafe(outcome: CheckOutcome): void {
  const check = (headers: readonly string[], ours: (name: string) => boolean): void => {
    for (let i = 0; i < headers.length; i += 2) {
      const [name = '', value = ''] = headers.slice(i, i + 2)
      assert.ok(rules.isFieldName(name) && rules.isFieldValue(value) && !ours(name), `${name} seed ${seed}`)
    }
  }
  if (outcome.kind === 'deny') {
    check(outcome.headers, rules.isOursToClient)
    assert.ok(outcome.status >= 200 && outcome.status < 600)
  }
  if (outcome.kind !== 'allow') return
  check(outcome.setHeaders, rules.isOurs)
  check(outcome.appendHeaders, rules.isOurs)
  check(outcome.responseHeaders, rules.isOursToClient)
  check(outcome.responseSetHeaders, rules.isOursToClient)
  for (const name of outcome.removeHeaders) assert.ok(rules.isFieldName(name) && !rules.isOurs(name))
}

const words = [
  'x-a',
  'Host',
  'content-length',
  'X_Forwarded_Client_Cert',
  'connection',
  'set-cookie',
  ':path',
]
words.push('x-envoy-auth-headers-to-remove', 'a b', '', 'x\n', 'transfer-encoding', 'location', 'te', 'date')
const values = ['v', 'x-a, te', 'a\r\nb', '\xff', '\u0100', '', ' host ', 'close', 'x'.repeat(17_000)]
const word = (from: readonly string[]): string => from[random(from.length)] ?? ''

test('whatever an HTTP authorizer answers, only 200 allows and nothing unsafe comes through', () => {
  const it = settings()
  for (let round = 0; round < 3000; round++) {
    const headers: string[] = []
    for (let i = random(6); i > 0; i--) headers.push(word(words), word(values))
    const status = random(3) === 0 ? 200 : 100 + random(500)
    const outcome = readHttpAnswer(it, { status, headers, body: Buffer.alloc(random(3)) })
    if (outcome.kind === 'allow') assert.equal(status, 200, `seed ${seed}`)
    if (status > 200 && status < 500) assert.equal(outcome.kind, 'deny', `seed ${seed}`)
    assertSafe(outcome)
  }
})

test('whatever bytes a gRPC authorizer answers, reading them never throws past decoding', () => {
  const codec = loadProto('ext-authz.proto').message<CheckResponse>('envoy.service.auth.v3.CheckResponse')
  for (let round = 0; round < 3000; round++) {
    const options = () =>
      Array.from({ length: random(4) }, () => ({ header: { key: word(words), value: word(values) } }))
    const denied = random(2) === 0
    const bytes = codec.encode({
      status: { code: denied ? 7 : 0 },
      ...(denied
        ? { denied_response: { status: { code: random(700) }, headers: options() } }
        : { ok_response: { headers: options(), headers_to_remove: [word(words)] } }),
    })
    for (let i = random(3); i > 0 && bytes.length > 0; i--) bytes[random(bytes.length)] = random(256)
    let answer: CheckResponse
    try {
      answer = codec.decode(bytes)
    } catch {
      continue
    }
    assertSafe(readGrpcAnswer(settings(), answer))
  }
})

test('a denial whose status has no body has none', () => {
  for (const status of [204, 205, 304]) {
    const outcome = readHttpAnswer(settings(), { status, headers: [], body: Buffer.from('x') })
    assert.ok(outcome.kind === 'deny')
    assert.deepEqual([outcome.body.length, outcome.headers.length], [0, 0])
  }
})
