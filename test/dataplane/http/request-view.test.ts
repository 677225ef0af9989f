import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { RequestHead } from '../../../src/http1/message.ts'
import { Framing } from '../../../src/http1/message.ts'
import { viewRequest } from '../../../src/dataplane/http/request-view.ts'

const plain = { clientCertElement: '', proto: 'http' } as const

function head(method: string, target: string, host = 'a.b'): RequestHead {
  return {
    method,
    target,
    version: 11,
    headers: ['host', host],
    framing: Framing.None,
    contentLength: -1,
    keepAlive: true,
    host,
    expectContinue: false,
    upgrade: '',
  }
}

function seen(method: string, target: string, host?: string): string {
  const view = viewRequest(head(method, target, host), 'BASE', plain)
  if (!view.ok) return `${view.status} ${view.reason}`
  assert.equal(view.context.pathWithQuery, view.target)
  assert.equal(view.context.host, view.host)
  return `${view.host} ${view.context.path} ${view.target}`
}

test('policy and upstream see one path', () => {
  assert.equal(seen('GET', '/a/../b?x=1'), 'a.b /b /b?x=1')
  assert.equal(seen('GET', '/a/%2e%2e/admin'), 'a.b /admin /admin')
})

test('an absolute-form target names the host, whatever Host says', () => {
  assert.equal(seen('GET', 'http://other:8080/p?q'), 'other:8080 /p /p?q')
  assert.equal(seen('GET', 'HTTP://other'), 'other / /')
  assert.equal(seen('GET', 'http://other?q'), 'other / /?q')
  assert.equal(seen('OPTIONS', 'http://other'), 'other * *')
  assert.equal(seen('GET', 'https://[::1]:8443/p'), '[::1]:8443 /p /p')
})

test('a request without Host is judged with an empty one', () => {
  assert.equal(seen('GET', '/', ''), ' / /')
})

test('what could be read two ways is refused', () => {
  assert.match(seen('GET', 'http://user@other/'), /^400 /)
  assert.match(seen('GET', 'http:///p'), /^400 /)
  assert.match(seen('GET', 'http://a\\@b/'), /^400 /)
  assert.match(seen('GET', 'ftp://other/'), /^400 /)
  assert.match(seen('GET', 'relative'), /^400 /)
  assert.match(seen('GET', '*'), /^400 /)
  assert.match(seen('GET', '/%00'), /^400 /)
  assert.match(seen('CONNECT', 'other:443'), /^405 /)
  assert.equal(seen('OPTIONS', '*'), 'a.b * *')
})

test('policy sees the fields that are forwarded, and no others', () => {
  const own = 'By=spiffe://td/ns/b/sa/b;URI=spiffe://td/ns/a/sa/a'
  const fields = ['connection', 'x-tenant', 'x-tenant', 'a', 'x-forwarded-client-cert', 'URI=forged']
  const judged = (rewrite: Parameters<typeof viewRequest>[2]): string => {
    const view = viewRequest({ ...head('GET', '/'), headers: ['host', 'a.b', ...fields] }, 'BASE', rewrite)
    assert.ok(view.ok)
    assert.equal(view.context.headers, view.headers)
    return view.headers.join(' ')
  }
  assert.doesNotMatch(judged(plain), /tenant|connection|forged/)
  // A mesh peer's claim stands before ours: no rule can take it for the whole value.
  assert.ok(judged({ clientCertElement: own, proto: 'https' }).endsWith(` URI=forged,${own}`))
})
