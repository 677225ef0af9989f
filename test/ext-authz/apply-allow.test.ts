import { test } from 'node:test'
import assert from 'node:assert/strict'
import { applyToRequest, applyToResponse, applyToTarget } from '../../src/ext-authz/apply-allow.ts'
import type { Allow } from '../../src/ext-authz/outcome.ts'

function allow(more: Partial<Allow>): Allow {
  return {
    kind: 'allow',
    setHeaders: [],
    appendHeaders: [],
    removeHeaders: [],
    responseHeaders: [],
    responseSetHeaders: [],
    responseAbsentHeaders: [],
    responsePresentHeaders: [],
    query: null,
    ...more,
  }
}

test('set replaces every field of the name by the last one, append joins one that is there, and removal comes last', () => {
  const headers = ['a', '1', 'b', '2', 'a', '3', 'c', '4', 'd', '5']
  const changed = applyToRequest(
    headers,
    allow({
      setHeaders: ['a', 'x', 'a', 'y', 'e', 'z'],
      appendHeaders: ['b', 'w', 'lacking', 'w', 'e', 'w'],
      removeHeaders: ['c'],
    }),
  )
  assert.deepEqual(changed, ['b', '2,w', 'd', '5', 'a', 'y', 'e', 'z,w'])
  assert.equal(headers.length, 10)
})

test("the client's response gets what is added, and what is set replaces the application's", () => {
  const rule = allow({ responseHeaders: ['set-cookie', 'b=2'], responseSetHeaders: ['x-a', 'ours'] })
  assert.deepEqual(applyToResponse(['x-a', 'app', 'set-cookie', 'a=1'], rule), [
    ...['set-cookie', 'a=1', 'x-a', 'ours', 'set-cookie', 'b=2'],
  ])
  const conditional = allow({
    responseAbsentHeaders: ['x-a', 'no', 'x-b', 'yes'],
    responsePresentHeaders: ['x-a', 'yes', 'x-c', 'no'],
  })
  assert.deepEqual(applyToResponse(['x-a', 'app'], conditional), ['x-a', 'yes', 'x-b', 'yes'])
})

test('query parameters are set and removed by their unescaped names, the rest stays as written', () => {
  const change = { set: ['user', 'a&b=c é'], remove: ['token'] }
  const cases: [string, string][] = [
    ['/p', '/p?user=a%26b%3Dc%20%C3%A9'],
    ['/p?', '/p?user=a%26b%3Dc%20%C3%A9'],
    ['/p?x=%2F&token=1&t%6Fken=2&user=old&y', '/p?x=%2F&y&user=a%26b%3Dc%20%C3%A9'],
    ['/p?%zz=1', '/p?%zz=1&user=a%26b%3Dc%20%C3%A9'],
    ['*', '*'],
  ]
  for (const [target, wanted] of cases) assert.equal(applyToTarget(target, change), wanted)
  assert.equal(applyToTarget('/p?token=1', { set: [], remove: ['token'] }), '/p')
  assert.equal(applyToTarget('/p?a=1', null), '/p?a=1')
  // What is escaped already stays as it is, as Envoy passes it on.
  assert.equal(applyToTarget('/p', { set: ['a', 'b%20c+d=%'], remove: [] }), '/p?a=b%20c+d%3D%25')
  assert.equal(applyToTarget('/p', { set: ['a', '\ud800'], remove: [] }), '/p?a=%EF%BF%BD')
})
