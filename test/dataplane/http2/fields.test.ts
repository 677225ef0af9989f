/** Fields of HTTP/2 messages: every byte in a name and a value, and heads that go out and come in as the same. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  areTrailers,
  FieldKind,
  fieldKind,
  isValue,
  lengthOf,
} from '../../../src/dataplane/http2/field-kind.ts'
import { PendingOutput } from '../../../src/dataplane/http2/pending-output.ts'
import { readRequest, requestFields } from '../../../src/dataplane/http2/request-fields.ts'
import { readResponse, responseFields } from '../../../src/dataplane/http2/response-fields.ts'
import type { RequestHead, ResponseHead } from '../../../src/http1/message.ts'
import { Framing } from '../../../src/http1/message.ts'
import type { Http2Session } from '../../../src/http2/session.ts'
import { Http2Stream } from '../../../src/http2/stream.ts'

const tokenBytes = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"

test('every byte in a name is a lower-case token or makes it bad, and only a leading colon makes it pseudo', () => {
  for (let code = 0; code < 256; code += 1) {
    const byte = String.fromCharCode(code)
    const plain = tokenBytes.includes(byte)
    for (const name of [`x${byte}`, `x${byte}y`, byte])
      if (!name.startsWith(':'))
        assert.equal(fieldKind(name), plain ? FieldKind.Plain : FieldKind.Bad, `byte ${code}`)
  }
  assert.equal(fieldKind(''), FieldKind.Bad)
  assert.equal(fieldKind(':path'), FieldKind.Pseudo)
  assert.equal(fieldKind('x:y'), FieldKind.Bad)
  for (const name of 'connection keep-alive proxy-connection transfer-encoding upgrade'.split(' '))
    assert.equal(fieldKind(name), FieldKind.Bad)
})

test('names beyond what is remembered are judged all the same', () => {
  for (let i = 0; i < 3000; i += 1) {
    assert.equal(fieldKind(`x-n-${i}`), FieldKind.Plain)
    assert.equal(fieldKind(`X-N-${i}`), FieldKind.Bad)
  }
  assert.equal(fieldKind('x'.repeat(5000)), FieldKind.Plain)
  assert.equal(fieldKind('transfer-encoding'), FieldKind.Bad)
})

test('every byte in a value: controls but the tab are refused, blanks only at the ends', () => {
  for (let code = 0; code < 256; code += 1) {
    const byte = String.fromCharCode(code)
    const allowed = code === 9 || (code >= 32 && code !== 127)
    const blank = code === 9 || code === 32
    assert.equal(isValue(`a${byte}b`), allowed, `byte ${code} inside`)
    assert.equal(isValue(`${byte}b`), allowed && !blank, `byte ${code} in front`)
    assert.equal(isValue(`a${byte}`), allowed && !blank, `byte ${code} behind`)
  }
  assert.equal(isValue(''), true)
  assert.equal(isValue('a\u0130'), false)
})

test('a length is digits and nothing else', () => {
  for (const [text, length] of [
    ['0', 0],
    ['12', 12],
    ['999999999999999', 999_999_999_999_999],
  ] as const)
    assert.equal(lengthOf(text), length)
  for (const text of ['', '-1', '+1', '1.0', '0x1', ' 1', '1 ', '1,1', '1e3', '1'.repeat(16), '１', '1\n'])
    assert.equal(lengthOf(text), -1, JSON.stringify(text))
})

test('trailers carry no pseudo-field, no framing and no second name for the server', () => {
  assert.equal(areTrailers([]), true)
  assert.equal(areTrailers(['x-a', '1', 'te', 'trailers']), true)
  for (const name of [
    ':path',
    ':status',
    'content-length',
    'transfer-encoding',
    'connection',
    'host',
    'X-A',
    'expect',
  ])
    assert.equal(areTrailers(['x-a', '1', name, '1']), false, name)
  assert.equal(areTrailers(['x-a', 'a\nb']), false)
})

test('a request head that goes out comes in as the same', () => {
  const headers = ['host', 'web:80', 'x-a', '1', 'x-a', '', 'cookie', 'a=b; c=d', 'x-latin', '\xe9']
  for (const [more, end, framing, length] of [
    [[], true, Framing.None, -1],
    [['content-length', '0'], true, Framing.Length, 0],
    [['content-length', '7'], false, Framing.Length, 7],
    [['transfer-encoding', 'chunked'], false, Framing.Chunked, -1],
  ] as const) {
    const read = readRequest(requestFields('PUT', '/a?b', [...headers, ...more]), end) as RequestHead
    const passing = more[0] === 'transfer-encoding' ? [] : more
    assert.deepEqual(
      [read.method, read.target, read.host, read.headers, read.framing, read.contentLength],
      ['PUT', '/a?b', 'web:80', [...headers, ...passing], framing, length],
    )
  }
  assert.throws(() => requestFields('GET', '/', ['host', 'a', 'x-a', 'a\r\nb']))
  assert.throws(() => requestFields('GET', '/', ['host', 'a', 'x-a', '\u010a']))
})

test('a response head that goes out comes in as the same, its reason too', () => {
  for (const [status, reason] of [
    [200, 'OK'],
    [200, 'Fine'],
    [299, ''],
    [404, 'Not Found'],
    [599, 'Own \xe9'],
  ] as const) {
    const headers = ['set-cookie', 'a', 'set-cookie', 'b', 'te', 'x', 'host', 'y', 'expect', 'z']
    const read = readResponse(responseFields(status, reason, headers), false, 'GET') as ResponseHead
    assert.deepEqual(
      [read.status, read.reason, read.headers, read.framing],
      [status, reason, headers, Framing.Chunked],
    )
  }
  for (const [status, method] of [
    [204, 'GET'],
    [304, 'GET'],
    [200, 'HEAD'],
    [103, 'GET'],
  ] as const) {
    const read = readResponse([':status', String(status), 'content-length', '5'], false, method)
    assert.deepEqual([read?.framing, read?.contentLength], [Framing.None, -1], `${method} ${status}`)
  }
  assert.throws(() => responseFields(200, 'OK', ['x-a', 'a\r\nb']))
  // A reason that cannot be said is left out.
  assert.deepEqual(responseFields(200, 'a\r\nb', []), [':status', '200'])
})

test('the end of a message rides on its last frame, whatever it is', () => {
  const said = (run: (out: PendingOutput) => void): string[] => {
    const words: string[] = []
    const session = {
      headers: (_: Http2Stream, fields: string[], end: boolean) => words.push(`head ${fields.join()} ${end}`),
      data: (_: Http2Stream, chunk: Buffer, end: boolean) => words.push(`data ${chunk.toString()} ${end}`),
      end: (_: Http2Stream, trailers: string[] | null) => words.push(`end ${trailers?.join() ?? ''}`),
      reset: () => words.push('reset'),
    }
    run(new PendingOutput(session as unknown as Http2Session, new Http2Stream(1, 0, 0)))
    return words
  }
  const b = Buffer.from('b')
  const rows: [string[], (out: PendingOutput) => void][] = [
    [['head h true'], (o) => (o.head(['h']), o.end(null))],
    [['head h false', 'data b true'], (o) => (o.head(['h']), o.body(b), o.end(null))],
    [
      ['head h false', 'data b false', 'data b true'],
      (o) => (o.head(['h']), o.body(b), o.body(b), o.end(null)),
    ],
    [['head h false', 'end '], (o) => (o.head(['h']), o.flush(), o.end(null))],
    [['head h false', 'data b false', 'end t'], (o) => (o.head(['h']), o.body(b), o.end(['t']))],
    [['head h false', 'end t'], (o) => (o.head(['h']), o.end(['t']))],
    [['reset'], (o) => (o.head(['h']), o.reset(8), o.flush(), o.flush())],
  ]
  for (const [expected, run] of rows) {
    const words = said(run)
    if (expected[0] === 'reset') assert.equal(words.at(-1), 'reset')
    else assert.deepEqual(words, expected, run.toString())
  }
})
