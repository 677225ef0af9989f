/** Regular expressions in linear time, held against the language's own on everything both understand. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { compileRegex, longestRegexText } from '../../src/match/linear-regex.ts'
import type { LinearRegex } from '../../src/match/linear-regex.ts'
import { seeded } from '../policy/sample.ts'

function regex(pattern: string): LinearRegex {
  const made = compileRegex(pattern)
  if (!made.ok) assert.fail(`${pattern}: ${made.reason}`)
  return made.regex
}

const table: readonly (readonly [pattern: string, fits: readonly string[], fitsNot: readonly string[]])[] = [
  ['/a', ['/a'], ['', '/', '/a/', '/ab', 'x/a', '/A']],
  ['', [''], ['a']],
  ['/a|/b', ['/a', '/b'], ['/ab', '/a|/b']],
  ['^/pets/(.*?)?', ['/pets/', '/pets/1', '/pets/1/2'], ['/pets', '/x/pets/']],
  ['/v[0-9]+/.*', ['/v1/', '/v12/x'], ['/v/', '/vx/']],
  ['/a{2,3}', ['/aa', '/aaa'], ['/a', '/aaaa']],
  ['/a{2}', ['/aa'], ['/a', '/aaa']],
  ['/a{2,}', ['/aa', '/aaaaaa'], ['/a']],
  ['/a{0,1}b', ['/b', '/ab'], ['/aab']],
  ['(?:/[a-z]+)+', ['/a', '/a/b'], ['/', '/a/', '/a/B']],
  ['/[^/]+/x', ['/a/x'], ['//x', '/a/b/x']],
  ['/\\d\\D\\w\\W\\s\\S', ['/1a_- x'], ['/aa_- x']],
  ['/[\\w.-]+', ['/a.b-c_d'], ['/a/b']],
  ['/[-a]', ['/-', '/a'], ['/b']],
  ['/[a-]', ['/-', '/a'], ['/b']],
  ['/a\\.b\\/c\\-\\*', ['/a.b/c-*'], ['/axb/c-*']],
  ['/\\x41', ['/A'], ['/\\x41']],
  ['/a$', ['/a'], ['/a$']],
  ['/(a$|b)c?', ['/a', '/bc', '/b'], ['/ac']],
  ['(^/a|b)', ['/a', 'b'], []],
  ['a^b', [], ['ab', 'a^b']],
  ['(a*)*', ['', 'aaa'], ['b']],
  ['(a|)+b', ['b', 'aab'], ['a']],
  ['.', ['a', '\x80', '\xff'], ['', '\n', '\r', 'ab']],
]

for (const [pattern, fits, fitsNot] of table) {
  test(`the regular expression ${JSON.stringify(pattern)} takes whole texts only`, () => {
    for (const text of fits) assert.equal(regex(pattern).matches(text), true, text)
    for (const text of fitsNot) assert.equal(regex(pattern).matches(text), false, text)
  })
}

const refused: readonly (readonly [pattern: string, reason: string])[] = [
  ['(', 'a "(" is not closed'],
  [')', 'a ")" closes nothing'],
  ['[a', 'a "[" is not closed'],
  ['[', 'a "[" is not closed'],
  ['[a-', 'a "[" is not closed'],
  ['a]', 'a "]" closes nothing'],
  ['a}', 'a "}" closes nothing'],
  ['*a', 'a count follows nothing'],
  ['a|+', 'a count follows nothing'],
  ['a**', 'a count follows a count'],
  ['a{1}{2}', 'a count follows a count'],
  ['^*', 'a count follows an anchor'],
  ['a{', 'a "{" begins no count'],
  ['a{x}', 'a "{" begins no count'],
  ['a{3,2}', 'a count ends below its start'],
  ['a{256}', 'a count is above 255'],
  ['[z-a]', 'a range of a class has no sense'],
  ['[\\d-z]', 'a range of a class has no sense'],
  ['[[:alpha:]]', 'a "[" within a class must be escaped'],
  ['(?=a)', 'look-around and named groups are not supported'],
  ['(?!a)', 'look-around and named groups are not supported'],
  ['(?<=a)b', 'look-around and named groups are not supported'],
  ['(?<n>a)', 'look-around and named groups are not supported'],
  ['(a)\\1', '"\\1" is not supported'],
  ['\\ba', '"\\b" is not supported'],
  ['[\\b]', '"\\b" is not supported in a class'],
  ['\\u0041', '"\\u" is not supported'],
  ['\\p{L}', '"\\p" is not supported'],
  ['\\', 'it ends in a "\\"'],
  ['\\x4', '"\\x" is not followed by two hex digits'],
  ['/é', 'it holds characters that are no printable ASCII'],
  ['a\n', 'it holds characters that are no printable ASCII'],
  ['a'.repeat(1025), 'it is longer than 1024 characters'],
  ['('.repeat(33) + ')'.repeat(33), 'groups are nested deeper than 32'],
  ['((a{9}){9}){13}', 'it comes to more than 1000 states'],
]

for (const [pattern, reason] of refused) {
  test(`a regular expression is refused: ${reason} (${JSON.stringify(pattern.slice(0, 20))})`, () => {
    assert.deepEqual(compileRegex(pattern), { ok: false, reason })
  })
}

test('patterns that ruin a backtracking matcher take their time by the length of the text', () => {
  for (const pattern of [
    '(a+)+b',
    '(a|a)*b',
    '(.*a){20}b',
    '(a|b)*a(a|b){12}',
    '([a-z]+)*x$',
    '(a?){100}a{100}',
  ]) {
    const subject = regex(pattern)
    const text = 'ab'.repeat(longestRegexText / 2)
    const started = process.cpuUsage().user
    subject.matches(text)
    subject.matches('a'.repeat(longestRegexText))
    assert.ok(process.cpuUsage().user - started < 5e6, pattern)
  }
})

test('a text that is too long, or not of bytes, is not answered', () => {
  assert.equal(regex('a*').matches('a'.repeat(longestRegexText)), true)
  assert.equal(regex('a*').matches('a'.repeat(longestRegexText + 1)), null)
  assert.equal(regex('.*').matches('/é\u0100'), null)
})

test('random patterns mean what the language’s own expressions mean, also when sets are forgotten', () => {
  const seed = Number(process.env['SALLYPORT_SEED'] ?? 20_261)
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const atom = (depth: number): string =>
    depth > 2 || random() < 0.6
      ? pick(['a', 'b', '/', '.', '[ab]', '[^a/]', '\\w', '\\/', '\\x62'])
      : `(${random() < 0.5 ? '?:' : ''}${alternatives(depth + 1)})`
  const piece = (depth: number): string =>
    atom(depth) + (random() < 0.4 ? pick(['*', '+', '?', '{1,2}', '{2}', '{0,}', '*?', '+?']) : '')
  const sequence = (depth: number): string =>
    Array.from({ length: Math.floor(random() * 4) }, () => piece(depth)).join('')
  function alternatives(depth: number): string {
    return Array.from({ length: random() < 0.3 ? 2 : 1 }, () => sequence(depth)).join('|')
  }
  for (let round = 0; round < 1500; round++) {
    const pattern = `${pick(['', '', '^'])}${alternatives(0)}${pick(['', '', '$'])}`
    const [ours, theirs] = [regex(pattern), new RegExp(`^(?:${pattern})$`)]
    for (let n = 0; n < 12; n++) {
      const text = Array.from({ length: Math.floor(random() * 9) }, () => pick(['a', 'b', '/', 'c'])).join('')
      assert.equal(
        ours.matches(text),
        theirs.test(text),
        `seed ${seed}: ${pattern} on ${JSON.stringify(text)}`,
      )
    }
  }
})
