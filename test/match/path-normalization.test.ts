/** Every row of the reference's table, STRICT's refusals, and what must hold for any target at all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  normalizePath,
  targetRefusals,
  type PathNormalizationMode,
} from '../../src/match/path-normalization.ts'
import { strictRefusals } from '../../src/match/strict-path.ts'

const istioModes = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const
const modes: readonly PathNormalizationMode[] = [...istioModes, 'STRICT']

function text(target: string, mode: PathNormalizationMode): string {
  const result = normalizePath(target, mode)
  return result.ok ? result.pathWithQuery : `400 ${result.reason}`
}

const table: [input: string, base: string, merge: string, decode: string][] = [
  ['/app/../admin', '/admin', '/admin', '/admin'],
  ['/app/%2E./admin', '/admin', '/admin', '/admin'],
  ['/app\\admin', '/app/admin', '/app/admin', '/app/admin'],
  ['/app//', '/app//', '/app/', '/app/'],
  ['/app/\\/\\/\\admin', '/app//////admin', '/app/admin', '/app/admin'],
  ['/app/%2f', '/app/%2f', '/app/%2f', '/app/'],
  ['/xyz%30..//abc', '/xyz0..//abc', '/xyz0../abc', '/xyz0../abc'],
  ['/%2Fapp%5cadmin%5Cabc', '/%2Fapp%5cadmin%5Cabc', '/%2Fapp%5cadmin%5Cabc', '/app/admin/abc'],
  ['/%c0%2e%c0%2e/admin', '/%c0.%c0./admin', '/%c0.%c0./admin', '/%c0.%c0./admin'],
  ['/%c0%2fadmin', '/%c0%2fadmin', '/%c0%2fadmin', '/%c0/admin'],
  // Beyond the reference's table, by the same rules.
  ['/app//../admin', '/app/admin', '/app/admin', '/app/admin'],
  ['/..', '/', '/', '/'],
  ['/../../a', '/a', '/a', '/a'],
  ['/a/.', '/a/', '/a/', '/a/'],
  ['/a/./b', '/a/b', '/a/b', '/a/b'],
  ['/a/b/..', '/a/', '/a/', '/a/'],
  ['/a/%2e%2E', '/', '/', '/'],
  ['/a/b%2f..%2fc', '/a/b%2f..%2fc', '/a/b%2f..%2fc', '/a/c'],
  ['/a/b%5C%2e%2e%5Cc', '/a/b%5C..%5Cc', '/a/b%5C..%5Cc', '/a/c'],
  ['/a\\..\\b', '/b', '/b', '/b'],
  ['/%41%7e%3a', '/A~%3a', '/A~%3a', '/A~%3a'],
  ['/a b"<>\u00e9\x7f', '/a%20b%22%3C%3E%E9%7F', '/a%20b%22%3C%3E%E9%7F', '/a%20b%22%3C%3E%E9%7F'],
  ['/a^`{|}', '/a%5E%60%7B%7C%7D', '/a%5E%60%7B%7C%7D', '/a%5E%60%7B%7C%7D'],
  ['/%5e%60%7b%7C%7d%7F', '/%5e%60%7b%7C%7d%7F', '/%5e%60%7b%7C%7d%7F', '/%5e%60%7b%7C%7d%7F'],
  ["/!$&'()*+,:;=@[]", "/!$&'()*+,:;=@[]", "/!$&'()*+,:;=@[]", "/!$&'()*+,:;=@[]"],
  ['/\u0001\t\u001f\u0080\xff', '/%01%09%1F%80%FF', '/%01%09%1F%80%FF', '/%01%09%1F%80%FF'],
  ['/a%zz%', '/a%zz%', '/a%zz%', '/a%zz%'],
  ['/a?x=//../%41', '/a?x=//../%41', '/a?x=//../%41', '/a?x=//../%41'],
  ['/..?a/../b', '/?a/../b', '/?a/../b', '/?a/../b'],
]

for (const [input, base, merge, decode] of table) {
  test(`${JSON.stringify(input)} normalizes as the reference says`, () => {
    assert.equal(text(input, 'BASE'), base)
    assert.equal(text(input, 'MERGE_SLASHES'), merge)
    assert.equal(text(input, 'DECODE_AND_MERGE_SLASHES'), decode)
  })
}

test('double escapes, parameters, case and three dots are changed by none of the four', () => {
  for (const target of [
    '/%252e%252e/admin',
    '/..;/admin',
    '/admin;a=b',
    '/Admin',
    '/.../admin',
    '/',
    '/a/b.c/~d',
    '/%3F%23',
    '/a[1]',
  ]) {
    for (const mode of istioModes) assert.equal(text(target, mode), target, mode)
  }
})

test('NONE cuts the fragment and changes nothing else', () => {
  for (const target of ['/app/../admin', '/%2E', '/a\\b', '//', '/%zz', '/%00', '/a"b', '/\u00e9'])
    assert.equal(text(target, 'NONE'), target)
  assert.equal(text('/a/../b#c?d', 'NONE'), '/a/../b')
})

test('a fragment is cut in path and query, with all that follows it', () => {
  for (const mode of istioModes) {
    assert.equal(text('/a#b?c', mode), '/a')
    assert.equal(text('/a?b#c?d', mode), '/a?b')
    assert.equal(text('#x', mode), '/')
    assert.equal(text('*#x', mode), '*')
  }
})

test('an empty path is the root, and the asterisk stays', () => {
  for (const mode of modes) {
    assert.equal(text('', mode), '/')
    assert.equal(text('?a=b', mode), '/?a=b')
    assert.equal(text('*', mode), '*')
    for (const target of ['a', 'http://h/a', '*a', '*?a', ' /a', '.', '\\a', '%2Fa', 'h:443']) {
      assert.equal(text(target, mode), `400 ${targetRefusals.noSlash}`, target)
    }
  }
})

test('path and forwarded target agree, and the query is untouched', () => {
  assert.deepEqual(normalizePath('/a/../b?x=%41\\//', 'MERGE_SLASHES'), {
    ok: true,
    path: '/b',
    pathWithQuery: '/b?x=%41\\//',
  })
  assert.deepEqual(normalizePath('/b?x', 'STRICT'), { ok: true, path: '/b', pathWithQuery: '/b?x' })
})

test('a NUL is refused, raw or escaped', () => {
  for (const mode of ['BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const) {
    for (const target of ['/a\0', '/%00', '/a/%00/../b', '/a%00?x'])
      assert.equal(text(target, mode), `400 ${targetRefusals.nul}`, mode)
  }
})

test('nothing that could forge a line of the forwarded request passes any mode', () => {
  for (const mode of modes) {
    for (let c = 0; c < 256; c++) {
      const byte = String.fromCharCode(c)
      for (const target of [`/a${byte}b`, `/a?${byte}b`, `/${byte}`]) {
        const result = normalizePath(target, mode)
        if (!result.ok) continue
        assert.doesNotMatch(result.pathWithQuery, /[\0-\x20\x7f#]/, `${mode} ${JSON.stringify(target)}`)
      }
    }
    assert.equal(text('/a\u0141', mode), `400 ${targetRefusals.notBytes}`)
    assert.equal(text('/a?\uff0f', mode), `400 ${targetRefusals.notBytes}`)
  }
})

const refusedStrictly: [reason: string, targets: string[]][] = [
  [
    strictRefusals.delimiter,
    ['/a%2Fb', '/a%2fb', '/a%5Cb', '/a%5cb', '/a%3Bb', '/a%3b', '/a%3F', '/a%23', '/%2e%2e%2f'],
  ],
  [strictRefusals.backslash, ['/a\\b', '/\\']],
  [strictRefusals.emptySegment, ['//', '/a//b', '/a//', '///a']],
  [
    strictRefusals.dotSegment,
    ['/.', '/..', '/a/../b', '/a/./b', '/%2e', '/%2E%2e/a', '/.%2e/a', '/a/%2e./b', '/a/..', '/a/..?x'],
  ],
  [strictRefusals.parameters, ['/a;b', '/..;/a', '/;', '/a/;x=y/b']],
  [strictRefusals.badEscape, ['/%', '/%4', '/%zz', '/a%', '/%%32F', '/%2', '/%-1', '/% 1', '/%4?1']],
  [strictRefusals.control, ['/%00', '/%0d%0a', '/%1F', '/%7f']],
  [strictRefusals.doubled, ['/%252e', '/%252F', '/%25%32e', '/%25%41%42', '/%25252e']],
  [strictRefusals.utf8, ['/%C0%AE', '/%ff', '/%e9', '/%ed%a0%80', '/%C3', '/%C3/%A9']],
  [
    strictRefusals.raw,
    ['/a"', '/<', '/>', '/^', '/`', '/{a}', '/|', '/[0]', '/a b', '/a\0', '/\u00e9', '/\x7f'],
  ],
  [targetRefusals.fragment, ['/a#', '/a#b', '/a?b#c', '*#']],
  [targetRefusals.nonAscii, ['/a?\u00e9']],
  [targetRefusals.blank, ['/a?b c', '/a?\0', '/a?\r\nx']],
]

for (const [reason, targets] of refusedStrictly) {
  test(`STRICT refuses because ${reason}`, () => {
    for (const target of targets)
      assert.equal(text(target, 'STRICT'), `400 ${reason}`, JSON.stringify(target))
  })
}

test('STRICT passes ordinary targets and gives each path one spelling', () => {
  for (const target of [
    '/',
    '/a',
    '/a/',
    '/a/b.c',
    '/.a',
    '/a..b/...',
    '/a:b@c',
    "/!$&'()*+,=",
    '/%20',
    '/%C3%A9',
    '/100%25',
    '/a?//;\\..%zz',
  ]) {
    assert.equal(text(target, 'STRICT'), target)
  }
  assert.equal(text('/%61dmin%3Ax%40%2b%c3%a9%5b', 'STRICT'), '/admin:x@+%C3%A9%5B')
})

function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const pieces = [
  '/',
  '/',
  '/',
  '//',
  '.',
  '..',
  '%',
  '%',
  '%2',
  '%2e',
  '%2F',
  '%5C',
  '%5',
  '%25',
  '%32',
  '%33',
  '%46',
  '%41',
  '%43',
  '%35',
]
pieces.push('\\', 'a', 'F', 'C', '0', '2', '3', '5', ';', '?', '#', ' ', '%00', '\u00e9', '%c3%A9', '"', '[')

test('normalizing a result again in the same mode changes nothing', () => {
  const random = seeded(11)
  let accepted = 0
  for (let n = 0; n < 60000; n++) {
    let target = '/'
    for (let k = random(12); k > 0; k--) target += pieces[random(pieces.length)] as string
    for (const mode of modes) {
      const once = normalizePath(target, mode)
      if (!once.ok) continue
      accepted++
      assert.deepEqual(normalizePath(once.pathWithQuery, mode), once, `${mode} ${JSON.stringify(target)}`)
      assert.ok(once.pathWithQuery.startsWith(once.path))
    }
  }
  assert.ok(accepted > 100000)
})

test('no dot segment, backslash or run of slashes survives the modes that resolve them', () => {
  const random = seeded(12)
  for (let n = 0; n < 30000; n++) {
    let target = '/'
    for (let k = random(10); k > 0; k--) target += pieces[random(pieces.length)] as string
    for (const mode of ['BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES', 'STRICT'] as const) {
      const result = normalizePath(target, mode)
      if (!result.ok) continue
      const why = `${mode} ${JSON.stringify(target)} gave ${result.path}`
      assert.doesNotMatch(result.path, /\\|\/\.{1,2}(\/|$)|%2e/i, why)
      if (mode !== 'BASE') assert.ok(!result.path.includes('//'), why)
      if (mode === 'DECODE_AND_MERGE_SLASHES')
        assert.doesNotMatch(result.path.replaceAll('%25', '~'), /%2f|%5c/i, why)
    }
  }
})

test('two strict paths that decode to the same bytes are the same text', () => {
  const random = seeded(13)
  const bytes = [
    'a',
    '%61',
    ':',
    '%3A',
    '%3a',
    '%c3%a9',
    '%C3%A9',
    '/',
    '%20',
    '+',
    '%2B',
    '%2b',
    '%25',
    '~',
    '%7E',
  ]
  const seen = new Map<string, string>()
  for (let n = 0; n < 30000; n++) {
    let target = '/'
    for (let k = random(6); k > 0; k--) target += bytes[random(bytes.length)] as string
    const result = normalizePath(target, 'STRICT')
    if (!result.ok) continue
    const meaning = decodeURIComponent(target)
    assert.equal(seen.get(meaning) ?? result.path, result.path, target)
    seen.set(meaning, result.path)
  }
  assert.ok(seen.size > 1000)
})

test('a target that needs nothing comes back as the same text', () => {
  for (const mode of modes) {
    const target = '/api/v1/things/42.json'
    const result = normalizePath(target, mode)
    assert.ok(result.ok)
    assert.equal(result.path, target)
    assert.equal(result.pathWithQuery, target)
  }
})

test('a stray percent sign never grows into an escape', () => {
  for (const mode of ['BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const) {
    assert.equal(text('/%%32F', mode), '/%252F')
    assert.equal(text('/%2%46', mode), '/%252F')
    assert.equal(text('/%%300', mode), '/%2500')
    assert.equal(text('/%%30%30', mode), '/%2500')
    assert.equal(text('/%%32%65%%32%65/a', mode), '/%252e%252e/a')
    assert.equal(text('/%/../%41%42%43', mode), '/ABC')
  }
})
