/** Dispatch, metadata and stubs; and that nothing whatever makes the door throw. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { rawResource } from '../../src/policy/raw-resource.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import { accepted, decodeYaml, object, refused, seeded } from './sample.ts'

const decode = (value: Record<string, unknown>) =>
  decodeResource(rawResource(value, 'test:1'), defaultMeshConfig)

test('kinds nobody reads are ignored with kind and origin', () => {
  assert.deepEqual(decodeYaml('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n'), {
    kind: 'ignored',
    what: 'apps/v1/Deployment',
    origin: 'folder/file.yaml:1',
  })
  for (const version of ['policy.linkerd.io/v1', 'serving.knative.dev/v1']) {
    const kind = version.startsWith('p') ? 'AuthorizationPolicy' : 'Service'
    assert.equal(decodeYaml(`apiVersion: ${version}\nkind: ${kind}\nmetadata: {name: a}\n`).kind, 'ignored')
  }
})

test('an unknown version or misspelt group of a policy closes its scope', () => {
  const text = object('AuthorizationPolicy', '{selector: {matchLabels: {a: b}}}')
  for (const version of [
    'security.istio.io/v2',
    'security.istio.oi/v1'.replace('oi', 'x'),
    'v1',
    'security.istio.io',
  ]) {
    const { quarantined, stub } = refused(text.replace('security.istio.io/v1', version))
    const where =
      'invalid policy name.ns: apiVersion: expected one of security.istio.io/v1, security.istio.io/v1beta1'
    assert.equal(quarantined.reason, `${where}, found "${version}"`)
    assert.deepEqual(stub?.kind === 'AuthorizationPolicy' && stub.value.selector, { a: 'b' })
  }
  const versionless = refused(text.replace(/^apiVersion.*\n/, ''))
  assert.equal(versionless.quarantined.reason, 'invalid policy name.ns: apiVersion: must be set')
})

test('metadata is read strictly', () => {
  const cases: [string, string][] = [
    ['{}', 'metadata.name: must be set'],
    [
      '{name: ../../etc}',
      'metadata.name: expected a DNS name (a-z, 0-9, "-" and ".", at most 253 characters), found "../../etc"',
    ],
    [
      '{name: a, namespace: a.b}',
      'metadata.namespace: expected a DNS label (a-z, 0-9 and "-", at most 63 characters, no "-" at the ends), found "a.b"',
    ],
    ['{name: a, labels: {x: 1}}', 'metadata.labels.x: expected a string, found 1 (put it in quotes)'],
    [
      '{name: a, creationTimestamp: yesterday}',
      'metadata.creationTimestamp: expected a time such as "2024-01-31T12:00:00Z", found "yesterday"',
    ],
    ['[]', 'metadata: expected a map, found an empty list'],
  ]
  for (const [metadata, reason] of cases) {
    assert.equal(refused(object('PeerAuthentication', '{}', metadata)).quarantined.reason, reason)
  }
  const full =
    '{name: a, creationTimestamp: "2024-01-31T12:00:00Z", labels: {l: m}, uid: x, managedFields: [{}], generation: 4}'
  const { meta } = accepted('PeerAuthentication', object('PeerAuthentication', '{}', full)).value
  assert.deepEqual(meta, {
    name: 'a',
    namespace: 'default',
    labels: { l: 'm' },
    annotations: {},
    createdAt: Date.UTC(2024, 0, 31, 12),
    origin: 'folder/file.yaml:1',
  })
})

test('status is tolerated, other top-level fields of a security kind are not', () => {
  accepted('PeerAuthentication', `${object('PeerAuthentication', '{}')}status: {conditions: []}\n`)
  const { quarantined } = refused(`${object('AuthorizationPolicy', '{}')}rules: []\n`)
  assert.match(quarantined.reason, /^invalid policy name\.ns: unknown field "rules"; expected one of/)
})

test('the stub of a policy selects at least what the policy would have', () => {
  const bad = 'rules: [null]'
  const cases: [string, unknown, boolean][] = [
    [`{selector: {matchLabels: {a: b}}, ${bad}}`, { a: 'b' }, false],
    [`{${bad}}`, null, false],
    [`{selector: {}, ${bad}}`, null, false],
    [`{selector: {matchLabels: {a: 5}}, ${bad}}`, {}, false],
    [`{selector: oops, ${bad}}`, {}, false],
    ['oops', {}, false],
    [`{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], ${bad}}`, null, true],
    [`{targetRefs: [{kind: Nonsense, name: g}], ${bad}}`, null, false],
  ]
  for (const [spec, selector, targetsGateway] of cases) {
    const { stub, quarantined } = refused(object('AuthorizationPolicy', spec))
    assert.ok(stub?.kind === 'AuthorizationPolicy')
    assert.deepEqual(stub.value, {
      meta: stub.value.meta,
      action: 'DENY',
      selector,
      targetsGateway,
      rules: [{ from: [], to: [], when: [] }],
      provider: null,
      dryRun: false,
      quarantined: quarantined.reason,
    })
    assert.equal(stub.value.meta.namespace, 'ns')
  }
})

test('a refused RequestAuthentication refuses bearers of tokens where it selects', () => {
  const { stub, quarantined } = refused(
    object(
      'RequestAuthentication',
      '{selector: {matchLabels: {a: b}}, jwtRules: [{issuer: i, bogus: 1, fromHeaders: [{name: X-Token}, 5], fromCookies: [c], outputPayloadToHeader: X-Payload, outputClaimToHeaders: [{header: X-Sub, claim: sub}, {header: "a b"}]}, 7]}',
    ),
  )
  const reason =
    'spec.jwtRules[0]: unknown field "bogus"; expected one of issuer, audiences, jwksUri, jwks, fromHeaders, fromParams, fromCookies, outputPayloadToHeader, outputClaimToHeaders, forwardOriginalToken, timeout, presence, spaceDelimitedClaims'
  assert.deepEqual(stub, {
    kind: 'RequestAuthentication',
    value: {
      namespace: 'ns',
      name: 'name',
      selector: { a: 'b' },
      reason,
      locations: { fromHeaders: [{ name: 'x-token', prefix: '' }], fromParams: [], fromCookies: ['c'] },
      outputs: ['x-sub', 'x-payload'],
    },
  })
  assert.deepEqual(quarantined, {
    kind: 'RequestAuthentication',
    namespace: 'ns',
    name: 'name',
    origin: 'folder/file.yaml:1',
    reason,
    lastGood: false,
  })
  const gateway =
    '{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], jwtRules: [{bogus: 1}]}'
  assert.equal(refused(object('RequestAuthentication', gateway)).stub, null)
})

test('kinds whose absence opens nothing are dropped without stub', () => {
  for (const [kind, spec] of [
    ['ServiceEntry', '{}'],
    ['WorkloadEntry', '{}'],
    ['Service', '{ports: 5}'],
  ] as const) {
    assert.equal(refused(object(kind, spec)).stub, null)
  }
})

const good = [
  object(
    'AuthorizationPolicy',
    '{selector: {matchLabels: {a: b}}, action: DENY, rules: [{from: [{source: {principals: [x], ipBlocks: [1.2.3.4]}}], to: [{operation: {paths: [/a]}}], when: [{key: source.ip, values: [1.2.3.4]}]}]}',
  ),
  object(
    'PeerAuthentication',
    '{selector: {matchLabels: {a: b}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}',
  ),
  object('RequestAuthentication', '{selector: {matchLabels: {a: b}}}'),
  object(
    'Policy',
    '{targets: [{name: s, ports: [{number: 80}, {name: http}]}], peers: [{mtls: {mode: PERMISSIVE}}], origins: [{jwt: {issuer: i, jwksUri: "https://a.test/k", jwtHeaders: [x], jwtParams: [p], triggerRules: [{excludedPaths: [{exact: /a}], includedPaths: [{regex: "/b.*"}]}]}}], principalBinding: USE_ORIGIN}',
  ),
  object('MeshPolicy', '{peers: [{mtls: null}]}', '{name: default}'),
  object(
    'DestinationRule',
    '{host: a, exportTo: ["."], subsets: [{name: v, labels: {v: w}}], trafficPolicy: {tls: {mode: SIMPLE}, connectionPool: {tcp: {connectTimeout: 1s}}, portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}}',
  ),
  object(
    'ServiceEntry',
    '{hosts: [a.b], addresses: [1.2.3.4], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 1.2.3.4, ports: {http: 81}, labels: {a: b}}]}',
  ),
  object('WorkloadEntry', '{address: 1.2.3.4, ports: {http: 80}, labels: {a: b}, serviceAccount: x}'),
  object(
    'Service',
    '{clusterIP: 10.0.0.1, ports: [{port: 80, name: http, targetPort: web}], selector: {a: b}}',
  ),
  object('Pod', '{serviceAccountName: x, containers: [{ports: [{name: web, containerPort: 8080}]}]}') +
    'status: {podIP: 10.0.0.2, conditions: [{type: Ready, status: "True"}]}\n',
  'apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\nsubsets: [{addresses: [{ip: 10.0.0.2, targetRef: {kind: Pod, name: p}}], ports: [{name: http, port: 8080}]}]\n',
  'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a, labels: {kubernetes.io/service-name: s}}\naddressType: IPv4\nendpoints: [{addresses: [10.0.0.2], conditions: {ready: true}, targetRef: {kind: Pod, name: p}}]\nports: [{name: http, port: 8080}]\n',
  'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata: {mesh: "trustDomain: a.b"}\n',
]

const strange: readonly unknown[] = [
  null,
  undefined,
  0,
  -1,
  1e309,
  NaN,
  '',
  '*',
  '__proto__',
  '\u0000',
  'x'.repeat(1e5),
  [],
  [null],
  {},
  { __proto__: null },
  { constructor: 1 },
  true,
  '1.2.3.4',
  '::',
  80,
  '80',
  [[[[]]]],
  10n,
  Symbol('s'),
  () => 1,
]

test('random mutations of valid objects are decoded or refused, never thrown', () => {
  const random = seeded(20260731)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const objects = good.map((text) => readDocuments(text, 'f').resources[0]?.object ?? assert.fail(text))
  const seen = new Map<string, number>()
  for (let run = 0; run < 6000; run += 1) {
    const copy = structuredClone(pick(objects)) as Record<string, unknown>
    for (let change = 0; change <= random() * 2; change += 1) mutate(copy, random, pick)
    const decoded = decode(copy)
    seen.set(decoded.kind, (seen.get(decoded.kind) ?? 0) + 1)
    if (decoded.kind !== 'refused') continue
    const { reason, kind } = decoded.quarantined

    assert.doesNotMatch(reason, /[\x00-\x1f\x7f]|not decodable|undefined/)
    assert.ok(reason.length < 600, reason)
    const guarded = [
      'AuthorizationPolicy',
      'PeerAuthentication',
      'DestinationRule',
      'Policy',
      'MeshPolicy',
    ].includes(kind)
    if (guarded)
      assert.equal(
        decoded.stub?.value && 'quarantined' in decoded.stub.value && decoded.stub.value.quarantined,
        reason,
      )
  }
  assert.ok((seen.get('refused') ?? 0) > 1000, JSON.stringify([...seen]))
})

function mutate(
  root: Record<string, unknown>,
  random: () => number,
  pick: <T>(list: readonly T[]) => T,
): void {
  let node: Record<string, unknown> = root
  for (;;) {
    const keys = Object.keys(node)
    if (keys.length === 0) return
    const key = pick(keys)
    const child = node[key]
    if (typeof child === 'object' && child !== null && random() < 0.8) {
      node = child as Record<string, unknown>
      continue
    }
    const way = random()
    if (way < 0.2) delete node[key]
    else if (way < 0.4) node[`${key}x`] = child
    else node[key] = pick(strange)
    return
  }
}

test('random JSON is decoded or refused, never thrown', () => {
  const random = seeded(7)
  const words = [
    'spec',
    'metadata',
    'rules',
    'name',
    'kind',
    'selector',
    'from',
    'source',
    'mtls',
    'host',
    'ports',
    '__proto__',
    'a',
  ]
  const value = (depth: number): unknown => {
    const way = Math.floor(random() * (depth > 5 ? 4 : 6))
    if (way < 4)
      return [
        null,
        Math.floor(random() * 1e6) - 5e5,
        words[Math.floor(random() * words.length)],
        random() < 0.5,
      ][way]
    const size = Math.floor(random() * 5)
    if (way === 4) return Array.from({ length: size }, () => value(depth + 1))
    return Object.fromEntries(
      Array.from({ length: size }, () => [words[Math.floor(random() * words.length)], value(depth + 1)]),
    )
  }
  for (let run = 0; run < 4000; run += 1) {
    const [first] = readDocuments(good[run % good.length] ?? '', 'f').resources
    const { apiVersion, kind } = first ?? assert.fail()
    decode({
      apiVersion,
      kind,
      metadata: run % 2 ? { name: 'a' } : value(0),
      spec: value(0),
      subsets: value(3),
      endpoints: value(3),
      data: value(3),
    })
    const text = JSON.stringify(value(0))
    readDocuments(text, 'f').resources.forEach((raw) => decodeResource(raw, defaultMeshConfig))
  }
})

test('every decoded value survives the way to a worker', () => {
  for (const text of good) {
    const decoded = decodeYaml(text)
    assert.deepEqual(structuredClone(decoded), decoded)
  }
})
