/**
 * Tokens good and bad, shown to Envoy's own filter and to our verifier: status and text must be the same, or ours the
 * stricter where docs/differences.md says so. It says what differs and decides nothing else.
 */
import { SignJWT } from 'jose'
import { RequestAuthenticationVerifier } from '../../src/jwt/request-authentication-verifier.ts'
import {
  authentication,
  forged,
  issuer,
  jwtRule,
  keySet,
  noRing,
  signer,
  type Signer,
} from '../jwt/issuer.ts'
import { RawCaller, RunningEnvoy, typed } from './running-envoy.ts'

type Claims = Record<string, unknown>

const audiences = ['wanted', 'https://a.test/']
const now = Math.floor(Date.now() / 1000)
const deep = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`

function signed(by: Signer, claims: Claims = {}, header: Claims = {}): Promise<string> {
  return new SignJWT({ iss: issuer, sub: 'alice', aud: 'wanted', exp: now + 3600, ...claims })
    .setProtectedHeader({ alg: by.algorithm, kid: by.keyId, ...header })
    .sign(by.key)
}

/** Of each case the values of Authorization; `stricter` where ours refuses what Envoy reads generously, or says so earlier. */
interface TokenCase {
  readonly name: string
  readonly values: readonly string[]
  readonly stricter: boolean
}

async function casesFor(keys: readonly Signer[], stranger: Signer): Promise<TokenCase[]> {
  const [es] = keys as [Signer]
  const cases: TokenCase[] = []
  const add = (name: string, value: string, stricter = false): void =>
    void cases.push({ name, values: [value], stricter })
  const bearer = (name: string, text: string, stricter = false): void => add(name, `Bearer ${text}`, stricter)
  for (const key of keys) bearer(key.algorithm, await signed(key))
  for (const aud of [
    'http://a.test',
    'a.test//',
    'wanted/',
    'https://wanted',
    '',
    undefined,
    ['x', 'a.test'],
    [],
  ])
    bearer(`aud ${JSON.stringify(aud)}`, await signed(es, { aud }))
  for (const text of ['', '.', '..', 'a', 'a.b', 'a.b.c.d', '.b.c', 'a..c', 'a.b.', 'a!.b.c'])
    bearer(`text ${text}`, text)
  for (const text of ['a.b.c.', 'YQ==.b.c', 'YR.b.c']) bearer(`text ${text}`, text, true)
  const head = { alg: 'ES256' }
  const body = { iss: issuer, sub: 's', aud: 'wanted' }
  const parts: [unknown, unknown, boolean?][] = [
    ...['nonsense', '[]', {}, { alg: 5 }].map((one): [unknown, unknown] => [one, body]),
    ...['none', 'None', '', 'es256', 'ES256K', 'HS256'].map((alg): [unknown, unknown] => [{ alg }, body]),
    ...[
      { ...head, kid: 5 },
      { ...head, kid: null },
    ].map((one): [unknown, unknown] => [one, body]),
    ...(['iss', 'sub', 'jti'] as const).map((name): [unknown, unknown] => [head, { ...body, [name]: 5 }]),
    ...['5', null, -1, 1.5].map((exp): [unknown, unknown] => [head, { ...body, exp }]),
    ...[5, ['a', 5], {}].map((aud): [unknown, unknown] => [head, { ...body, aud }]),
    [head, 'x'],
    [head, { ...body, nbf: 'x' }],
    [head, { ...body, iat: -5 }],
    [head, { ...body, iss: 'other' }],
    [head, {}],
    [head, { iss: issuer }],
    [{ alg: 'EdDSA' }, body],
    ['null', body, true],
    [deep(33), body, true],
    [head, deep(33), true],
    [head, `{"iss":"${issuer}","exp":1e400}`, true],
  ]
  for (const [header, payload, stricter] of parts)
    bearer(`${JSON.stringify(header)} ${JSON.stringify(payload)}`, forged(header, payload), stricter)
  for (const signature of ['c2!n', 'a']) bearer(`signature ${signature}`, forged(head, body, signature))
  for (const claims of [
    { exp: now - 55 },
    { exp: now - 65 },
    { nbf: now + 55 },
    { nbf: now + 65 },
    { exp: undefined },
  ])
    bearer(JSON.stringify(claims), await signed(es, claims))
  bearer('exp 0', await signed(es, { exp: 0 }), true)
  bearer('kid of nobody', await signed(es, {}, { kid: 'zz' }))
  bearer('no kid', await signed(es, {}, { kid: undefined }))
  bearer('key of somebody else', await signed(stranger))
  const good = await signed(es)
  const prefixes = [
    'bearer ',
    'Basic ',
    'Bearer',
    'Bearer  ',
    'xBearer ',
    'Bearer !!',
    'x Bearer ',
    'Bearer "',
  ]
  for (const prefix of [...prefixes, 'Bearer Bearer ']) add(`after ${prefix}`, prefix + good)
  for (const tail of [',x', ';x', ' ', '"x', '=x', '!', '%20', '+x', '/x'])
    bearer(`before ${tail}`, good + tail)
  for (const tail of [' x', '  y z', '\tx', '==', ' .']) bearer(`before ${tail}`, good + tail, true)
  return cases
}

/** Resolves with what disagrees, a line each. */
export async function compareTokens(binary: string, say: (line: string) => void): Promise<string[]> {
  const keys = [await signer('ES256', 'es'), await signer('RS256', 'rs'), await signer('EdDSA', 'ed')]
  const jwks = keySet(...keys)
  const filter = typed('envoy.filters.http.jwt_authn', 'filters.http.jwt_authn.v3.JwtAuthentication', {
    providers: { own: { issuer, audiences, local_jwks: { inline_string: jwks } } },
    rules: [
      {
        match: { prefix: '/' },
        requires: { requires_any: { requirements: [{ provider_name: 'own' }, { allow_missing: {} }] } },
      },
    ],
  })
  const settings = { normalize_path: true, local_reply_config: {} }
  const envoy = await RunningEnvoy.start(binary, [
    { address: '127.0.0.1', settings, filters: () => [filter] },
  ])
  const rule = authentication(jwtRule({ issuer, audiences, jwks }))
  const verifier = new RequestAuthenticationVerifier([rule], [], noRing())
  const wrong: string[] = []
  let [same, stricter] = [0, 0]
  for (const { name, values, stricter: maybe } of await casesFor(keys, await signer('ES256', 'es'))) {
    const caller = new RawCaller({ from: '127.0.0.1', to: '127.0.0.1', port: envoy.ports[0] as number })
    const lines = values.map((value) => `authorization: ${value}\r\n`).join('')
    const reply = await caller.ask(`GET /p HTTP/1.1\r\nhost: app.test\r\n${lines}\r\n`)
    caller.close()
    const theirs = reply.status === 200 ? '200' : `${reply.status} ${reply.body}`
    // Blanks around a field value are no part of it.
    const headers = values.flatMap((value) => ['authorization', value.trim()])
    const connection = { scheme: 'http', port: 80, peer: '' } as const
    const request = { connection, method: 'GET', headers, target: '/p', path: '/p', host: 'app.test' }
    const outcome = await verifier.verify(request, Date.now())
    const ours = outcome.ok ? '200' : `${outcome.status} ${outcome.body}`
    if (theirs === ours) same += 1
    else if (maybe && !outcome.ok) stricter += 1
    else wrong.push(`token, ${name}: ${theirs} there, ${ours} here`)
  }
  say(`tokens: ${same} answered alike, ${stricter} where ours is stricter`)
  await envoy.stop()
  return wrong
}
