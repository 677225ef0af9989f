/** Path templates: the tables of policy-semantics §1.10 and trap 13. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePathTemplate, matchesPathTemplate } from '../../src/match/path-template.ts'

const table: [template: string, hits: string[], misses: string[]][] = [
  [
    '/allow/admin/{**}',
    ['/allow/admin/', '/allow/admin/x', '/allow/admin/x/y.txt'],
    ['/allow/admin', '/allow', '/x/allow/admin/'],
  ],
  [
    '/foo/{*}/bar/{**}',
    ['/foo/z/bar/k', '/foo/z/bar/k/l.txt', '/foo/z/bar/'],
    ['/foo/bar/k', '/foo//bar/k', '/foo/z/bar'],
  ],
  [
    '/store/{**}/cart',
    ['/store//cart', '/store/a/cart', '/store/a/b/cart'],
    ['/store/cart', '/store/a/cart/'],
  ],
  ['/v1/{*}', ['/v1/a', '/v1/a%20b', '/v1/a*b', '/v1/*'], ['/v1/', '/v1/a/b', '/v1/a/', '/v1', '/V1/a']],
  ['/foo/{**}/', ['/foo/b/', '/foo//', '/foo/a/b/'], ['/foo/b', '/foo/']],
  ['/{**}', ['/', '/a', '//'], ['', '*']],
  ['/{*}', ['/a'], ['/', '//', '/a/']],
  ['/{*}/{*}', ['/a/b'], ['/a', '/a/', '//b', '/a/b/c']],
  ['/a/{*}/a/{*}/{**}/a', ['/a/x/a/y//a', '/a/x/a/y/z/a', '/a/a/a/a//a'], ['/a/x/a/y/a', '/a/x/b/y//a']],
]

for (const [template, hits, misses] of table) {
  test(`the template ${template} fits just what the reference says`, () => {
    const compiled = compilePathTemplate(template)
    for (const path of hits) assert.ok(matchesPathTemplate(compiled, path), path)
    for (const path of misses) assert.ok(!matchesPathTemplate(compiled, path), path)
  })
}

test('an operator stands for the listed characters and no other', () => {
  const set = new Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+,;:@=")
  const segment = compilePathTemplate('/{*}')
  const rest = compilePathTemplate('/{**}')
  for (let code = 0; code < 0x180; code++) {
    const c = String.fromCharCode(code)
    assert.equal(matchesPathTemplate(segment, `/a${c}b`), set.has(c), `{*} and ${JSON.stringify(c)}`)
    assert.equal(
      matchesPathTemplate(rest, `/a${c}b`),
      set.has(c) || c === '/',
      `{**} and ${JSON.stringify(c)}`,
    )
  }
})

test('a literal star does not slip past a template (CVE-2025-46821)', () => {
  for (const path of ['/admin/*', '/admin/**', '/admin/x*'])
    assert.ok(matchesPathTemplate(compilePathTemplate('/admin/{*}'), path), path)
})

test('a long hostile path costs no backtracking', () => {
  const template = compilePathTemplate(`${'/{*}'.repeat(50)}/{**}/end`)
  const path = `${'/a'.repeat(30_000)}/en`
  const started = performance.now()
  for (let i = 0; i < 100; i++) assert.equal(matchesPathTemplate(template, path), false)
  assert.ok(performance.now() - started < 1000)
})
