import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readToken } from '../../src/jwt/token.ts'
import { seeded } from '../policy/sample.ts'
import {
  bearer,
  forged,
  issuer,
  jwtRule,
  keySet,
  nowMs,
  request,
  signer,
  token,
  told,
  verifier,
} from './issuer.ts'

const head = { alg: 'ES256' }
const body = { iss: issuer, sub: 's' }
const encode = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64url')
const deep = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
const form = 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'

const faults: readonly (readonly [string, string])[] = [
  ...[
    '',
    '.',
    '..',
    'a',
    'a.b',
    'a.b.c.d',
    '.b.c',
    'a..c',
    'a.b.',
    'a.b.c.',
    `${'a'.repeat(70_000)}.b.c`,
  ].map((text): [string, string] => [text, form]),
  ['a!.b.c', 'Jwt header is an invalid Base64url encoded'],
  ['YQ==.b.c', 'Jwt header is an invalid Base64url encoded'],
  ['YR.b.c', 'Jwt header is an invalid Base64url encoded'],
  [forged('nonsense', body), 'Jwt header is an invalid JSON'],
  [forged('[]', body), 'Jwt header is an invalid JSON'],
  [forged('null', body), 'Jwt header is an invalid JSON'],
  [forged(deep(33), body), 'Jwt header is an invalid JSON'],
  [`${encode(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]))}.b.c`, 'Jwt header is an invalid JSON'],
  [forged({}, body), 'Jwt header [alg] field is required and must be a string'],
  [forged({ alg: 5 }, body), 'Jwt header [alg] field is required and must be a string'],
  [forged('{"__proto__":{"alg":"ES256"}}', body), 'Jwt header [alg] field is required and must be a string'],
  ...['none', 'None', '', 'es256', 'ES256K', 'RSA-OAEP', 'constructor'].map((alg): [string, string] => [
    forged({ alg }, body),
    'Jwt header [alg] is not supported',
  ]),
  [forged({ ...head, kid: 5 }, body), 'Jwt header [kid] field is not a string'],
  [forged({ ...head, kid: null }, body), 'Jwt header [kid] field is not a string'],
  [`${encode(JSON.stringify(head))}.b!.c`, 'Jwt payload is an invalid Base64url encoded'],
  [forged(head, 'x'), 'Jwt payload is an invalid JSON'],
  [forged(head, deep(33)), 'Jwt payload is an invalid JSON'],
  [forged(head, deep(20_000)), 'Jwt payload is an invalid JSON'],
  ...['iss', 'sub', 'jti'].flatMap((name) =>
    [5, null, {}].map((value): [string, string] => [
      forged(head, { [name]: value }),
      `Jwt payload [${name}] field is not a string`,
    ]),
  ),
  ...['exp', 'iat', 'nbf'].flatMap((name): [string, string][] => [
    [forged(head, { [name]: '5' }), `Jwt payload [${name}] field is not an integer`],
    [forged(head, { [name]: null }), `Jwt payload [${name}] field is not an integer`],
    [forged(head, { [name]: -1 }), `Jwt payload [${name}] field is not a positive 64 bit integer`],
    [forged(head, `{"${name}":1e400}`), `Jwt payload [${name}] field is not a positive 64 bit integer`],
  ]),
  [forged(head, { aud: 5 }), 'Jwt payload [aud] field is not a string or string list'],
  [forged(head, { aud: ['a', 5] }), 'Jwt payload [aud] field is not a string or string list'],
  [forged(head, body, 'c2!n'), 'Jwt signature is an invalid Base64url encoded'],
  [forged(head, body, 'a'), 'Jwt signature is an invalid Base64url encoded'],
  [forged({ alg: 'EdDSA' }, body), 'Jwt ED25519 signature is wrong length'],
]

for (const [text, fault] of faults) {
  test(`${JSON.stringify(text.slice(0, 70))} is told: ${fault}`, () => {
    assert.deepEqual(readToken(text), { ok: false, fault })
  })
}

test('the deepest nesting that is allowed is read', () => {
  assert.equal(readToken(forged(head, deep(32))).ok, true)
})

test('header is checked before payload, payload before signature, signature before issuer', async () => {
  const rule = verifier(jwtRule({ jwks: keySet(await signer('ES256', '')) }))
  const order = [
    [forged({ alg: 'none' }, 'x', '!'), 'Jwt header [alg] is not supported'],
    [forged(head, 'x', '!'), 'Jwt payload is an invalid JSON'],
    [forged(head, { iss: 'x', exp: 1 }, '!'), 'Jwt signature is an invalid Base64url encoded'],
    [forged(head, { iss: 'x', exp: 1 }), 'Jwt issuer is not configured'],
    [forged(head, { iss: issuer, exp: 1 }), 'Jwt is expired'],
    [forged(head, { iss: issuer }), 'Jwt verification fails'],
  ] as const
  for (const [text, fault] of order) assert.equal(told(await rule.verify(bearer(text), nowMs)), fault)
})

test('no mutation of a valid token is accepted', async () => {
  const random = seeded(20260102)
  const pick = (below: number): number => Math.floor(random() * below)
  const alphabet = 'ABCXYZabcxyz0189-_.=+/ %\u0000é'
  for (const algorithm of ['ES256', 'RS256', 'EdDSA']) {
    const by = await signer(algorithm, 'k')
    const rule = verifier(jwtRule({ jwks: keySet(by), fromHeaders: [{ name: 'x-jwt', prefix: '' }] }))
    const valid = await token(by, { aud: ['a'], scope: 'x y' })
    const asked = (text: string) => rule.verify(request(['x-jwt', text], '/'), nowMs)
    assert.equal(told(await asked(valid)), 'ok')
    for (let round = 0; round < 400; round++) {
      const at = pick(valid.length)
      const letter = alphabet[pick(alphabet.length)] as string
      const parts = valid.split('.')
      const mutated = [
        () => valid.slice(0, at) + letter + valid.slice(at + 1),
        () => valid.slice(0, at) + letter + valid.slice(at),
        () => valid.slice(0, at),
        () => valid.slice(at + 1),
        () => valid.slice(0, at) + valid.slice(at + 1),
        () => [parts[1], parts[0], parts[2]].join('.'),
        () => valid + letter,
        () => `${encode(JSON.stringify({ alg: 'none' }))}.${parts[1]}.${parts[2]}`,
        () => `${encode(JSON.stringify({ alg: 'HS256', kid: 'k' }))}.${parts[1]}.${parts[2]}`,
      ][pick(9)]?.() as string
      if (mutated === valid) continue
      assert.notEqual(told(await asked(mutated)), 'ok', `${algorithm}, round ${round}: ${mutated}`)
    }
  }
})
