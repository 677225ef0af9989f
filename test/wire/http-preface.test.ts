/** First bytes of HTTP/1, HTTP/2 and of things that are neither, cut at every byte. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { longestMethod, longestRequestLine, peekHttp, type HttpPeek } from '../../src/wire/http-preface.ts'

const peek = (text: string): HttpPeek => peekHttp(Buffer.from(text, 'latin1'))
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

test('HTTP/2 is known after its whole preface and waited for until then', () => {
  for (let end = 0; end < preface.length; end++)
    assert.equal(peek(preface.slice(0, end)), 'need-more', String(end))
  assert.equal(peek(preface), 'http2')
  assert.equal(peek(`${preface}\0\0\0\x04\0`), 'http2')
})

test('one wrong byte in the preface is not HTTP/2', () => {
  for (let i = 0; i < preface.length; i++) {
    const wrong = `${preface.slice(0, i)}\x01${preface.slice(i + 1)}`
    assert.equal(peek(wrong), 'not-http', String(i))
    assert.equal(peek(wrong.slice(0, i + 1)), 'not-http', String(i))
  }
})

test('a request line is HTTP/1 once it ends and undecided before', () => {
  const lines = [
    'GET / HTTP/1.1\r',
    'GET / HTTP/1.0\n',
    'OPTIONS * HTTP/1.1\r',
    'CONNECT a:443 HTTP/1.1\r',
    'get http://h/ HTTP/1.1\r',
    'PRI * HTTP/1.1\r',
  ]
  lines.push("M!#$%&'*+-.^_`|~1 /a?b#c%zz\xe9 HTTP/1.1\r", 'PRIX / HTTP/1.1\r', 'P / HTTP/1.1\r')
  for (const line of lines) {
    for (let end = 0; end < line.length; end++)
      assert.equal(peek(line.slice(0, end)), 'need-more', JSON.stringify(line.slice(0, end)))
    assert.equal(peek(line), 'http1', JSON.stringify(line))
    assert.equal(peek(`${line}\nHost: a\r\n\r\n`), 'http1')
  }
})

test('the first impossible byte settles that it is not HTTP', () => {
  const impossible = [
    '\r',
    '\n',
    ' ',
    '\0',
    '\x16',
    '(',
    'GET\r',
    'GET\t',
    'GET  ',
    'GET /\r',
    'GET /\t',
    'GET /\0',
    'GET / X',
    'GET / h',
    'GET / HTTP/2',
  ]
  impossible.push(
    'GET / HTTP/1.2',
    'GET / HTTP/1.x',
    'GET / HTTP/1.1 ',
    'GET / HTTP/1.1x',
    'GET / HTTP/1.1\0',
    'SSH-2.0-OpenSSH\r',
    'PING\r',
    '*1\r',
    'EHLO a b',
    '\xe9',
    '{',
  )
  for (const text of impossible) {
    assert.equal(peek(text), 'not-http', JSON.stringify(text))
    assert.equal(peek(text.slice(0, -1)), 'need-more', JSON.stringify(text))
  }
})

test('a method takes token bytes only, a target no blanks or controls', () => {
  const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/
  for (let c = 0; c < 256; c++) {
    const byte = String.fromCharCode(c)
    assert.equal(peek(byte), token.test(byte) ? 'need-more' : 'not-http', `method byte ${c}`)
    assert.equal(peek(`GET ${byte}`), c > 32 && c !== 127 ? 'need-more' : 'not-http', `target byte ${c}`)
  }
})

test('a method has at most 64 bytes and a request line at most 64 KiB', () => {
  assert.equal(peek(`${'A'.repeat(longestMethod)} / HTTP/1.1\r`), 'http1')
  assert.equal(peek('A'.repeat(longestMethod)), 'need-more')
  assert.equal(peek('A'.repeat(longestMethod + 1)), 'not-http')
  const line = (length: number): string => `GET /${'a'.repeat(length - 15)} HTTP/1.1\r`
  assert.equal(line(100).length, 100)
  assert.equal(peek(line(longestRequestLine)), 'http1')
  assert.equal(peek(line(longestRequestLine).slice(0, -1)), 'need-more')
  for (let more = 1; more < 12; more++) assert.equal(peek(line(longestRequestLine + more)), 'not-http')
  assert.equal(peek(line(longestRequestLine * 2).slice(0, longestRequestLine)), 'not-http')
})

test('bytes that look like nothing in particular never throw', () => {
  let state = 9
  for (let n = 0; n < 20000; n++) {
    const bytes = Buffer.alloc(n % 40)
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24
    const whole = peekHttp(bytes)
    const cut = peekHttp(bytes.subarray(0, n % 17))
    if (cut !== 'need-more') assert.equal(whole, cut)
  }
})
