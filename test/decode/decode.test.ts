/** The decoders' grammar and, above all, the words of their complaints. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { attempt, found, member, quoted } from '../../src/decode/decode-problem.ts'
import * as decode from '../../src/decode/decode.ts'

const complaint = (run: () => unknown): string => {
  const result = attempt(run)
  return result.ok ? 'accepted' : result.reason
}

test('a complaint names the path, what was expected and what was found', () => {
  const cases: [() => unknown, string][] = [
    [
      () => decode.list(decode.string)('x', 'spec.rules[2].from'),
      'spec.rules[2].from: expected a list, found "x"',
    ],
    [
      () => decode.list(decode.string)(['a', 5], 'a.b'),
      'a.b[1]: expected a string, found 5 (put it in quotes)',
    ],
    [() => decode.string(null, 'x'), 'x: expected a string, found null'],
    [() => decode.nonEmptyString('', 'x'), 'x: expected a non-empty string, found an empty string'],
    [() => decode.boolean('yes', 'x'), 'x: expected true or false, found "yes"'],
    [() => decode.port(70000, 'x'), 'x: expected a whole number from 1 to 65535, found 70000'],
    [() => decode.port('0x50', 'x'), 'x: expected a whole number from 1 to 65535, found "0x50"'],
    [() => decode.port(1.5, 'x'), 'x: expected a whole number from 1 to 65535, found 1.5'],
    [() => decode.oneOf(['A', 'B'])('a', 'x'), 'x: expected one of A, B, found "a"'],
    [() => decode.map([], 'x'), 'x: expected a map, found an empty list'],
    [() => decode.strings({ a: 1 }, 'x'), 'x.a: expected a string, found 1 (put it in quotes)'],
    [() => decode.list(decode.string, 1)(['a', 'b'], 'x'), 'x: expected at most 1 items, found 2'],
    [() => decode.required(new Map(), 'k', 'x', decode.string), 'x.k: must be set'],
  ]
  for (const [run, expected] of cases) assert.equal(complaint(run), expected)
})

test('an unknown field is refused by name, with the field that was probably meant', () => {
  const read = (input: unknown): string =>
    complaint(() => decode.record(input, 'spec', ['paths', 'notPaths']))
  assert.equal(read({ notPath: [] }), 'spec: unknown field "notPath"; did you mean "notPaths"?')
  assert.equal(read({ Paths: [] }), 'spec: unknown field "Paths"; did you mean "paths"?')
  assert.equal(read({ zebra: [] }), 'spec: unknown field "zebra"; expected one of paths, notPaths')
})

test('snake_case names mean the same field, but not both at once', () => {
  const known = ['notPaths']
  assert.equal(decode.record({ not_paths: 1 }, 'x', known).get('notPaths'), 1)
  assert.equal(
    complaint(() => decode.record({ not_paths: 1, notPaths: 2 }, 'x', known)),
    'x: "notPaths" is given twice, also as "not_paths"',
  )
})

test('null is absent, as in proto3 JSON', () => {
  const fields = decode.record({ a: null }, 'x', ['a'])
  assert.equal(decode.optional(fields, 'a', 'x', decode.string), null)
  assert.deepEqual(decode.items(fields, 'a', 'x', decode.string), [])
})

test('integers may be written as decimal text', () => {
  assert.equal(decode.port('8080', 'x'), 8080)
  assert.equal(complaint(() => decode.port('08', 'x')).includes('found "08"'), true)
})

test('prototype keys cannot be smuggled in', () => {
  const hostile: unknown = JSON.parse('{"__proto__": {"principals": ["*"]}, "constructor": "x"}')
  assert.match(
    complaint(() => decode.record(hostile, 'x', ['principals'])),
    /unknown field "__proto__"/,
  )
  assert.match(
    complaint(() => decode.strings(hostile, 'x')),
    /"__proto__" is not allowed/,
  )
})

test('text of a document cannot forge lines, quotes or paths in a message', () => {
  assert.equal(quoted('a\nb\u0000c\u202Ed"e'), '"a?b?c?d\\"e"')
  assert.equal(quoted('x'.repeat(100)), `"${'x'.repeat(60)}…"`)
  assert.equal(member('spec', 'a.b: ok'), 'spec["a.b: ok"]')
  assert.equal(member('', 'spec'), 'spec')
  assert.equal(found({}), 'a map')
})

test('only decode problems become values; a defect goes on', () => {
  assert.throws(
    () =>
      attempt(() => {
        throw new TypeError('defect')
      }),
    TypeError,
  )
})
