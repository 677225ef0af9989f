import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Http1WriteError } from '../../src/http1/unsafe-header.ts'
import { chunkHead, lastChunk } from '../../src/http1/write-body.ts'
import { requestHead, responseHead } from '../../src/http1/write-head.ts'
import { seededRandom } from '../support/random-policies.ts'
import { bytes, readRequests, readResponses } from './transcript.ts'

test('heads are written to the letter', () => {
  assert.equal(requestHead('GET', '/a', ['host', 'b', 'x', '']), 'GET /a HTTP/1.1\r\nhost: b\r\nx: \r\n\r\n')
  assert.equal(responseHead(204, '', []), 'HTTP/1.1 204 \r\n\r\n')
  assert.equal(chunkHead(4096), '1000\r\n')
  assert.equal(lastChunk(null), '0\r\n\r\n')
  assert.equal(lastChunk([]), '0\r\n\r\n')
  assert.equal(lastChunk(['x', 'y']), '0\r\nx: y\r\n\r\n')
})

test('no control, and nothing beyond latin1, gets into a line', () => {
  const unsafe = { name: 'Http1WriteError', code: 'ERR_HTTP1_UNSAFE_HEADER' }
  for (const bad of ['\r', '\n', '\0', '\x7f', '\x01', '\u010a', '\u560d', '\u{1f600}']) {
    const text = `a${bad}b`
    assert.throws(() => requestHead(text, '/', []), unsafe)
    assert.throws(() => requestHead('GET', '/' + text, []), unsafe)
    assert.throws(() => requestHead('GET', '/', [text, 'x']), unsafe)
    assert.throws(() => requestHead('GET', '/', ['x', text]), unsafe)
    assert.throws(() => responseHead(200, text, []), unsafe)
    assert.throws(() => responseHead(200, 'OK', ['x', text]), unsafe)
    assert.throws(() => lastChunk(['x', text]), unsafe)
    assert.throws(() => lastChunk([text, 'x']), unsafe)
  }
  for (const name of ['', ' x', 'x:', 'x y', '\xe9'])
    assert.throws(() => requestHead('GET', '/', [name, '']), unsafe)
  for (const target of ['', '/a b', '/\xe9', '/\t'])
    assert.throws(() => requestHead('GET', target, []), unsafe)
  assert.throws(() => chunkHead(0), unsafe)
})

test('the error tells no value', () => {
  assert.throws(
    () => requestHead('GET', '/', ['authorization', 'Bearer secret\n']),
    (error: unknown) => error instanceof Http1WriteError && !error.line.includes('secret'),
  )
})

test('what is written is read again', () => {
  const random = seededRandom(7)
  const pick = (from: string, least: number, most: number): string =>
    Array.from(
      { length: least + Math.floor(random() * (most - least)) },
      () => from[Math.floor(random() * from.length)],
    ).join('')
  const token = "abcdefghijklmnopqrstuvwxyz0123456789-_!#$%&'*+.^`|~"
  const value = ' \t!"#%,;=@[\\]{}~azAZ09\x80\xe9\xff'
  for (let i = 0; i < 500; i++) {
    const headers = ['host', 'a']
    for (let n = Math.floor(random() * 12); n > 0; n--)
      headers.push('x' + pick(token, 1, 20), pick(value, 0, 60).trim())
    const body = pick(value, 1, 40)
    const trailers = random() < 0.5 ? [] : ['x-' + pick(token, 1, 9), pick(value, 0, 9).trim()]
    const head = [...headers, 'transfer-encoding', 'chunked']
    const tail = chunkHead(body.length) + body + '\r\n' + lastChunk(trailers)
    const target = '/' + pick('az%/?&=.;', 0, 30)
    const request = readRequests([bytes(requestHead('PUT', target, head) + tail)])
    assert.equal(request.refusal, null)
    const [read] = request.messages
    assert.deepEqual([read?.head.method, read?.head.target, read?.head.headers], ['PUT', target, head])
    assert.deepEqual([read?.body, read?.trailers, read?.ended], [body, trailers, true])
    const reason = pick(value, 0, 20).trim()
    const response = readResponses([bytes(responseHead(418, reason, head) + tail)])
    const [answer] = response.messages
    assert.deepEqual([answer?.head.status, answer?.head.reason, answer?.head.headers], [418, reason, head])
    assert.deepEqual([answer?.body, answer?.trailers, answer?.ended], [body, trailers, true])
  }
})
