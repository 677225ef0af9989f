/** Where tokens are found (policy-semantics §6.3, traps 48 and 49). */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { TokenLocations } from '../../src/policy/request-authentication.ts'
import { TokenFinder } from '../../src/jwt/token-locations.ts'

const nowhere: TokenLocations = { fromHeaders: [], fromParams: [], fromCookies: [] }
const found = (places: Partial<TokenLocations>, headers: readonly string[], target = '/'): string[] =>
  new TokenFinder({ ...nowhere, ...places }, new Set()).find(headers, target).map(({ text }) => text)

const values: readonly (readonly [value: string, token: string | null])[] = [
  ['Bearer a.b.c', 'a.b.c'],
  ['bearer a.b.c', null],
  ['BEARER a.b.c', null],
  ['Basic dTpw', null],
  ['Bearer', null],
  ['', null],
  // The prefix may stand anywhere, and what no token begins with is skipped behind it.
  ['x Bearer a.b.c', 'a.b.c'],
  ['xBearer a.b.c', 'a.b.c'],
  ['Bearer   a.b.c', 'a.b.c'],
  ['Bearer "a.b.c"', 'a.b.c"'],
  // The whole rest is the token.
  ['Bearer a.b.c, d', 'a.b.c, d'],
  ['Bearer Bearer a.b.c', 'Bearer a.b.c'],
  // Nothing left: the complete value, which cannot be one.
  ['Bearer ', 'Bearer '],
  ['Bearer !!', 'Bearer !!'],
]
for (const [value, token] of values) {
  test(`Authorization: ${JSON.stringify(value)} holds ${token === null ? 'no token' : JSON.stringify(token)}`, () => {
    assert.deepEqual(found({}, ['authorization', value]), token === null ? [] : [token])
  })
}

test('without a prefix the complete value is the token, an empty one too', () => {
  const fromHeaders = [{ name: 'x-jwt', prefix: '' }]
  assert.deepEqual(found({ fromHeaders }, ['x-jwt', '']), [''])
  assert.deepEqual(found({ fromHeaders }, ['x-jwt', 'Bearer a']), ['Bearer a'])
})

test('any custom place switches the default ones off', () => {
  const headers = ['authorization', 'Bearer a', 'x-jwt', 'b', 'cookie', 'c=d']
  const target = '/?access_token=e&p=f'
  assert.deepEqual(found({}, headers, target), ['a', 'e'])
  assert.deepEqual(found({ fromHeaders: [{ name: 'x-jwt', prefix: '' }] }, headers, target), ['b'])
  assert.deepEqual(found({ fromParams: ['p'] }, headers, target), ['f'])
  assert.deepEqual(found({ fromCookies: ['c'] }, headers, target), ['d'])
})

test('headers come by name, then parameters, then cookies; repeated headers each, of a parameter the first', () => {
  const places = {
    fromHeaders: [
      { name: 'b', prefix: '' },
      { name: 'a', prefix: 'T ' },
    ],
    fromParams: ['q', 'p'],
    fromCookies: ['c'],
  }
  const headers = ['b', '1', 'a', 'T 2', 'b', '3', 'cookie', 'x=0; c=4', 'cookie', 'c=5']
  assert.deepEqual(found(places, headers, '/?p=6&p=7&%71=%38#p=9'), ['2', '1', '3', '6', '8', '4'])
})
