import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Http1Limits, RequestHead } from '../../src/http1/message.ts'
import { defaultLimits, Framing } from '../../src/http1/message.ts'
import { RequestParser } from '../../src/http1/request-parser.ts'
import { bytes, readRequests } from './transcript.ts'

function head(text: string): RequestHead {
  const { messages, refusal } = readRequests([bytes(text)])
  assert.equal(refusal?.reason, undefined, text)
  assert.equal(messages.length, 1)
  return messages[0]?.head as RequestHead
}

function refusalOf(text: string, limits?: Http1Limits) {
  return readRequests([bytes(text)], limits).refusal
}

test('a request is read with its names in lower case and its values trimmed', () => {
  const got = head(
    'GET /a?b HTTP/1.1\r\nHOST:x.test:80\r\nX-Own: \t a\tb \t\r\nx-own:\r\nAccept: \xe9\r\n\r\n',
  )
  assert.deepEqual(got, {
    method: 'GET',
    target: '/a?b',
    version: 11,
    headers: ['host', 'x.test:80', 'x-own', 'a\tb', 'x-own', '', 'accept', '\xe9'],
    framing: Framing.None,
    contentLength: -1,
    keepAlive: true,
    host: 'x.test:80',
    expectContinue: false,
    upgrade: '',
  })
})

test('pipelined requests stay with the caller', () => {
  const first = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc'
  const ended: string[] = []
  const parser = new RequestParser(defaultLimits, {
    onHead: (h) => ended.push(h.target),
    onBody: (chunk) => ended.push(chunk.toString()),
    onTrailers: () => assert.fail(),
    onEnd: () => ended.push('end'),
  })
  const both = bytes(first + 'GET /next HTTP/1.1\r\nhost: a\r\n\r\n')
  assert.equal(parser.execute(both), first.length)
  assert.equal(parser.busy, false)
  assert.deepEqual(ended, ['/', 'abc', 'end'])
  assert.equal(parser.execute(both.subarray(first.length)), both.length - first.length)
  assert.deepEqual(ended.slice(3), ['/next', 'end'])
  assert.equal(parser.finish(), null)
})

test('a parser is busy from the first byte of a head to the end of its message', () => {
  const parser = new RequestParser(defaultLimits, { onHead() {}, onBody() {}, onTrailers() {}, onEnd() {} })
  const steps: [string, boolean][] = [
    ['\r\n', false],
    ['G', true],
    ['ET / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r', true],
    ['\n', true],
    ['x', true],
    ['y', false],
  ]
  for (const [piece, busy] of steps) {
    assert.equal(parser.execute(bytes(piece)), piece.length)
    assert.equal(parser.busy, busy, piece)
  }
})

test('nothing is consumed behind CONNECT', () => {
  const { messages, refusal, tunnel } = readRequests([
    bytes('CONNECT a:443 HTTP/1.1\r\nHost: b\r\n\r\n\x16\x03'),
    bytes('\x01'),
  ])
  assert.equal(refusal, null)
  assert.equal(messages[0]?.head.framing, Framing.Tunnel)
  assert.equal(messages[0]?.head.host, 'a:443')
  assert.equal(tunnel, '\x16\x03\x01')
})

const hosts: [name: string, text: string, host: string][] = [
  [
    'the host of an absolute target overrides Host',
    'GET http://in.target/p HTTP/1.1\r\nHost: other\r\n\r\n',
    'in.target',
  ],
  [
    'an absolute target may end behind its authority',
    'GET HTTPS://a:1?q HTTP/1.1\r\nHost: a:1\r\n\r\n',
    'a:1',
  ],
  ['HTTP/1.0 may come without Host', 'GET / HTTP/1.0\r\n\r\n', ''],
  ['an asterisk goes with OPTIONS', 'OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', '[::1]:80'],
  ['a zone is part of an address', 'GET / HTTP/1.1\r\nHost: [fe80::1%eth0]\r\n\r\n', '[fe80::1%eth0]'],
  ['one empty line before a request is passed over', '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'a'],
]
for (const [name, text, host] of hosts) {
  test(name, () => assert.equal(head(text).host, host))
}

const keepAlive: [version: string, connection: string, kept: boolean][] = [
  ['1.1', '', true],
  ['1.1', 'Connection: close\r\n', false],
  ['1.1', 'Connection: Keep-Alive, CLOSE\r\n', false],
  ['1.1', 'Connection: keep-alive\r\nConnection: x-own ,\tclose\r\n', false],
  ['1.1', 'Connection: closed\r\n', true],
  ['1.0', '', false],
  ['1.0', 'Connection: keep-alive\r\n', true],
  ['1.0', 'Connection: x, Keep-Alive\r\n', true],
  ['1.0', 'Connection: keep-alive, close\r\n', false],
]
for (const [version, connection, kept] of keepAlive) {
  test(`HTTP/${version} with ${JSON.stringify(connection)} ${kept ? 'stays open' : 'is the last'}`, () => {
    assert.equal(head(`GET / HTTP/${version}\r\nHost: a\r\n${connection}\r\n`).keepAlive, kept)
  })
}

test('an upgrade counts only when Connection nominates it, and never in HTTP/1.0', () => {
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n'
  assert.equal(head(upgrade + '\r\n').upgrade, '')
  assert.equal(head(upgrade + 'Connection: keep-alive, Upgrade\r\n\r\n').upgrade, 'websocket')
  assert.equal(head(upgrade + 'Upgrade: h2c\r\nConnection: upgrade\r\n\r\n').upgrade, 'websocket, h2c')
  assert.equal(head(upgrade.replace('1.1', '1.0') + 'Connection: upgrade\r\n\r\n').upgrade, '')
})

test('a 100 is expected only by HTTP/1.1 requests that have content', () => {
  const post = (fields: string, version = '1.1') =>
    readRequests([bytes(`POST / HTTP/${version}\r\nHost: a\r\nExpect: 100-Continue\r\n${fields}\r\n`)])
      .messages[0]?.head
  assert.equal(post('Content-Length: 5\r\n')?.expectContinue, true)
  assert.equal(post('Transfer-Encoding: chunked\r\n')?.expectContinue, true)
  assert.equal(post('Content-Length: 0\r\n')?.expectContinue, false)
  assert.equal(post('')?.expectContinue, false)
  assert.equal(post('Content-Length: 5\r\n', '1.0')?.expectContinue, false)
})

const ok = 'Host: a\r\n'

test('a coding in any case is chunked', () => {
  assert.equal(
    head(`POST / HTTP/1.1\r\n${ok}Transfer-Encoding:  ChunkeD \r\n\r\n0\r\n\r\n`).framing,
    Framing.Chunked,
  )
})

test('the longest length is 2^53 - 1', () => {
  const { messages } = readRequests([
    bytes(`POST / HTTP/1.1\r\n${ok}Content-Length: 9007199254740991\r\n\r\n`),
  ])
  assert.equal(messages[0]?.head.contentLength, Number.MAX_SAFE_INTEGER)
})

const small: Http1Limits = { maxHeadBytes: 64, maxHeaders: 3, maxChunkExtensionBytes: 8, maxTrailerBytes: 32 }

test('a head may be exactly as long as its limit, and one byte more is refused before its end came', () => {
  const shell = 'GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n'
  const fits = shell.replace('X: ', 'X: ' + 'x'.repeat(64 - shell.length))
  assert.equal(refusalOf(fits, small), null)
  assert.equal(refusalOf('\r\n' + fits, small), null)
  const expected = { status: 431, reason: 'head_too_long', limit: 'maxHeadBytes' }
  assert.deepEqual(refusalOf(fits.replace('X: ', 'X: x'), small), expected)
  const parser = new RequestParser(small, {
    onHead: () => assert.fail(),
    onBody() {},
    onTrailers() {},
    onEnd() {},
  })
  for (const byte of shell.replace('X: ', 'X: ' + 'x'.repeat(100))) {
    parser.execute(bytes(byte))
    if (parser.refusal !== null) break
  }
  assert.deepEqual(parser.refusal, expected)
})

test('a request line that alone is too long is a 414', () => {
  const expected = { status: 414, reason: 'request_line_too_long', limit: 'maxHeadBytes' }
  assert.deepEqual(refusalOf(`GET /${'x'.repeat(64)} HTTP/1.1\r\nHost: a\r\n\r\n`, small), expected)
  assert.deepEqual(refusalOf('x'.repeat(65), small), expected)
})

test('one header too many is refused by the name of its limit', () => {
  assert.equal(refusalOf('GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\n\r\n', small), null)
  assert.deepEqual(refusalOf('GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\nD:\r\n\r\n', small), {
    status: 431,
    reason: 'too_many_headers',
    limit: 'maxHeaders',
  })
})

test('a long head in single bytes costs no more than its length', () => {
  const parser = new RequestParser(defaultLimits, { onHead() {}, onBody() {}, onTrailers() {}, onEnd() {} })
  const text = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(60_000)}\r\n\r\n`
  const start = performance.now()
  for (let i = 0; i < text.length; i++) parser.execute(bytes(text[i] as string))
  assert.equal(parser.refusal, null)
  assert.equal(parser.busy, false)
  assert.ok(performance.now() - start < 2000)
})
