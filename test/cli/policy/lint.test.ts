import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { appliedTo, knownWorkloads } from '../../../src/cli/policy/known-workloads.ts'
import { lint } from '../../../src/cli/policy/lint.ts'
import type { FindingKind } from '../../../src/cli/policy/finding.ts'
import { loadPolicyFolder } from '../../../src/cli/policy/load-policy-folder.ts'
import type { PolicyFolder } from '../../../src/cli/policy/load-policy-folder.ts'

const timeout = 10_000

async function read(t: TestContext, ...objects: readonly object[]): Promise<PolicyFolder> {
  const dir = await mkdtemp(`${tmpdir()}/sallyport-lint-`)
  t.after(() => rm(dir, { recursive: true }))
  await writeFile(`${dir}/all.yaml`, objects.map((one) => `---\n${JSON.stringify(one)}\n`).join(''))
  return loadPolicyFolder(dir)
}

const security = (kind: string, name: string, spec: object) => ({
  apiVersion: 'security.istio.io/v1',
  kind,
  metadata: { name, namespace: 'shop' },
  spec,
})
const policy = (name: string, ...rules: object[]) => security('AuthorizationPolicy', name, { rules })
const deny = (name: string, ...rules: object[]) =>
  security('AuthorizationPolicy', name, { action: 'DENY', rules })
const strict = security('PeerAuthentication', 'p', { mtls: { mode: 'STRICT' } })
const strictPaths = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'istio', namespace: 'istio-system' },
}
const withStrictPaths = { ...strictPaths, data: { mesh: 'pathNormalization: {normalization: STRICT}' } }
const tokens = security('RequestAuthentication', 'jwt', {
  jwtRules: [{ issuer: 'https://idp', jwks: '{"keys":[]}' }],
})
const from = (source: object) => ({ from: [{ source }] })
const to = (operation: object) => ({ to: [{ operation }] })
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1', namespace: 'shop', labels: { app: 'web' } },
  spec: { containers: [] },
  status: { podIP: '10.0.0.9', phase: 'Running' },
}
const tcpService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    clusterIP: '10.1.0.1',
    selector: { app: 'web' },
    ports: [{ name: 'tcp-db', port: 5432, targetPort: 5433 }],
  },
}

const legacy = (name: string, spec: object) => ({
  apiVersion: 'authentication.istio.io/v1alpha1',
  kind: 'Policy',
  metadata: { name, namespace: 'shop' },
  spec,
})
const httpService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    selector: { app: 'web' },
    ports: [
      { name: 'http', port: 80 },
      { name: 'http-b', port: 81 },
    ],
  },
}
const triggered = {
  origins: [
    { jwt: { issuer: 'i', jwks: '{"keys":[]}', triggerRules: [{ excludedPaths: [{ exact: '/x' }] }] } },
  ],
}

test('each kind of warning is given where it is sure, and only there', { timeout }, async (t) => {
  const cases: readonly [string, FindingKind, boolean, readonly object[]][] = [
    [
      'ALLOW by namespace, PERMISSIVE',
      'identity-under-permissive',
      true,
      [policy('a', from({ namespaces: ['x'] }))],
    ],
    [
      'the same under STRICT',
      'identity-under-permissive',
      false,
      [strict, policy('a', from({ namespaces: ['x'] }))],
    ],
    ['DENY of all but one', 'identity-under-permissive', false, [deny('a', from({ notNamespaces: ['x'] }))]],
    ['paths', 'path-without-strict', true, [policy('a', to({ paths: ['/x'] }))]],
    [
      'paths read strictly',
      'path-without-strict',
      false,
      [withStrictPaths, policy('a', to({ paths: ['/x'] }))],
    ],
    ['no paths', 'path-without-strict', false, [policy('a', to({ methods: ['GET'] }))]],
    ['tokens nobody asks for', 'token-never-required', true, [tokens, policy('a', {})]],
    [
      'tokens asked for',
      'token-never-required',
      false,
      [tokens, policy('a', from({ requestPrincipals: ['*'] }))],
    ],
    [
      'a value wanted and excluded',
      'never-matches',
      true,
      [policy('a', to({ methods: ['GET'], notMethods: ['GET'] }))],
    ],
    [
      'one of two excluded',
      'never-matches',
      false,
      [policy('a', to({ methods: ['GET', 'PUT'], notMethods: ['GET'] }))],
    ],
    ['behind a rule for all', 'shadowed', true, [policy('a', {}, to({ methods: ['GET'] }))]],
    [
      'twice',
      'shadowed',
      true,
      [policy('a', to({ methods: ['GET'] })), policy('b', to({ methods: ['GET'] }))],
    ],
    [
      'ALLOW and DENY',
      'shadowed',
      false,
      [policy('a', to({ methods: ['GET'] })), deny('b', to({ methods: ['GET'] }))],
    ],
    [
      'methods on a TCP port',
      'http-rule-on-tcp-port',
      true,
      [pod, tcpService, policy('a', to({ methods: ['GET'] }))],
    ],
    [
      'methods on another port',
      'http-rule-on-tcp-port',
      false,
      [pod, tcpService, policy('a', to({ methods: ['GET'], ports: ['80'] }))],
    ],
    ['legacy trigger rules', 'path-without-strict', true, [legacy('default', triggered)]],
    [
      'the same, read strictly',
      'path-without-strict',
      false,
      [withStrictPaths, legacy('default', triggered)],
    ],
    ['legacy origins demand their token', 'token-never-required', false, [legacy('default', triggered)]],
    [
      'two legacy policies of one port',
      'legacy-twice',
      true,
      [
        httpService,
        legacy('a', { targets: [{ name: 'web' }] }),
        legacy('b', { targets: [{ name: 'web', ports: [{ number: 80 }] }] }),
        legacy('c', { targets: [{ name: 'web', ports: [{ name: 'http' }] }] }),
      ],
    ],
    [
      'one of a port and one of the Service',
      'legacy-twice',
      false,
      [
        httpService,
        legacy('a', { targets: [{ name: 'web' }] }),
        legacy('b', { targets: [{ name: 'web', ports: [{ number: 80 }] }] }),
        legacy('c', { targets: [{ name: 'web', ports: [{ number: 81 }] }] }),
      ],
    ],
    ['ports only', 'http-rule-on-tcp-port', false, [pod, tcpService, policy('a', to({ ports: ['5433'] }))]],
  ]
  for (const [what, kind, given, objects] of cases) {
    const folder = await read(t, ...objects)
    assert.deepEqual(folder.state.quarantine, [], what)
    const kinds = lint(folder, knownWorkloads(folder)).map((finding) => finding.kind)
    assert.equal(kinds.includes(kind), given, `${what}: ${kinds.join(', ')}`)
  }
})

const rule = (name: string, spec: object) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name, namespace: 'shop' },
  spec: { host: 'a.b', ...spec },
})
const tls = (settings: object) => rule('d', { trafficPolicy: { tls: settings } })
const keys = (jwk: object): string => JSON.stringify({ keys: [jwk] })
const jwt = (rule: object) => security('RequestAuthentication', 'j', { jwtRules: [rule] })
const selectsNothing = 'spec.selector: selector has no labels: it selects every workload in scope'

// Each warning a decoder gives (policy-semantics §8): [object, what `policy check` says].
const decodeWarnings: readonly (readonly [object, string])[] = [
  ...['AuthorizationPolicy', 'RequestAuthentication', 'PeerAuthentication'].map(
    (kind) => [security(kind, 's', { selector: {} }), selectsNothing] as const,
  ),
  [
    deny('h', to({ methods: ['GET'] })),
    'spec.rules[0]: only HTTP attributes: this DENY refuses all TCP traffic of what it selects',
  ],
  [
    policy('s', from({ principals: ['spiffe://td/ns/a/sa/b'] })),
    'spec.rules[0]: principals are written without "spiffe://": with it they never match',
  ],
  [
    jwt({ issuer: 'i', jwks: keys({ kty: 'RSA', d: 'x' }) }),
    'spec.jwtRules[0].jwks: holds private key material, which whoever reads the configuration can sign with',
  ],
  [
    jwt({ jwksUri: 'https://idp/keys' }),
    'spec.jwtRules[0]: no issuer: tokens of every issuer pass that a key of jwksUri signed',
  ],
  [
    jwt({ issuer: 'somebody' }),
    'spec.jwtRules[0]: neither jwksUri nor jwks, and the issuer is no URL to discover keys by',
  ],
  [
    rule('w', { workloadSelector: {} }),
    'spec.workloadSelector: selector has no labels: it selects every workload in scope',
  ],
  [tls({ sni: 'x' }), 'spec.trafficPolicy.tls: no mode is set, which means DISABLE: plaintext'],
  [
    tls({ mode: 'SIMPLE' }),
    "spec.trafficPolicy.tls: no caCertificates: the server is verified against the system's roots",
  ],
  [
    tls({ mode: 'SIMPLE', caCertificates: '/ca', sni: 'x' }),
    "spec.trafficPolicy.tls: sni without subjectAltNames: the server's name is not checked",
  ],
  [
    tls({ mode: 'SIMPLE', insecureSkipVerify: true }),
    'spec.trafficPolicy.tls: insecureSkipVerify: the server is not verified',
  ],
  [
    rule('o', { trafficPolicy: { outlierDetection: {} } }),
    'spec.trafficPolicy.outlierDetection: accepted without effect',
  ],
  [
    { ...strictPaths, data: { mesh: 'defaultConfig: {}' } },
    'data.mesh.defaultConfig: accepted without effect',
  ],
]

for (const [object, message] of decodeWarnings)
  test(`policy check lists the warning "${message}" of ${(object as { kind: string }).kind}`, async (t) => {
    const folder = await read(t, object)
    assert.deepEqual(folder.state.quarantine, [])
    const [found] = lint(folder, []).filter(({ kind }) => kind === 'decode')
    assert.equal(found?.message, message)
    assert.equal(found.severity, 'warning')
    assert.match(found.origin, /all\.yaml:2$/)
  })

test('a refused object is named with file, line and the path of what is wrong', { timeout }, async (t) => {
  const folder = await read(t, policy('good', {}), policy('bad', { form: [] }))
  const [finding, ...others] = lint(folder, [])
  assert.deepEqual(others, [])
  assert.equal(finding?.severity, 'error')
  assert.equal(finding?.object, 'AuthorizationPolicy shop/bad')
  assert.match(finding?.origin ?? '', /all\.yaml:4$/)
  assert.match(finding?.message ?? '', /: spec\.rules\[0\]: unknown field "form"/)
})

test('what applies to a workload is listed, quarantined objects by their stub', { timeout }, async (t) => {
  const folder = await read(t, pod, strict, tokens, policy('a', {}), deny('b', { form: [] }))
  const [workload] = knownWorkloads(folder)
  assert.ok(workload !== undefined)
  const { mtls, policies, requestAuthentications } = appliedTo(folder, workload)
  assert.equal(mtls, 'STRICT')
  assert.deepEqual(policies.map(({ name }) => name).toSorted(), ['shop/a', 'shop/b'])
  assert.deepEqual(requestAuthentications, ['shop/jwt'])
})
