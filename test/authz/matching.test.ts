/** What each field matches: policy-semantics §1.2–1.4, 1.6, 1.7, 1.9 and traps 8–12, 21. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { normalizePath } from '../../src/match/path-normalization.ts'
import type { Rule, Values } from '../../src/policy/authorization-policy.ts'
import { any, hits, not, rule, when, type Asked, type From } from './judge.ts'

const paths = (values: Values): Rule => rule({ to: [{ paths: values }] })
const header = (name: string, values: Values): Rule =>
  rule({ when: [when(`request.headers[${name}]`, values)] })

// [value, text, whether it fits]: policy-semantics §1.2, §1.9
const generic = [
  ['*', '/anything', true],
  ['*/info', '/a/info', true],
  ['*/info', '/a/info/', false],
  ['/api/*', '/api/', true],
  ['/api/*', '/api/x', true],
  ['/api/*', '/api', false],
  ['/api*', '/apiary', true],
  ['/api', '/api', true],
  ['/api', '/API', false],
  ['/api', '/api/', false],
  ['/a*b', '/a*b', true],
  ['/a*b', '/axb', false],
  ['*a*', '/a', false],
  ['*a*', '/xa*', true],
  ['/a%20b', '/a%20b', true],
  ['/a b', '/a%20b', false],
  ['/pkg.Service/Method', '/pkg.Service/Method', true],
] as const

for (const [value, path, fits] of generic)
  test(`path value ${value} ${fits ? 'fits' : 'does not fit'} ${path}`, () => {
    assert.equal(hits(paths(any(value)), {}, { path }), fits)
    assert.equal(hits(paths(not(value)), {}, { path }), !fits)
  })

// [template, target as received, whether it fits]: policy-semantics §1.10
const templates = [
  ['/allow/admin/{**}', '/allow/admin/', true],
  ['/allow/admin/{**}', '/allow/admin/x', true],
  ['/allow/admin/{**}', '/allow/admin/x/y.txt?q', true],
  ['/allow/admin/{**}', '/allow/admin', false],
  ['/allow/admin/{**}', '/allow/admin?q', false],
  ['/allow/admin/{**}', '/allow', false],
  ['/foo/{*}/bar/{**}', '/foo/z/bar/k', true],
  ['/foo/{*}/bar/{**}', '/foo/z/bar/k/l.txt', true],
  ['/foo/{*}/bar/{**}', '/foo/bar/k', false],
  ['/foo/{*}/bar/{**}', '/foo//bar/k', false],
  ['/foo/{*}/bar/{**}', '/foo/z/bar', false],
  ['/store/{**}/cart', '/store//cart', true],
  ['/store/{**}/cart', '/store/a/cart', true],
  ['/store/{**}/cart', '/store/a/b/cart', true],
  ['/store/{**}/cart', '/store/cart', false],
  ['/v1/{*}', '/v1/a', true],
  ['/v1/{*}', '/v1/a%20b', true],
  ['/v1/{*}', '/v1/a*b', true],
  ['/v1/{*}', '/v1/', false],
  ['/v1/{*}', '/v1/a/b', false],
  ['/foo/{**}/', '/foo/b/', true],
  ['/foo/{**}/', '/foo//', true],
  ['/foo/{**}/', '/foo/b', false],
  // Dot segments are gone before a template is asked.
  ['/v1/{*}', '/v1/a/../b', true],
  ['/v1/{*}', '/v1/a/%2e%2e/b#f', true],
] as const

for (const [template, target, fits] of templates)
  test(`the template ${template} ${fits ? 'fits' : 'does not fit'} the request target ${target}`, () => {
    const read = normalizePath(target, 'BASE')
    assert.ok(read.ok)
    const asked = { path: read.path, query: read.pathWithQuery.slice(read.path.length) }
    assert.equal(hits(paths(any(template)), {}, asked), fits)
    assert.equal(hits(paths(not(template)), {}, asked), !fits)
    // Among others, and beside plain values.
    assert.equal(hits(paths(any('/none', '/other/{*}', template)), {}, asked), fits)
  })

test('many exact values are found like few', () => {
  const values = Array.from({ length: 50 }, (_, i) => `/p${i}`)
  assert.equal(hits(paths(any(...values)), {}, { path: '/p49' }), true)
  assert.equal(hits(paths(any(...values)), {}, { path: '/p50' }), false)
})

test('paths ignore the query, request.headers[:path] does not', () => {
  const asked = { path: '/a', query: '?x=1' }
  assert.equal(hits(paths(any('/a')), {}, asked), true)
  assert.equal(hits(header(':path', any('/a')), {}, asked), false)
  assert.equal(hits(header(':path', any('/a?x=1')), {}, asked), true)
})

test('a call of gRPC is a POST to /package.Service/Method', () => {
  const asked = { method: 'POST', path: '/pkg.Service/Method' }
  const call = rule({ to: [{ methods: any('POST'), paths: any('/pkg.Service/*') }] })
  assert.equal(hits(call, {}, asked), true)
  assert.equal(hits(rule({ to: [{ methods: any('GET') }] }), {}, asked), false)
})

test('methods keep case', () => {
  const get = rule({ to: [{ methods: any('GET') }] })
  assert.equal(hits(get, {}, { method: 'GET' }), true)
  assert.equal(hits(get, {}, { method: 'get' }), false)
  assert.equal(hits(header(':method', any('GET')), {}, { method: 'GET' }), true)
})

// [value, authority, whether it fits]: policy-semantics §1.6
const authorities = [
  ['example.com', 'example.com', true],
  ['example.com', 'EXAMPLE.com', true],
  ['Example.COM', 'example.com', true],
  ['example.com', 'example.com:8080', false],
  ['example.com:*', 'example.com:8080', true],
  ['example.com', 'example.com.', false],
  ['*.Example.com', 'A.example.COM', true],
  ['*.example.com', 'example.com', false],
  ['*', 'x', true],
  ['*', '', false],
] as const

for (const [value, host, fits] of authorities)
  test(`host value ${value} ${fits ? 'fits' : 'does not fit'} authority "${host}"`, () => {
    assert.equal(hits(rule({ to: [{ hosts: any(value) }] }), {}, { host }), fits)
    assert.equal(hits(rule({ to: [{ hosts: not(value) }] }), {}, { host }), !fits)
  })

test('the Host header behaves as the authority, in its own case', () => {
  for (const name of ['Host', 'host', ':authority', 'HOST']) {
    assert.equal(hits(header(name, any('a.example')), {}, { host: 'a.example' }), true, name)
    assert.equal(hits(header(name, any('a.example')), {}, { host: 'A.example' }), false, name)
    assert.equal(hits(header(name, any('*')), {}, { host: '' }), false, name)
  }
})

// [values, header list, whether it fits]: policy-semantics §1.4
const headerCases: [Values, string[], boolean][] = [
  [any('a'), ['x-tier', 'a'], true],
  [any('a'), ['x-tier', 'A'], false],
  [any('a'), [], false],
  [any('*'), [], false],
  [not('a'), [], true],
  [not('*'), [], true],
  [any('*'), ['x-tier', ''], true],
  [not('*'), ['x-tier', ''], false],
  [any('a*'), ['x-tier', ''], false],
  [any('evil'), ['x-tier', 'good', 'x-tier', 'evil'], true],
  [not('evil'), ['x-tier', 'good', 'x-tier', 'evil'], false],
  [any('good,evil'), ['x-tier', 'good', 'x-tier', 'evil'], false],
  [any('good,evil'), ['x-tier', 'good,evil'], true],
  [any('evil'), ['x-tier', 'good,evil'], false],
  [any('a'), ['other', 'a', 'x-tier', 'b'], false],
  [any('x-tier'), ['a', 'x-tier', 'b', 'c'], false],
]

headerCases.forEach(([values, headers, fits]) =>
  test(`X-Tier ${JSON.stringify(values)} ${fits ? 'fits' : 'does not fit'} ${JSON.stringify(headers)}`, () => {
    assert.equal(hits(header('X-Tier', values), {}, { headers }), fits)
  }),
)

const connectionCases: [string, Values, From, boolean][] = [
  ['source.ip', any('10.0.0.1'), { ip: '10.0.0.1' }, true],
  ['source.ip', any('10.0.0.1'), { ip: '10.0.0.2' }, false],
  ['source.ip', any('10.0.0.0/24', '192.168.0.0/16'), { ip: '192.168.3.4' }, true],
  ['source.ip', not('10.0.0.0/8'), { ip: '10.0.0.2' }, false],
  ['source.ip', any('0.0.0.0/0'), { ip: '2001:db8::1' }, false],
  ['source.ip', any('2001:db8::/32'), { ip: '2001:db8::1' }, true],
  ['source.ip', any('10.0.0.0/8'), { ip: '::ffff:10.0.0.1' }, true],
  ['destination.ip', any('10.1.0.1'), { to: '10.1.0.1' }, true],
  ['destination.ip', any('10.1.0.0/31'), { to: '10.1.0.2' }, false],
  ['destination.port', any('8080'), { port: 8080 }, true],
  ['destination.port', any('80', '81'), { port: 8080 }, false],
  ['destination.port', not('8080'), { port: 8080 }, false],
  ['connection.sni', any('*'), { sni: '' }, false],
  ['connection.sni', not('*'), { sni: '' }, true],
  ['connection.sni', any('outbound_.80_._.*'), { sni: 'outbound_.80_._.a.b' }, true],
  ['connection.sni', any('*.b'), { sni: 'outbound_.80_._.a.b' }, true],
  // Trap 24: inside the mesh it is not the host's name.
  ['connection.sni', any('a.b'), { sni: 'outbound_.80_._.a.b' }, false],
  ['destination.port', not('80'), { port: 8080 }, true],
  ['destination.ip', not('10.1.0.0/16'), { to: '10.1.0.1' }, false],
  ['source.ip', any('2001:db8::1'), { ip: '2001:db8::2' }, false],
]

connectionCases.forEach(([key, values, from, fits]) =>
  test(`${key} ${JSON.stringify(values)} ${fits ? 'fits' : 'does not fit'} ${JSON.stringify(from)}`, () => {
    assert.equal(hits(rule({ when: [when(key, values)] }), from), fits)
  }),
)

test('ports and ipBlocks are their condition keys', () => {
  assert.equal(hits(rule({ to: [{ ports: any('8080') }] }), { port: 8080 }), true)
  assert.equal(hits(rule({ from: [{ ipBlocks: not('10.0.0.0/8') }] }), { ip: '10.0.0.9' }), false)
})

test('a long hostile value costs no backtracking', () => {
  const asked: Asked = { path: `/${'a'.repeat(60_000)}` }
  const from: From = { uri: `spiffe://td/ns/${'a'.repeat(2000)}/sa/x` }
  const started = performance.now()
  hits(paths(any(`*${'a*'.repeat(1000)}b`)), {}, asked)
  hits(rule({ from: [{ namespaces: any(`${'a*'.repeat(500)}b`) }] }), from)
  assert.ok(performance.now() - started < 1000)
})
