import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Http1Limits } from '../../src/http1/message.ts'
import { defaultLimits } from '../../src/http1/message.ts'
import { byteByByte, bytes, readRequests } from './transcript.ts'

const post = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const small: Http1Limits = {
  maxHeadBytes: 1024,
  maxHeaders: 3,
  maxChunkExtensionBytes: 8,
  maxTrailerBytes: 32,
}

function read(body: string, limits: Http1Limits = defaultLimits) {
  const whole = readRequests([bytes(post + body)], limits)
  assert.deepEqual(readRequests(byteByByte(bytes(post + body)), limits), whole, 'cut differently')
  return whole
}

const accepted: [name: string, body: string, text: string, trailers: string[]][] = [
  ['an empty body', '0\r\n\r\n', '', []],
  ['a last chunk of many zeros', '0000000000000\r\n\r\n', '', []],
  [
    'sizes in either case with leading zeros',
    '00a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n',
    '01234567890123456789',
    [],
  ],
  ['data that looks like framing', '5\r\n0\r\n\r\n\r\n0\r\n\r\n', '0\r\n\r\n', []],
  ['extensions', '1;a\r\nx\r\n1;a=b;c="d;\\"\te"\r\ny\r\n0;z\r\n\r\n', 'xy', []],
  ['trailers', '1\r\nx\r\n0\r\nX-Sum: 1\r\nGrpc-Status:0\r\n\r\n', 'x', ['x-sum', '1', 'grpc-status', '0']],
  [
    'no trailers when all are dropped',
    '0\r\nAuthorization: b\r\nCookie: c\r\nX-Forwarded-Client-Cert: d\r\n\r\n',
    '',
    [],
  ],
]
for (const [name, body, text, trailers] of accepted) {
  test(`a chunked body may have ${name}`, () => {
    const { messages, refusal } = read(body)
    assert.equal(refusal, null)
    assert.deepEqual([messages[0]?.body, messages[0]?.trailers, messages[0]?.ended], [text, trailers, true])
  })
}

const refused: [reason: string, body: string][] = [
  ...[
    '',
    '-1',
    '+1',
    ' 1',
    '0x1',
    'g',
    '1 ',
    '1\t',
    '1 ;a',
    '00000000000001',
    'fffffffffffffff',
    '1\x00',
    '1,',
    '１',
  ].map((size): [string, string] => ['bad_chunk_size', `${size}\r\nx\r\n0\r\n\r\n`]),
  ['bad_chunk_size', '\nx'],
  ['bad_chunk_size', '1\nx\r\n0\r\n\r\n'],
  ['bad_chunk_end', '1\rx\r\n0\r\n\r\n'],
  ['bad_chunk_end', '1\r\r\nx\r\n0\r\n\r\n'],
  ['bad_chunk_end', '1\r\nxy\r\n0\r\n\r\n'],
  ['bad_chunk_end', '1\r\nx\n0\r\n\r\n'],
  ['bad_chunk_end', '1\r\nx\rx'],
  ['bad_chunk_end', '2\r\nx\r\n0\r\n\r\n'],
  ...[
    ';',
    '; a',
    ';a ',
    ';a =b',
    ';a= b',
    ';a=',
    ';=b',
    ';a=b=c',
    ';a="b',
    ';a="b"c',
    ';a=b"c"',
    ';a\n',
    ';a=b\n',
    ';a="\n"',
    ';a\x00',
    ';;',
    ';a="\x01"',
    ';a="\\\n"',
    ';a=\xe9',
    ';a="\xe9"',
  ].map((ext): [string, string] => ['bad_chunk_extension', `1${ext}\r\nx\r\n0\r\n\r\n`]),
  ['bad_chunk_end', '1;a\rb\r\nx\r\n0\r\n\r\n'],
  ['bare_cr_in_head', '0\r\n\rx'],
  ['bare_lf_in_head', '0\r\n\n'],
  ['bare_lf_in_head', '0\r\nX: y\n\r\n'],
  ['obs_fold', '0\r\n X: y\r\n\r\n'],
  ['control_byte_in_header_value', '0\r\nX: y\x00\r\n\r\n'],
  ['missing_colon', '0\r\nGET / HTTP/1.1\r\n\r\n'.replace('GET / HTTP/1.1', 'GET')],
  ['blank_before_colon', '0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ...[
    'Content-Length: 1',
    'Transfer-Encoding: chunked',
    'HOST: a',
    'Connection: close',
    'TE: x',
    'Trailer: x',
    'Upgrade: h2c',
    'Expect: x',
    'Keep-Alive: x',
    'Proxy-Connection: x',
  ].map((line): [string, string] => ['forbidden_trailer', `0\r\nX: y\r\n${line}\r\n\r\n`]),
  ['truncated_body', '0\r\n'],
  ['truncated_body', '0\r\nX: y\r\n'],
  ['truncated_body', '1;a'],
]
for (const [reason, body] of refused) {
  test(`a chunked body ${JSON.stringify(body)} is refused as ${reason}`, () => {
    const { messages, refusal } = read(body.replace('１', '\xef\xbc\x91'))
    assert.deepEqual(refusal, { status: 400, reason, limit: null })
    assert.equal(messages[0]?.ended, false)
  })
}

test('chunk extensions are counted over the whole body', () => {
  assert.equal(read('1;abc\r\nx\r\n1;abc\r\nx\r\n0\r\n\r\n', small).refusal, null)
  const expected = { status: 413, reason: 'chunk_extensions_too_long', limit: 'maxChunkExtensionBytes' }
  assert.deepEqual(read('1;abc\r\nx\r\n1;abc\r\nx\r\n0;\r\n\r\n', small).refusal, expected)
  assert.deepEqual(read('1;abcdefgh', small).refusal, expected)
})

test('chunk extensions are counted anew for the next message', () => {
  const message = post + '1;abcdef\r\nx\r\n0\r\n\r\n'
  assert.equal(readRequests([bytes(message + message)], small).refusal, null)
})

test('trailers have their own limits', () => {
  assert.equal(read(`0\r\nX: ${'x'.repeat(32 - 7)}\r\n\r\n`, small).refusal, null)
  assert.deepEqual(read(`0\r\nX: ${'x'.repeat(33 - 7)}\r\n\r\n`, small).refusal, {
    status: 431,
    reason: 'trailers_too_long',
    limit: 'maxTrailerBytes',
  })
  assert.deepEqual(read('0\r\na:\r\nb:\r\nc:\r\nd:\r\n\r\n', small).refusal, {
    status: 431,
    reason: 'too_many_trailers',
    limit: 'maxHeaders',
  })
})
