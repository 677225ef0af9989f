import { test } from 'node:test'
import assert from 'node:assert/strict'
import { compileString } from '../../src/match/string-matcher.ts'
import * as rules from '../../src/ext-authz/header-rules.ts'

test('names are matched exactly, by prefix and by suffix', () => {
  const patterns = ['x-user', 'x-a-*', '*-id'].map(compileString)
  const cases: [string, boolean][] = [
    ['x-user', true],
    ['x-user-2', false],
    ['x-a-', true],
    ['x-a-b', true],
    ['x-a', false],
    ['the-id', true],
    ['id', false],
    ['', false],
  ]
  for (const [name, wanted] of cases) assert.equal(rules.matchesAny(patterns, name), wanted, name)
})

test('every byte value: names are lower-case tokens, values have no control but a tab', () => {
  for (let code = 0; code < 256; code++) {
    const character = String.fromCharCode(code)
    assert.equal(
      rules.isFieldName(`a${character}`),
      /[!#$%&'*+.^_`|~0-9a-z-]/.test(character),
      `name ${code}`,
    )
    assert.equal(
      rules.isFieldValue(`a${character}`),
      code === 9 || (code >= 32 && code !== 127),
      `value ${code}`,
    )
  }
  assert.equal(rules.isFieldName(''), false)
  assert.equal(rules.isFieldValue('\u0100'), false)
  assert.equal(rules.isFieldValue('x'.repeat(16_385)), false)
})

test('text and field values are each other over UTF-8', () => {
  for (const text of ['', 'plain', 'Jürgen', '日本', '🙂']) {
    assert.equal(rules.toText(rules.toFieldValue(text)), text)
  }
  assert.equal(rules.toText('a\x80'), 'a!')
})
