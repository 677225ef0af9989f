import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResponseHead } from '../../src/http1/message.ts'
import { defaultLimits, Framing } from '../../src/http1/message.ts'
import { ResponseParser } from '../../src/http1/response-parser.ts'
import { bytes, readResponses } from './transcript.ts'

function head(text: string, method = 'GET'): ResponseHead {
  const { messages, refusal } = readResponses([bytes(text)], [method])
  assert.equal(refusal?.reason, undefined, text)
  return messages.at(-1)?.head as ResponseHead
}

test('a response is read with its names in lower case and its values trimmed', () => {
  assert.deepEqual(head('HTTP/1.1 404 Not \xe9\t here\r\nContent-Length: 0\r\nX-Own:  y \r\n\r\n'), {
    status: 404,
    reason: 'Not \xe9\t here',
    version: 11,
    headers: ['content-length', '0', 'x-own', 'y'],
    framing: Framing.Length,
    contentLength: 0,
    keepAlive: true,
  })
  assert.equal(head('HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n').reason, '')
  assert.equal(head('HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n').reason, '')
})

const none = Framing.None
const framings: [method: string, status: number, fields: string, framing: Framing, kept: boolean][] = [
  ['GET', 200, '', Framing.UntilClose, false],
  ['GET', 200, 'Content-Length: 3\r\n', Framing.Length, true],
  ['GET', 200, 'Transfer-Encoding: chunked\r\n', Framing.Chunked, true],
  ['GET', 200, 'Transfer-Encoding: chunked\r\nConnection: close\r\n', Framing.Chunked, false],
  ['GET', 204, '', none, true],
  ['GET', 204, 'Content-Length: 0\r\n', none, true],
  ['GET', 304, '', none, true],
  ['GET', 304, 'Content-Length: 9\r\n', none, true],
  ['GET', 304, 'Transfer-Encoding: chunked\r\n', none, true],
  ['GET', 205, '', Framing.UntilClose, false],
  ['GET', 999, 'Content-Length: 3\r\n', Framing.Length, true],
  ['HEAD', 200, '', none, true],
  ['HEAD', 200, 'Content-Length: 9\r\n', none, true],
  ['HEAD', 200, 'Transfer-Encoding: chunked\r\n', none, true],
  ['HEAD', 404, 'Content-Length: 9\r\n', none, true],
  ['CONNECT', 200, '', Framing.Tunnel, false],
  ['CONNECT', 204, '', Framing.Tunnel, false],
  ['CONNECT', 299, 'Content-Length: 9\r\n', Framing.Tunnel, false],
  ['CONNECT', 200, 'Transfer-Encoding: chunked\r\n', Framing.Tunnel, false],
  ['CONNECT', 403, 'Content-Length: 3\r\n', Framing.Length, true],
  ['GET', 101, 'Connection: upgrade\r\nUpgrade: websocket\r\n', Framing.Tunnel, false],
]
for (const [method, status, fields, framing, kept] of framings) {
  test(`a ${status} to ${method} with ${JSON.stringify(fields)} has framing ${framing}`, () => {
    const body =
      framing === Framing.Chunked ? '3\r\nabc\r\n0\r\n\r\n' : framing === Framing.Length ? 'abc' : ''
    const got = head(`HTTP/1.1 ${status} X\r\n${fields}\r\n${body}`, method)
    assert.deepEqual([got.framing, got.keepAlive], [framing, kept])
  })
}

test('HTTP/1.0 responses close unless told otherwise', () => {
  assert.equal(head('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n').keepAlive, false)
  assert.equal(head('HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n').keepAlive, true)
})

test('a body without length ends with the connection', () => {
  const { messages, refusal } = readResponses([bytes('HTTP/1.1 200 OK\r\n\r\nab'), bytes('c')])
  assert.equal(refusal, null)
  assert.deepEqual([messages[0]?.body, messages[0]?.ended], ['abc', true])
})

test('interim responses come before the final one without an end of their own', () => {
  const text =
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'
  const { messages, refusal } = readResponses([bytes(text)])
  assert.equal(refusal, null)
  assert.deepEqual(
    messages.map((m) => [m.head.status, m.ended, m.body]),
    [
      [100, false, ''],
      [103, false, ''],
      [200, true, 'x'],
    ],
  )
})

test('each response is framed for the request it answers', () => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'
  const { messages, refusal } = readResponses([bytes(text)], ['HEAD', 'GET'])
  assert.equal(refusal, null)
  assert.deepEqual(
    messages.map((m) => m.body),
    ['', 'hello'],
  )
})

test('what follows a 101 is not read', () => {
  const { messages, tunnel } = readResponses([
    bytes('HTTP/1.1 101 X\r\nUpgrade: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
  ])
  assert.equal(messages.length, 1)
  assert.equal(tunnel, 'HTTP/1.1 200 OK\r\n\r\n')
})

test('a response nobody asked for is refused', () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
  assert.equal(readResponses([bytes(answer)], []).refusal?.reason, 'unsolicited_response')
  const { messages, refusal } = readResponses([bytes(answer + answer)])
  assert.equal(messages.length, 1)
  assert.equal(refusal?.reason, 'unsolicited_response')
})

test('a parser is idle before its answer and behind it', () => {
  const parser = new ResponseParser(defaultLimits, { onHead() {}, onBody() {}, onTrailers() {}, onEnd() {} })
  parser.expect('GET')
  assert.equal(parser.busy, false)
  parser.execute(bytes('H'))
  assert.equal(parser.busy, true)
  parser.execute(bytes('TTP/1.1 200 OK\r\n\r\n'))
  assert.equal(parser.busy, true)
  assert.equal(parser.finish(), null)
  assert.equal(parser.busy, false)
})

const refused: [reason: string, text: string, method?: string][] = [
  ['bad_version', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ['bad_version', 'ICY 200 OK\r\n\r\n'],
  ['bad_version', 'HTTP/1 200 OK\r\n\r\n'],
  ['unsupported_version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['unsupported_version', 'HTTP/0.9 200 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1\t200 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 +20 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 200\tOK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 200 O\x00K\r\n\r\n'],
  ['bare_lf_in_head', 'HTTP/1.1 200 OK\n\r\n'],
  ['bare_lf_in_head', 'HTTP/1.1 200\n\r\n'],
  ['bare_cr_in_head', 'HTTP/1.1 200 OK\rX\r\n\r\n'],
  ['obs_fold', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n'],
  ['blank_before_colon', 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc'],
  [
    'content_length_with_transfer_encoding',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
  ],
  [
    'content_length_with_transfer_encoding',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n',
  ],
  ['conflicting_content_length', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n'],
  ['bad_content_length', 'HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n'],
  ['bad_content_length', 'HTTP/1.1 304 X\r\nContent-Length: x\r\n\r\n'],
  [
    'repeated_transfer_encoding',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n',
  ],
  ['unsupported_transfer_coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
  ['transfer_encoding_in_http_1_0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['framing_header_on_bodiless_response', 'HTTP/1.1 204 X\r\nContent-Length: 1\r\n\r\n'],
  ['framing_header_on_bodiless_response', 'HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['framing_header_on_bodiless_response', 'HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n', 'CONNECT'],
  ['framing_header_on_bodiless_response', 'HTTP/1.1 100 X\r\nContent-Length: 1\r\n\r\n'],
  ['framing_header_on_bodiless_response', 'HTTP/1.1 101 X\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['truncated_head', 'HTTP/1.1 200 OK\r\n'],
  ['truncated_body', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab'],
  ['truncated_body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n'],
  [
    'forbidden_trailer',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n',
  ],
]
for (const [reason, text, method] of refused) {
  test(`${JSON.stringify(text)} to ${method ?? 'GET'} is refused as ${reason}`, () => {
    assert.equal(readResponses([bytes(text)], [method ?? 'GET']).refusal?.reason, reason)
  })
}

test('a head longer than its limit names the limit', () => {
  const limits = { ...defaultLimits, maxHeadBytes: 40, maxHeaders: 1 }
  const { refusal } = readResponses([bytes(`HTTP/1.1 200 ${'x'.repeat(60)}`)], ['GET'], limits)
  assert.equal(refusal?.limit, 'maxHeadBytes')
  assert.equal(
    readResponses([bytes('HTTP/1.1 200 X\r\na:\r\nb:\r\n')], ['GET'], limits).refusal?.limit,
    'maxHeaders',
  )
})
