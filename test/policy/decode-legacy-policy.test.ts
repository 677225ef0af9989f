/** The legacy authentication API (policy-semantics §7): what decodes to what, and every refusal with its words. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { LegacyPolicy } from '../../src/policy/legacy-policy.ts'
import { accepted, decodeYaml, object, refused } from './sample.ts'

const wide = '{name: default, namespace: ns}'
const ofNamespace = (spec: string): string => object('Policy', spec, wide)
const ofMesh = (spec: string): string => object('MeshPolicy', spec, '{name: default}')
const ofTargets = (spec: string): string => object('Policy', `{targets: [{name: a}], ${spec}}`)
const value = (text: string): LegacyPolicy => accepted('Policy', text).value
const jwt = (fields: string): string =>
  ofNamespace(`{origins: [{jwt: {issuer: i, jwksUri: "https://a.test/k", ${fields}}}]}`)
const keys = '"{\\"keys\\":[{\\"kty\\":\\"RSA\\",\\"n\\":\\"AQAB\\",\\"e\\":\\"AQAB\\"}]}"'

test('every field is decoded', () => {
  const text = object(
    'Policy',
    `{targets: [{name: orders, ports: [{number: 80}, {name: http-admin}]}, {name: web}], peers: [{mtls: {mode: PERMISSIVE}}], peerIsOptional: false, origins: [{jwt: {issuer: i, audiences: [a, b], jwks: ${keys}, jwtHeaders: [X-Jwt, x-other], jwtParams: [p], triggerRules: [{excludedPaths: [{exact: /a}, {suffix: .css}], includedPaths: [{prefix: /b}, {regex: "^/c/(.*?)?"}]}, {}]}}], originIsOptional: true, principalBinding: USE_ORIGIN}`,
  )
  const { value: policy, warnings } = accepted('Policy', text)
  assert.deepEqual(warnings, [])
  assert.deepEqual(
    { ...policy, meta: policy.meta.name },
    {
      meta: 'name',
      scope: 'targets',
      targets: [
        { service: 'orders', ports: [80, 'http-admin'] },
        { service: 'web', ports: [] },
      ],
      mode: 'PERMISSIVE',
      origins: [
        {
          issuer: 'i',
          audiences: ['a', 'b'],
          jwksUri: null,
          jwks: '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}',
          fromHeaders: [
            { name: 'x-jwt', prefix: '' },
            { name: 'x-other', prefix: '' },
          ],
          fromParams: ['p'],
          fromCookies: [],
          outputPayloadToHeader: null,
          outputClaimToHeaders: [],
          // The token stayed in the request, always.
          forwardOriginalToken: true,
          spaceDelimitedClaims: [],
          timeoutMs: 5000,
          presence: 'OPTIONAL',
          triggers: [
            {
              excluded: [
                { kind: 'exact', text: '/a' },
                { kind: 'suffix', text: '.css' },
              ],
              included: [
                { kind: 'prefix', text: '/b' },
                { kind: 'regex', text: '^/c/(.*?)?' },
              ],
            },
            { excluded: [], included: [] },
          ],
        },
      ],
      demand: 'optional',
      binding: 'USE_ORIGIN',
      quarantined: null,
    },
  )
  assert.deepEqual(structuredClone(policy), policy)
})

test('names of the original spelling are the same fields', () => {
  const text = `{origins: [{jwt: {issuer: i, jwks_uri: "https://a.test/k", jwt_headers: [h], trigger_rules: [{included_paths: [{exact: /a}]}]}}], origin_is_optional: true, principal_binding: USE_ORIGIN}`
  const { origins, demand, binding } = value(ofNamespace(text))
  assert.deepEqual([demand, binding], ['optional', 'USE_ORIGIN'])
  assert.deepEqual(origins[0]?.triggers, [{ excluded: [], included: [{ kind: 'exact', text: '/a' }] }])
})

const modes: readonly (readonly [spec: string, mode: string])[] = [
  ['{}', 'DISABLE'],
  ['{peers: []}', 'DISABLE'],
  ['{peers: [], peerIsOptional: true}', 'DISABLE'],
  ['{peers: [{mtls: {}}]}', 'STRICT'],
  ['{peers: [{mtls: null}]}', 'STRICT'],
  ['{peers: [{mtls: }]}', 'STRICT'],
  ['{peers: [{mtls: {mode: STRICT}}]}', 'STRICT'],
  ['{peers: [{mtls: {mode: PERMISSIVE}}]}', 'PERMISSIVE'],
  ['{peers: [{mtls: {allowTls: true}}]}', 'PERMISSIVE'],
  ['{peers: [{mtls: {allow_tls: true, mode: STRICT}}]}', 'PERMISSIVE'],
  ['{peers: [{mtls: {allowTls: false}}]}', 'STRICT'],
  ['{peers: [{mtls: {}}, {mtls: {mode: PERMISSIVE}}]}', 'STRICT'],
  ['{peers: [{mtls: {}}], peerIsOptional: true}', 'PERMISSIVE'],
  ['{origins: [{jwt: {issuer: i, jwksUri: "https://a.test/k"}}]}', 'DISABLE'],
]
for (const [spec, mode] of modes) {
  test(`peers: ${spec} is ${mode}, in namespace and mesh alike`, () => {
    assert.equal(value(ofNamespace(spec)).mode, mode)
    assert.equal(accepted('MeshPolicy', ofMesh(spec)).value.mode, mode)
  })
}

test('origins demand a token unless they are optional', () => {
  const origin = 'origins: [{jwt: {issuer: i, jwksUri: "https://a.test/k"}}]'
  assert.equal(value(ofNamespace('{originIsOptional: true}')).demand, 'none')
  assert.equal(value(ofNamespace(`{${origin}}`)).demand, 'required')
  assert.equal(value(ofNamespace(`{${origin}, originIsOptional: false}`)).demand, 'required')
  assert.equal(value(ofNamespace(`{${origin}, originIsOptional: true}`)).demand, 'optional')
  assert.equal(value(ofNamespace('{}')).binding, 'USE_PEER')
})

test('scope follows kind, targets and name; a MeshPolicy is of no namespace', () => {
  assert.equal(value(ofNamespace('{}')).scope, 'namespace')
  assert.equal(value(ofNamespace('{targets: []}')).scope, 'namespace')
  assert.equal(value(ofTargets('')).scope, 'targets')
  for (const metadata of ['{name: default}', '{name: default, namespace: istio-system}']) {
    const { value: policy } = accepted('MeshPolicy', object('MeshPolicy', '{}', metadata))
    assert.deepEqual([policy.scope, policy.meta.namespace], ['mesh', ''])
  }
})

test('what is legal but doubtful is a warning', () => {
  const warnings = (text: string): string => accepted('Policy', text).warnings.join('\n')
  assert.match(warnings(ofNamespace('{}')), /^spec\.peers: none: only plaintext is served/)
  assert.match(
    warnings(ofNamespace('{peers: [{mtls: {allowTls: true}}]}')),
    /peers\[0\]\.mtls\.allowTls: deprecated/,
  )
  assert.match(
    warnings(jwt('jwtHeaders: [Authorization]')),
    /the whole value of "authorization" is the token/,
  )
  assert.match(
    warnings(ofNamespace('{origins: [{jwt: {issuer: someone@a.test}}]}')),
    /the issuer is no URL to discover keys by/,
  )
  for (const blind of ['{exact: admin}', '{prefix: admin}', '{exact: "/a?b"}', '{suffix: "#x"}']) {
    assert.match(
      warnings(jwt(`triggerRules: [{}, {includedPaths: [{exact: /a}, ${blind}]}]`)),
      /triggerRules\[1\]\.includedPaths: ".*" never matches/,
    )
  }
  assert.doesNotMatch(warnings(jwt('triggerRules: [{includedPaths: [{regex: "a?"}, {suffix: a}]}]')), /never/)
})

const many = (count: number, entry: string): string => Array.from({ length: count }, () => entry).join(', ')
const label = 'a DNS label (a-z, 0-9 and "-", at most 63 characters, no "-" at the ends)'
const noLinear = 'cannot be matched in linear time or at all'
const at = 'spec.origins[0].jwt'
const faults: readonly (readonly [text: string, reason: string])[] = [
  [
    object('Policy', '{}'),
    'metadata.name: expected the name "default" for a Policy without targets, found "name"',
  ],
  [
    object('Policy', '{targets: []}'),
    'metadata.name: expected the name "default" for a Policy without targets, found "name"',
  ],
  [ofNamespace('{targets: [{name: a}]}'), 'spec.targets: must not be set in a Policy named "default"'],
  [object('MeshPolicy', '{}'), 'metadata.name: expected the name "default" for a MeshPolicy, found "name"'],
  [ofMesh('{targets: [{name: a}]}'), 'spec.targets: must not be set in a MeshPolicy'],
  [object('Policy', '{targets: [null]}'), 'spec.targets[0]: expected a map, found null'],
  [object('Policy', '{targets: [{}]}'), 'spec.targets[0].name: must be set'],
  [
    object('Policy', '{targets: [{name: ""}]}'),
    `spec.targets[0].name: expected ${label}, found an empty string`,
  ],
  [
    object('Policy', '{targets: [{name: a.b.svc.cluster.local}]}'),
    `spec.targets[0].name: expected ${label}, found "a.b.svc.cluster.local"`,
  ],
  [object('Policy', '{targets: [{name: "*"}]}'), `spec.targets[0].name: expected ${label}, found "*"`],
  [
    object('Policy', '{targets: [{name: a, labels: {b: c}}]}'),
    'spec.targets[0]: unknown field "labels"; expected one of name, ports',
  ],
  [object('Policy', '{targets: [{name: a, ports: 80}]}'), 'spec.targets[0].ports: expected a list, found 80'],
  [
    object('Policy', '{targets: [{name: a, ports: [{}]}]}'),
    'spec.targets[0].ports[0]: number or name must be set',
  ],
  [
    object('Policy', '{targets: [{name: a, ports: [{number: 80, name: b}]}]}'),
    'spec.targets[0].ports[0]: only one of number and name can be set, found both',
  ],
  ...['0', '65536', '-1', '1.5', '"x"'].map((number): [string, string] => [
    object('Policy', `{targets: [{name: a, ports: [{number: ${number}}]}]}`),
    `spec.targets[0].ports[0].number: expected a whole number from 1 to 65535, found ${number}`,
  ]),
  [
    object('Policy', '{targets: [{name: a, ports: [{name: A_b}]}]}'),
    `spec.targets[0].ports[0].name: expected ${label}, found "A_b"`,
  ],
  [
    object('Policy', `{targets: [${many(1001, '{name: a}')}]}`),
    'spec.targets: expected at most 1000 items, found 1001',
  ],
  [ofNamespace('{peers: {}}'), 'spec.peers: expected a list, found a map'],
  [ofNamespace('{peers: [null]}'), 'spec.peers[0]: expected a map, found null'],
  [ofNamespace('{peers: [{}]}'), 'spec.peers[0].mtls: must be set'],
  [
    ofNamespace('{peers: [{jwt: {issuer: i}}]}'),
    'spec.peers[0].jwt: no token ever authenticated a peer: use origins',
  ],
  [ofNamespace('{peers: [{mtls: STRICT}]}'), 'spec.peers[0].mtls: expected a map, found "STRICT"'],
  [
    ofNamespace('{peers: [{mtls: {mode: DISABLE}}]}'),
    'spec.peers[0].mtls.mode: expected one of STRICT, PERMISSIVE, found "DISABLE"',
  ],
  [
    ofNamespace('{peers: [{mtls: {allowTls: "yes"}}]}'),
    'spec.peers[0].mtls.allowTls: expected true or false, found "yes"',
  ],
  [
    ofNamespace('{peers: [{mtls: {mod: STRICT}}]}'),
    'spec.peers[0].mtls: unknown field "mod"; did you mean "mode"?',
  ],
  [ofNamespace('{peerIsOptional: 1}'), 'spec.peerIsOptional: expected true or false, found 1'],
  [ofNamespace('{originIsOptional: "true"}'), 'spec.originIsOptional: expected true or false, found "true"'],
  [
    ofNamespace('{principalBinding: USE_BOTH}'),
    'spec.principalBinding: expected one of USE_PEER, USE_ORIGIN, found "USE_BOTH"',
  ],
  [ofNamespace('{origins: [{}]}'), 'spec.origins[0].jwt: must be set'],
  [ofNamespace('{origins: [{jwt: null}]}'), 'spec.origins[0].jwt: must be set'],
  [ofNamespace('{origins: [{jwt: {}}]}'), `${at}.issuer: must be set`],
  [ofNamespace('{origins: [{jwt: {jwksUri: "https://a.test/k"}}]}'), `${at}.issuer: must be set`],
  [
    ofNamespace('{origins: [{jwt: {issuer: ""}}]}'),
    `${at}.issuer: expected a non-empty string, found an empty string`,
  ],
  [
    ofNamespace('{origins: [{jwt: {issuer: i}}, {jwt: {issuer: j}}, {jwt: {issuer: i}}]}'),
    'spec.origins[2].jwt.issuer: must not be that of spec.origins[0]: each issuer once',
  ],
  [
    ofNamespace(`{origins: [${many(101, '{jwt: {issuer: i}}')}]}`),
    'spec.origins: expected at most 100 items, found 101',
  ],
  [jwt('audiences: [a, ""]'), `${at}.audiences[1]: expected a non-empty string, found an empty string`],
  [jwt('jwtHeaders: [""]'), `${at}.jwtHeaders[0]: expected a non-empty string, found an empty string`],
  [jwt('jwtHeaders: ["a b"]'), `${at}.jwtHeaders[0]: expected a header name, found "a b"`],
  [jwt('jwtParams: [""]'), `${at}.jwtParams[0]: expected a non-empty string, found an empty string`],
  [jwt(`jwks: ${keys}`), `${at}: only one of jwksUri and jwks can be set, found both`],
  [
    ofNamespace('{origins: [{jwt: {issuer: i, jwksUri: "ftp://a.test/k"}}]}'),
    `${at}.jwksUri: expected an http:// or https:// URL, found "ftp://a.test/k"`,
  ],
  [
    ofNamespace('{origins: [{jwt: {issuer: i, jwks: "x"}}]}'),
    `${at}.jwks: expected a JSON Web Key Set: Jwks is an invalid JSON`,
  ],
  [
    jwt('forwardOriginalToken: true'),
    `${at}: unknown field "forwardOriginalToken"; expected one of issuer, audiences, jwksUri, jwks, jwtHeaders, jwtParams, triggerRules`,
  ],
  [jwt('triggerRules: {}'), `${at}.triggerRules: expected a list, found a map`],
  [jwt('triggerRules: [null]'), `${at}.triggerRules[0]: expected a map, found null`],
  [
    jwt('triggerRules: [{excludePaths: [{exact: /a}]}]'),
    `${at}.triggerRules[0]: unknown field "excludePaths"; did you mean "excludedPaths"?`,
  ],
  [
    jwt('triggerRules: [{excludedPaths: [{}]}]'),
    `${at}.triggerRules[0].excludedPaths[0]: one of exact, prefix, suffix, regex must be set`,
  ],
  [
    jwt('triggerRules: [{includedPaths: [{exact: /a, prefix: /b}]}]'),
    `${at}.triggerRules[0].includedPaths[0]: only one of exact, prefix, suffix, regex can be set, found exact and prefix`,
  ],
  [
    jwt('triggerRules: [{excludedPaths: [{prefix: ""}]}]'),
    `${at}.triggerRules[0].excludedPaths[0].prefix: expected a non-empty string, found an empty string`,
  ],
  [
    jwt('triggerRules: [{excludedPaths: ["/a"]}]'),
    `${at}.triggerRules[0].excludedPaths[0]: expected a map, found "/a"`,
  ],
  [
    jwt('triggerRules: [{excludedPaths: [{exact: 5}]}]'),
    `${at}.triggerRules[0].excludedPaths[0].exact: expected a string, found 5 (put it in quotes)`,
  ],
  [
    jwt('triggerRules: [{excludedPaths: [{regex: "(a"}]}]'),
    `${at}.triggerRules[0].excludedPaths[0].regex: "(a" ${noLinear}: a "(" is not closed`,
  ],
  [
    jwt('triggerRules: [{includedPaths: [{regex: "/(?!health).*"}]}]'),
    `${at}.triggerRules[0].includedPaths[0].regex: "/(?!health).*" ${noLinear}: look-around and named groups are not supported`,
  ],
  [
    jwt('triggerRules: [{includedPaths: [{regex: "((a{9}){9}){13}"}]}]'),
    `${at}.triggerRules[0].includedPaths[0].regex: "((a{9}){9}){13}" ${noLinear}: it comes to more than 1000 states`,
  ],
  [ofNamespace('{target: [{name: a}]}'), 'spec: unknown field "target"; did you mean "targets"?'],
  [ofNamespace('[]'), 'spec: expected a map, found an empty list'],
  [
    object('Policy', '{}', '{name: default, annotations: {istio.io/dry-run: "true"}}'),
    'metadata.annotations["istio.io/dry-run"]: is for AuthorizationPolicy only',
  ],
  [
    ofNamespace('{}').replace('v1alpha1', 'v1'),
    'apiVersion: expected one of authentication.istio.io/v1alpha1, found "authentication.istio.io/v1"',
  ],
]
for (const [text, reason] of faults) {
  test(`refused: ${reason.slice(0, 100)}`, () => {
    const { quarantined, stub } = refused(text)
    assert.equal(quarantined.reason, reason)
    assert.ok(stub?.kind === quarantined.kind)
    assert.equal('quarantined' in stub.value && stub.value.quarantined, reason)
  })
}

test('kinds called Policy of other systems are none of ours', () => {
  const text = ofNamespace('{}').replace('authentication.istio.io/v1alpha1', 'kyverno.io/v1')
  assert.equal(decodeYaml(text).kind, 'ignored')
})

const stubs: readonly (readonly [text: string, stub: Partial<LegacyPolicy>])[] = [
  [ofNamespace('{peers: [{}]}'), { scope: 'namespace', targets: [], demand: 'none' }],
  [ofNamespace('{peers: [{}], origins: []}'), { scope: 'namespace', demand: 'required' }],
  [ofNamespace('{origins: 5}'), { scope: 'namespace', demand: 'required' }],
  [ofNamespace('{orgins: [{jwt: {issuer: i}}]}'), { scope: 'namespace', demand: 'required' }],
  [ofNamespace('7'), { scope: 'targets', targets: null, demand: 'required' }],
  [
    object('Policy', '{targets: [{name: a, ports: [{number: 80}]}], peers: 5}'),
    { scope: 'targets', targets: [{ service: 'a', ports: [80] }], demand: 'none' },
  ],
  [object('Policy', '{targets: [{name: A}]}'), { scope: 'targets', targets: null, demand: 'none' }],
  [object('Policy', '{targets: [{name: a, ports: [{}]}]}'), { scope: 'targets', targets: null }],
  [object('Policy', '{}'), { scope: 'targets', targets: null, demand: 'none' }],
  [object('Policy', '{targetss: [{name: a}]}'), { scope: 'targets', targets: null, demand: 'required' }],
  [ofMesh('{targets: [{name: a}]}'), { scope: 'mesh', targets: [], demand: 'none' }],
  [ofMesh('{origins: [{}]}'), { scope: 'mesh', demand: 'required' }],
]
test('the stub of a refused policy closes at least what the policy was about', () => {
  for (const [text, wanted] of stubs) {
    const { stub } = refused(text)
    assert.ok(stub?.kind === 'Policy' || stub?.kind === 'MeshPolicy')
    assert.equal(stub.value.mode, 'STRICT')
    assert.deepEqual({ ...stub.value, ...wanted }, stub.value, text)
  }
})
