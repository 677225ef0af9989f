import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadWriter } from '../../src/http1/head-writer.ts'
import { requestHead, responseHead } from '../../src/http1/write-head.ts'
import { seededRandom } from '../support/random-policies.ts'

const unsafe = { name: 'Http1WriteError', code: 'ERR_HTTP1_UNSAFE_HEADER' }

test('whatever came before, a head is written as by a writer that remembers nothing', () => {
  const random = seededRandom(11)
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
  const names = ['host', 'accept', 'cookie', 'authorization', 'x-request-id', 'x-a', 'x-b']
  const values = ['', 'a', 'b', 'a.example:8080', '\xe9\t~', 'x'.repeat(600), 'y'.repeat(512)]
  for (let connection = 0; connection < 50; connection += 1) {
    const heads = new HeadWriter()
    for (let i = 0; i < 60; i += 1) {
      const headers: string[] = []
      for (let n = Math.floor(random() * 6); n > 0; n -= 1) headers.push(one(names), one(values))
      const [method, target] = [one(['GET', 'PUT']), one(['/', '/a?b'])]
      assert.equal(heads.request(method, target, headers), requestHead(method, target, headers))
      const [status, reason] = [one([200, 204, 404]), one(['OK', '', 'No'])]
      assert.equal(heads.response(status, reason, headers), responseHead(status, reason, headers))
    }
  }
})

test('no control, and nothing beyond latin1, gets into a line, first or later', () => {
  for (const bad of ['\r', '\n', '\0', '\x7f', '\u010a', '\u560d', '\u{1f600}']) {
    const text = `a${bad}b`
    for (let before = 0; before < 12; before += 1) {
      const heads = new HeadWriter()
      for (let i = 0; i < before; i += 1) {
        heads.request('GET', '/', ['host', 'a', 'x', before % 2 === 0 ? 'b' : String(i)])
        heads.response(200, 'OK', ['host', 'a'])
      }
      assert.throws(() => heads.request(text, '/', []), unsafe)
      assert.throws(() => heads.request('GET', `/${text}`, []), unsafe)
      assert.throws(() => heads.request('GET', '/', [text, 'a']), unsafe)
      assert.throws(() => heads.request('GET', '/', ['host', text]), unsafe)
      assert.throws(() => heads.response(200, text, []), unsafe)
      assert.throws(() => heads.response(200, 'OK', ['host', text]), unsafe)
      // A head that was refused leaves nothing behind.
      assert.equal(heads.request('GET', '/', ['host', 'a']), 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    }
  }
})
