/** Which claims policy sees as lists: policy-semantics §1.5, trap 20. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { verifiedToken } from '../../src/jwt/verified-token.ts'
import { readToken } from '../../src/jwt/token.ts'
import { forged, issuer, jwtRule } from './issuer.ts'

function claimsOf(claims: object, spaceDelimitedClaims: readonly string[] = []): Record<string, unknown> {
  const read = readToken(forged({ alg: 'ES256' }, { iss: issuer, ...claims }))
  assert.ok(read.ok)
  const { iss, ...seen } = verifiedToken(read.token, jwtRule({ spaceDelimitedClaims })).token.claims
  assert.equal(iss, issuer)
  return seen
}

test('claims the rule names are split at blanks, as scope and permission always are', () => {
  const claims = { scope: ' a  b ', permission: 'p', roles: 'x y', other: 'x y' }
  assert.deepEqual(claimsOf(claims, ['roles']), {
    scope: ['a', 'b'],
    permission: ['p'],
    roles: ['x', 'y'],
    other: 'x y',
  })
})

test('only text at the top is split: lists, numbers and nested claims stay', () => {
  const claims = { scope: ['a b'], permission: 7, realm: { roles: 'x y' }, roles: '' }
  assert.deepEqual(claimsOf(claims, ['roles', 'realm.roles', 'gone', '__proto__']), { ...claims, roles: [] })
})
