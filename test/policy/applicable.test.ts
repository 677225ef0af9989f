/** exportTo, as clients of different namespaces see it. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { visible } from '../../src/policy/applicable.ts'

test('exportTo decides which namespaces see an object', () => {
  const cases: [readonly string[], string, boolean][] = [
    [[], 'other', true],
    [['*'], 'other', true],
    [['.'], 'own', true],
    [['.'], 'other', false],
    [['other'], 'other', true],
    [['other'], 'own', false],
    [['.', 'other'], 'own', true],
    [['~'], 'own', false],
  ]
  for (const [exportTo, client, expected] of cases) {
    assert.equal(visible(exportTo, 'own', client), expected, `${exportTo.join()} to ${client}`)
  }
})
