import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accepted, object, refused } from './sample.ts'

const key = '{\\"kty\\":\\"RSA\\",\\"n\\":\\"AQAB\\",\\"e\\":\\"AQAB\\"}'
const jwks = `"{\\"keys\\":[${key}]}"`
const rule = (fields: string): string =>
  object('RequestAuthentication', `{jwtRules: [{issuer: "https://idp.test", ${fields}}]}`)
const decoded = (text: string) => accepted('RequestAuthentication', text)

test('every field of a rule is decoded', () => {
  const { value, warnings } = decoded(
    object(
      'RequestAuthentication',
      `{selector: {matchLabels: {app: web}}, jwtRules: [{issuer: i, audiences: [a, b], jwks: ${jwks}, fromHeaders: [{name: X-Jwt, prefix: "Token "}, {name: x-bare}], fromParams: [p], fromCookies: [c], outputPayloadToHeader: X-Payload, forwardOriginalToken: true, outputClaimToHeaders: [{header: X-Group, claim: a.b}], timeout: 1.5s, presence: REQUIRED, spaceDelimitedClaims: [roles]}]}`,
    ),
  )
  assert.deepEqual(warnings, [])
  assert.deepEqual(value.selector, { app: 'web' })
  assert.equal(value.targetsGateway, false)
  assert.deepEqual(value.jwtRules, [
    {
      issuer: 'i',
      audiences: ['a', 'b'],
      jwksUri: null,
      jwks: '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}',
      fromHeaders: [
        { name: 'x-jwt', prefix: 'Token ' },
        { name: 'x-bare', prefix: '' },
      ],
      fromParams: ['p'],
      fromCookies: ['c'],
      outputPayloadToHeader: 'x-payload',
      outputClaimToHeaders: [{ header: 'x-group', claim: 'a.b' }],
      forwardOriginalToken: true,
      spaceDelimitedClaims: ['roles'],
      timeoutMs: 1500,
      presence: 'REQUIRED',
      triggers: [],
    },
  ])
  assert.deepEqual(structuredClone(value), value)
})

test('what is absent has its default', () => {
  const [defaults] = decoded(rule('jwksUri: "https://idp.test/keys"')).value.jwtRules
  assert.deepEqual(defaults, {
    issuer: 'https://idp.test',
    audiences: [],
    jwksUri: 'https://idp.test/keys',
    jwks: null,
    fromHeaders: [],
    fromParams: [],
    fromCookies: [],
    outputPayloadToHeader: null,
    outputClaimToHeaders: [],
    forwardOriginalToken: false,
    spaceDelimitedClaims: [],
    timeoutMs: 5000,
    presence: 'OPTIONAL',
    triggers: [],
  })
  assert.deepEqual(decoded(object('RequestAuthentication', '{}')).value.jwtRules, [])
  assert.deepEqual(decoded(object('RequestAuthentication', '{jwtRules: []}')).warnings, [])
})

test('a rule that names its keys by a certificate map is accepted', () => {
  const map = '"{\\"kid\\":\\"-----BEGIN CERTIFICATE-----x\\"}"'
  assert.notEqual(decoded(rule(`jwks: ${map}`)).value.jwtRules[0]?.jwks, null)
})

test('a rule without issuer takes its keys from jwksUri only, and warns', () => {
  const { value, warnings } = decoded(
    object('RequestAuthentication', '{jwtRules: [{jwksUri: "https://a.test/k"}]}'),
  )
  assert.equal(value.jwtRules[0]?.issuer, '')
  assert.match(warnings.join(), /spec\.jwtRules\[0\]: no issuer/)
})

test('what is legal but doubtful is a warning', () => {
  const secret = '"{\\"keys\\":[{\\"kty\\":\\"RSA\\",\\"d\\":\\"x\\"}]}"'
  const shared = '"{\\"keys\\":[{\\"kty\\":\\"oct\\",\\"k\\":\\"x\\"}]}"'
  for (const keys of [secret, shared]) {
    assert.match(decoded(rule(`jwks: ${keys}`)).warnings.join(), /jwks: holds private key material/)
  }
  const noUrl = object('RequestAuthentication', '{jwtRules: [{issuer: someone@test}]}')
  assert.match(decoded(noUrl).warnings.join(), /no URL to discover keys by/)
  const noLabels = object('RequestAuthentication', '{selector: {matchLabels: {}}}')
  assert.match(decoded(noLabels).warnings.join(), /selector has no labels/)
})

test('targetRefs mark it as not for sidecars', () => {
  const text = object(
    'RequestAuthentication',
    '{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]}',
  )
  assert.equal(decoded(text).value.targetsGateway, true)
})

const many = (count: number, entry: string): string => Array.from({ length: count }, () => entry).join(', ')
const faults: readonly (readonly [string, string])[] = [
  ['jwtRules: [{issuer: ""}]', 'spec.jwtRules[0].issuer: expected a non-empty string, found an empty string'],
  ['jwtRules: [{}]', 'spec.jwtRules[0].issuer: must be set (or jwksUri)'],
  [`jwtRules: [{jwks: ${jwks}}]`, 'spec.jwtRules[0].issuer: must be set (or jwksUri)'],
  ['jwtRules: [null]', 'spec.jwtRules[0]: expected a map, found null'],
  [`jwtRules: [${many(4097, '{issuer: i}')}]`, 'spec.jwtRules: expected at most 4096 items, found 4097'],
  [
    'jwtRules: [{issuer: i, audiences: [a, ""]}]',
    'spec.jwtRules[0].audiences[1]: expected a non-empty string, found an empty string',
  ],
  ...['ftp://a.test/k', 'a.test/k', 'https://', 'https://u:p@a.test/k', 'https://a.test/ k', ''].map(
    (uri): [string, string] => [
      `jwtRules: [{issuer: i, jwksUri: "${uri}"}]`,
      `spec.jwtRules[0].jwksUri: expected an http:// or https:// URL, found ${uri === '' ? 'an empty string' : `"${uri}"`}`,
    ],
  ),
  [
    `jwtRules: [{issuer: i, jwksUri: "https://a.test/k", jwks: ${jwks}}]`,
    'spec.jwtRules[0]: only one of jwksUri and jwks can be set, found both',
  ],
  [
    'jwtRules: [{issuer: i, jwks: "nonsense"}]',
    'spec.jwtRules[0].jwks: expected a JSON Web Key Set: Jwks is an invalid JSON',
  ],
  [
    'jwtRules: [{issuer: i, jwks: "[]"}]',
    'spec.jwtRules[0].jwks: expected a JSON Web Key Set: Jwks is an invalid JSON',
  ],
  [
    'jwtRules: [{issuer: i, jwks: "{}"}]',
    'spec.jwtRules[0].jwks: expected a JSON Web Key Set: Jwks does not have [keys] field',
  ],
  [
    'jwtRules: [{issuer: i, jwks: "{\\"keys\\": 5}"}]',
    'spec.jwtRules[0].jwks: expected a JSON Web Key Set: [keys] in Jwks is not an array',
  ],
  [
    'jwtRules: [{issuer: i, fromHeaders: [null]}]',
    'spec.jwtRules[0].fromHeaders[0]: expected a map, found null',
  ],
  [
    'jwtRules: [{issuer: i, fromHeaders: [{prefix: a}]}]',
    'spec.jwtRules[0].fromHeaders[0].name: must be set',
  ],
  [
    'jwtRules: [{issuer: i, fromHeaders: [{name: ""}]}]',
    'spec.jwtRules[0].fromHeaders[0].name: expected a non-empty string, found an empty string',
  ],
  [
    'jwtRules: [{issuer: i, fromHeaders: [{name: "a b"}]}]',
    'spec.jwtRules[0].fromHeaders[0].name: expected a header name, found "a b"',
  ],
  [
    'jwtRules: [{issuer: i, fromParams: [""]}]',
    'spec.jwtRules[0].fromParams[0]: expected a non-empty string, found an empty string',
  ],
  [
    'jwtRules: [{issuer: i, fromCookies: [""]}]',
    'spec.jwtRules[0].fromCookies[0]: expected a non-empty string, found an empty string',
  ],
  [
    'jwtRules: [{issuer: i, outputClaimToHeaders: [null]}]',
    'spec.jwtRules[0].outputClaimToHeaders[0]: expected a map, found null',
  ],
  [
    'jwtRules: [{issuer: i, outputClaimToHeaders: [{claim: c}]}]',
    'spec.jwtRules[0].outputClaimToHeaders[0].header: must be set',
  ],
  [
    'jwtRules: [{issuer: i, outputClaimToHeaders: [{header: h}]}]',
    'spec.jwtRules[0].outputClaimToHeaders[0].claim: must be set',
  ],
  [
    'jwtRules: [{issuer: i, outputClaimToHeaders: [{header: h, claim: ""}]}]',
    'spec.jwtRules[0].outputClaimToHeaders[0].claim: expected a non-empty string, found an empty string',
  ],
  [
    'jwtRules: [{issuer: i, outputClaimToHeaders: [{header: "h:", claim: c}]}]',
    'spec.jwtRules[0].outputClaimToHeaders[0].header: expected a header name of A-Z, a-z, 0-9, "-" and "_", found "h:"',
  ],
  [
    'jwtRules: [{issuer: i, outputPayloadToHeader: Content-Length}]',
    'spec.jwtRules[0].outputPayloadToHeader: the header "content-length" frames or routes the request and cannot be replaced',
  ],
  ...['5', '-1s', 'soon'].map((text): [string, string] => [
    `jwtRules: [{issuer: i, timeout: "${text}"}]`,
    `spec.jwtRules[0].timeout: expected a duration such as "5s", "1h30m" or "100ms", found "${text}"`,
  ]),
  [
    'jwtRules: [{issuer: i, timeout: "0s"}]',
    'spec.jwtRules[0].timeout: expected a duration of at least 1ms, found "0s"',
  ],
  [
    'jwtRules: [{issuer: i, presence: MAYBE}]',
    'spec.jwtRules[0].presence: expected one of OPTIONAL, REQUIRED, found "MAYBE"',
  ],
  [
    `jwtRules: [{issuer: i, spaceDelimitedClaims: [${many(65, 'a')}]}]`,
    'spec.jwtRules[0].spaceDelimitedClaims: expected at most 64 items, found 65',
  ],
  [
    'selector: {matchLabels: {"": b}}',
    'spec.selector.matchLabels: expected label keys that are not empty and have no "*", found an empty string',
  ],
  [
    'selector: {matchLabels: {a: "*"}}',
    'spec.selector.matchLabels.a: expected a label value without "*", found "*"',
  ],
  [
    'selector: {matchLabels: {a: b}}, targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]',
    'spec: only one of selector, targetRef and targetRefs can be set, found selector and targetRefs',
  ],
  ['jwtRules: [{isuer: i}]', 'spec.jwtRules[0]: unknown field "isuer"; did you mean "issuer"?'],
  ['rules: []', 'spec: unknown field "rules"; expected one of selector, targetRef, targetRefs, jwtRules'],
]
for (const [spec, message] of faults) {
  test(`refused: ${message.slice(0, 90)} (${spec.slice(0, 50)})`, () => {
    const { quarantined, stub } = refused(object('RequestAuthentication', `{${spec}}`))
    assert.equal(quarantined.reason, message)
    assert.ok(stub !== null || spec.includes('targetRefs'))
  })
}

test('dry run is not for it', () => {
  const metadata = '{name: name, namespace: ns, annotations: {istio.io/dry-run: "true"}}'
  const { quarantined } = refused(object('RequestAuthentication', '{}', metadata))
  assert.match(quarantined.reason, /dry-run/)
})
