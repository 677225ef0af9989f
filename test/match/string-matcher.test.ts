/** The policy wildcard: its four forms, in the order they are told apart. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileString, matchesString } from '../../src/match/string-matcher.ts'

const cases: [value: string, kind: string, hits: string[], misses: string[]][] = [
  ['*', 'any', ['a', '*', ' ', '/'], ['']],
  ['abc', 'exact', ['abc'], ['ABC', 'abcd', 'xabc', 'ab', '']],
  ['abc*', 'prefix', ['abc', 'abcd', 'abc*'], ['ab', 'xabc', 'Abc', '']],
  ['*abc', 'suffix', ['abc', 'xabc', '*abc'], ['bc', 'abcx', 'aBC', '']],
  ['*abc*', 'suffix', ['abc*', 'xabc*'], ['abc', 'xabcx']],
  ['a*c', 'exact', ['a*c'], ['abc', 'ac', 'a*cc']],
  ['**', 'suffix', ['*', 'x*'], ['x', '']],
  ['/api/*', 'prefix', ['/api/', '/api/x'], ['/api', '/apiary', '/API/']],
  ['/api*', 'prefix', ['/api', '/apiary'], ['/ap']],
  ['a.c', 'exact', ['a.c'], ['abc']],
  ['', 'exact', [], ['', 'a']],
]

for (const [value, kind, hits, misses] of cases) {
  test(`the value ${JSON.stringify(value)} is ${kind} and matches just what that says`, () => {
    const matcher = compileString(value)
    assert.equal(matcher.kind, kind)
    for (const text of hits) assert.ok(matchesString(matcher, text), text)
    for (const text of misses) assert.ok(!matchesString(matcher, text), text)
  })
}
