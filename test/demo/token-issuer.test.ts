import { test } from 'node:test'
import assert from 'node:assert/strict'
import { TokenIssuer } from '../../src/demo/token-issuer.ts'
import { bearer, jwtRule, told, verifier } from '../jwt/issuer.ts'

test('tokens of the issuer are verified by its own keys, not by those of another of its name', async () => {
  const [issuer, namesake] = [new TokenIssuer('https://issuer.test'), new TokenIssuer('https://issuer.test')]
  const rule = verifier(jwtRule({ issuer: issuer.name, jwks: issuer.jwks }))
  const answer = async (token: string): Promise<string> => told(await rule.verify(bearer(token), Date.now()))
  assert.equal(await answer(issuer.issue('visitor', 60)), 'ok')
  assert.equal(await answer(issuer.issue('visitor', -3600)), 'Jwt is expired')
  assert.equal(await answer(namesake.issue('visitor', 60)), 'Jwt verification fails')
})

test('the private key is in no key set', () => {
  const [key] = (JSON.parse(new TokenIssuer('i').jwks) as { keys: object[] }).keys
  assert.deepEqual(Object.keys(key ?? {}).toSorted(), ['alg', 'crv', 'kty', 'x', 'y'])
})
