/** Legacy policies in the API of today: what is printed, and that it says the same or says that it does not. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Evaluator } from '../../../src/cli/policy/evaluator.ts'
import { legacyEquivalent } from '../../../src/cli/policy/legacy-equivalent.ts'
import type { PolicyFolder } from '../../../src/cli/policy/load-policy-folder.ts'
import { readQuestion } from '../../../src/cli/policy/question.ts'
import { assembleConfig } from '../../../src/discovery/assemble-config.ts'
import { ResourceState } from '../../../src/discovery/resource-state.ts'
import { readDocuments } from '../../../src/policy/read-documents.ts'
import { yamlText } from '../../../src/policy/write-yaml.ts'
import { issuer, keySet, nowMs, signer, token } from '../../jwt/issuer.ts'
import { seededRandom } from '../../support/random-policies.ts'

type Plain = Record<string, unknown>

const es = await signer('ES256', 'es')
const other = await signer('ES256', 'other')

const service = (name: string, ports: object[]): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { selector: { app: name }, ports },
})
const legacy = (kind: string, name: string, spec: object, namespace = 'shop'): object => ({
  apiVersion: 'authentication.istio.io/v1alpha1',
  kind,
  metadata: kind === 'MeshPolicy' ? { name } : { name, namespace },
  spec,
})
const services = [
  service('orders', [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'http-admin', port: 81, targetPort: 8081 },
    { name: 'tcp-db', port: 90, targetPort: 9090 },
  ]),
  service('web', [{ name: 'http', port: 80, targetPort: 8080 }]),
]
const jwt = (fields: object = {}): object => ({ jwt: { issuer, jwks: keySet(es), ...fields } })
const second = (fields: object = {}): object => ({
  jwt: { issuer: 'second', jwks: keySet(other), ...fields },
})

function folderOf(objects: readonly object[]): PolicyFolder {
  const text = objects.map((object) => `---\n${yamlText(object)}`).join('')
  const read = readDocuments(text, 'f.yaml')
  assert.deepEqual(read.problems, [])
  const state = new ResourceState().apply([{ file: 'f.yaml', ...read }])
  return { state, config: assembleConfig(state, []) }
}
function proposed(...objects: readonly object[]): { specs: Plain; kinds: string[] } {
  const { objects: made, findings } = legacyEquivalent(folderOf([...services, ...objects]))
  const specs = Object.fromEntries(
    made.map(({ object }) => {
      const { kind, metadata, spec } = object as {
        kind: string
        metadata: { namespace: string; name: string }
        spec: Plain
      }
      return [`${kind} ${metadata.namespace}/${metadata.name}`, spec]
    }),
  )
  return { specs, kinds: [...new Set(findings.map(({ kind }) => kind))].toSorted() }
}

test('peers of namespace and mesh are PeerAuthentications without selector, exactly', () => {
  for (const [spec, mode] of [
    [{ peers: [{ mtls: null }] }, 'STRICT'],
    [{ peers: [{ mtls: { mode: 'PERMISSIVE' } }] }, 'PERMISSIVE'],
    [{}, 'DISABLE'],
  ] as const) {
    assert.deepEqual(proposed(legacy('Policy', 'default', spec)), {
      specs: { 'PeerAuthentication shop/default': { mtls: { mode } } },
      kinds: [],
    })
    assert.deepEqual(proposed(legacy('MeshPolicy', 'default', spec)), {
      specs: { 'PeerAuthentication istio-system/default': { mtls: { mode } } },
      kinds: [],
    })
  }
})

test('targets are the selector of their Service and its target ports, several policies of one Service one object', () => {
  const made = proposed(
    legacy('Policy', 'orders', { targets: [{ name: 'orders' }], peers: [{ mtls: {} }] }),
    legacy('Policy', 'admin', { targets: [{ name: 'orders', ports: [{ name: 'http-admin' }] }] }),
    legacy('Policy', 'web', { targets: [{ name: 'web', ports: [{ number: 80 }] }], peers: [{ mtls: {} }] }),
  )
  assert.deepEqual(made, {
    specs: {
      'PeerAuthentication shop/orders': {
        selector: { matchLabels: { app: 'orders' } },
        portLevelMtls: { 8080: { mode: 'STRICT' }, 8081: { mode: 'DISABLE' }, 9090: { mode: 'STRICT' } },
      },
      'PeerAuthentication shop/web': {
        selector: { matchLabels: { app: 'web' } },
        portLevelMtls: { 8080: { mode: 'STRICT' } },
      },
    },
    kinds: [],
  })
})

const peers = { peers: [{ mtls: {} }] }
const demanded = (operation: object | null, principals = ['*']): object => {
  const from = [{ source: { notRequestPrincipals: principals } }]
  const to = (fields: object | null): object => (fields === null ? {} : { to: [{ operation: fields }] })
  const absent = (name: string): object => ({ when: [{ key: `request.headers[${name}]`, notValues: ['*'] }] })
  return {
    action: 'DENY',
    rules: [
      { from, ...to({ ...operation, notMethods: ['OPTIONS'] }) },
      { from, ...to(operation), ...absent('origin') },
      { from, ...to(operation), ...absent('access-control-request-method') },
    ],
  }
}

test('origins are a RequestAuthentication, and a DENY of requests without their token that are no preflights', () => {
  const web = [services[1] as object]
  const { objects, findings } = legacyEquivalent(
    folderOf([
      ...web,
      legacy('Policy', 'default', { ...peers, origins: [jwt({ audiences: ['a'], jwtHeaders: ['X-Jwt'] })] }),
    ]),
  )
  assert.deepEqual(findings, [])
  const [, authentication, authorization] = objects.map(({ object }) => object['spec'] as Plain)
  assert.deepEqual(authentication, {
    jwtRules: [
      {
        issuer,
        audiences: ['a'],
        jwks: keySet(es),
        fromHeaders: [{ name: 'x-jwt' }],
        forwardOriginalToken: true,
      },
    ],
  })
  assert.deepEqual(authorization, demanded(null))
})

test('trigger rules are paths, target ports are ports; what that says too strictly is said', () => {
  const triggerRules = [
    { excludedPaths: [{ exact: '/health' }, { suffix: '.css' }], includedPaths: [{ prefix: '/api/' }] },
  ]
  const { specs, kinds } = proposed(
    legacy('Policy', 'orders', { targets: [{ name: 'orders' }], ...peers, origins: [jwt({ triggerRules })] }),
  )
  // The port that is declared TCP is left out: origins never were asked there.
  const ports = ['8080', '8081']
  assert.deepEqual(specs['AuthorizationPolicy shop/orders'], {
    selector: { matchLabels: { app: 'orders' } },
    ...demanded({ ports, paths: ['/api/*'], notPaths: ['/health', '*.css'] }),
  })
  assert.deepEqual(kinds, ['legacy-stricter'])
})

test('optional origins demand nothing', () => {
  const { specs, kinds } = proposed(legacy('Policy', 'default', { origins: [jwt()], originIsOptional: true }))
  assert.deepEqual(Object.keys(specs), [
    'PeerAuthentication shop/default',
    'RequestAuthentication shop/default',
  ])
  assert.deepEqual(kinds, ['legacy-stricter'])
})

const differs: readonly (readonly [what: RegExp, kind: string, objects: object[]])[] = [
  [
    /regex "\/a\.\*" cannot be written as a path: a token is demanded there too/,
    'legacy-stricter',
    [
      legacy('Policy', 'default', {
        origins: [jwt({ triggerRules: [{ excludedPaths: [{ regex: '/a.*' }] }] })],
      }),
    ],
  ],
  [
    /regex "\/a\.\*" cannot be written as a path: a token is demanded on every path/,
    'legacy-stricter',
    [
      legacy('Policy', 'default', {
        origins: [jwt({ triggerRules: [{ includedPaths: [{ regex: '/a.*' }] }] })],
      }),
    ],
  ],
  [
    /exact "\/a\*" cannot be written/,
    'legacy-stricter',
    [
      legacy('Policy', 'default', {
        origins: [jwt({ triggerRules: [{ excludedPaths: [{ exact: '/a*' }] }] })],
      }),
    ],
  ],
  [
    /origins have different trigger rules/,
    'legacy-stricter',
    [legacy('Policy', 'default', { origins: [jwt(), second({ triggerRules: [{}] })] })],
  ],
  [
    /ports declared TCP or TLS are closed by the DENY/,
    'legacy-stricter',
    [legacy('Policy', 'default', { origins: [jwt()] })],
  ],
  [
    /modern objects add up where legacy ones override/,
    'legacy-differs',
    [
      legacy('Policy', 'default', { origins: [jwt()] }),
      legacy('Policy', 'orders', { targets: [{ name: 'orders' }] }),
    ],
  ],
  [
    /clients look at the PeerAuthentication of the namespace first/,
    'legacy-differs',
    [
      legacy('Policy', 'default', {}),
      legacy('Policy', 'orders', { targets: [{ name: 'orders' }], ...peers }),
    ],
  ],
  [
    /USE_PEER: request principals are the names of peers here/,
    'legacy-differs',
    [
      legacy('Policy', 'default', peers),
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: { name: 'p', namespace: 'shop' },
        spec: { rules: [{ from: [{ source: { requestPrincipals: ['*'] } }] }] },
      },
    ],
  ],
  [/it is refused: nothing is proposed/, 'legacy-differs', [legacy('Policy', 'default', { peers: 5 })]],
  [
    /its peers are out of force here: PeerAuthentication shop\/default/,
    'legacy-out-of-force',
    [
      legacy('Policy', 'default', peers),
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'PeerAuthentication',
        metadata: { name: 'default', namespace: 'shop' },
        spec: { mtls: { mode: 'STRICT' } },
      },
    ],
  ],
  [
    /its origins are out of force where it selects: RequestAuthentication shop\/jwt/,
    'legacy-out-of-force',
    [
      legacy('Policy', 'default', { origins: [jwt()] }),
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'RequestAuthentication',
        metadata: { name: 'jwt', namespace: 'shop' },
        spec: { selector: { matchLabels: { app: 'web' } }, jwtRules: [{ issuer: 'i', jwks: keySet(es) }] },
      },
    ],
  ],
]
for (const [what, kind, objects] of differs) {
  test(`where the two cannot say the same it is told: ${what.source}`, () => {
    const { findings } = legacyEquivalent(folderOf([...services, ...objects]))
    assert.ok(
      findings.some((finding) => finding.kind === kind && what.test(finding.message)),
      JSON.stringify(findings, null, 1),
    )
  })
}

test('names that are taken are not proposed again', () => {
  const { specs } = proposed(legacy('Policy', 'default', peers), {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'default', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } }, mtls: { mode: 'STRICT' } },
  })
  assert.deepEqual(Object.keys(specs), ['PeerAuthentication shop/default-2'])
})

const rounds = Number(process.env['SALLYPORT_CASES'] ?? 150)
const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`a legacy folder and its printed equivalent give the same verdicts, or it is said which closes more (SALLYPORT_SEED=${seed})`, async () => {
  const random = seededRandom(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const chance = (share: number): boolean => random() < share
  const tokens = {
    alice: await token(es),
    expired: await token(es, { exp: 5 }),
    bob: await token(other, { iss: 'second', sub: 'bob' }),
    forged: await token({ ...other, keyId: 'es' }),
  }
  const match = (): object =>
    pick([
      { exact: '/health' },
      { prefix: '/api' },
      { suffix: '.css' },
      { regex: '/v[0-9]/.*' },
      { exact: '/*' },
    ])
  const trigger = (): object => ({
    ...(chance(0.6) ? { excludedPaths: [match()] } : {}),
    ...(chance(0.5) ? { includedPaths: [match(), match()] } : {}),
  })
  const triggers = (): object =>
    chance(0.4) ? { triggerRules: [trigger(), ...(chance(0.3) ? [trigger()] : [])] } : {}
  const spec = (): object => ({
    ...(chance(0.7)
      ? { peers: [{ mtls: pick([null, {}, { mode: 'PERMISSIVE' }, { mode: 'STRICT' }]) }] }
      : {}),
    ...(chance(0.15) ? { peerIsOptional: true } : {}),
    ...(chance(0.6)
      ? {
          origins: [
            jwt({ ...triggers(), ...(chance(0.2) ? { jwtParams: ['t'] } : {}) }),
            ...(chance(0.3) ? [second(triggers())] : []),
          ],
        }
      : {}),
    ...(chance(0.15) ? { originIsOptional: true } : {}),
    ...(chance(0.4) ? { principalBinding: 'USE_ORIGIN' } : {}),
  })
  const target = (): object => ({
    name: pick(['orders', 'web', 'gone']),
    ...(chance(0.5) ? { ports: [pick([{ number: 80 }, { name: 'http-admin' }, { number: 90 }])] } : {}),
  })
  const folder = (): object[] => [
    ...(chance(0.25) ? [legacy('MeshPolicy', 'default', spec())] : []),
    ...(chance(0.5) ? [legacy('Policy', 'default', spec())] : []),
    ...Array.from({ length: Math.floor(random() * 3) }, (_, n) =>
      legacy('Policy', `p${n}`, { targets: [target()], ...spec() }),
    ),
  ]
  const policies = (): object[] =>
    chance(0.5)
      ? []
      : [
          {
            apiVersion: 'security.istio.io/v1',
            kind: 'AuthorizationPolicy',
            metadata: { name: 'own', namespace: 'shop' },
            spec: {
              action: pick(['ALLOW', 'DENY']),
              rules: [
                pick<object>([
                  { to: [{ operation: { paths: ['/api/*'] } }] },
                  { from: [{ source: { namespaces: ['a'] } }] },
                  { from: [{ source: { requestPrincipals: ['*'] } }] },
                  { when: [{ key: 'request.auth.claims[sub]', values: ['alice'] }] },
                ]),
              ],
            },
          },
        ]
  const question = (): object => {
    const shown = pick(['', '', 'alice', 'alice', 'bob', 'expired', 'forged'] as const)
    const text = shown === '' ? '' : tokens[shown]
    const byQuery = chance(0.1)
    const port = pick([8080, 8080, 8081, 9090, 7000])
    return {
      workload: {
        namespace: pick(['shop', 'shop', 'bank']),
        labels: { app: pick(['orders', 'web', 'else']) },
      },
      // On a port that is declared TCP nothing is read as HTTP.
      protocol: port === 9090 ? 'tcp' : 'http',
      source: chance(0.6) ? { principal: `cluster.local/ns/${pick(['a', 'b'])}/sa/x` } : {},
      destination: { ip: '10.0.0.1', port },
      method: pick(['GET', 'OPTIONS']),
      host: 'h',
      path:
        pick([
          '/',
          '/health',
          '/health?x=/api',
          '/api/a',
          '/api',
          '/a.css',
          '/v1/x',
          '/*',
          '/api/../health',
        ]) + (byQuery && text !== '' ? `?t=${text}&access_token=${text}` : ''),
      headers: {
        ...(text === '' || byQuery ? {} : { authorization: `Bearer ${text}` }),
        ...(chance(0.5) ? { origin: 'https://a.test' } : {}),
        ...(chance(0.5) ? { 'access-control-request-method': 'PUT' } : {}),
      },
    }
  }
  const seen = { same: 0, stricter: 0, differs: 0, refused: 0 }
  for (let round = 0; round < rounds; round++) {
    const own = policies()
    const old = folder()
    const before = folderOf([...services, ...own, ...old])
    assert.deepEqual(before.state.quarantine, [])
    const { objects, findings } = legacyEquivalent(before)
    const after = folderOf([...services, ...own, ...objects.map(({ object }) => object)])
    assert.deepEqual(after.state.quarantine, [], 'what is proposed is accepted')
    const kinds = new Set(findings.map(({ kind }) => kind))
    const way = kinds.has('legacy-differs') ? 'differs' : kinds.has('legacy-stricter') ? 'stricter' : 'same'
    seen[way] += 1
    const [legacyEngine, modernEngine] = [before, after].map(
      ({ config }) => new Evaluator(config, () => nowMs),
    ) as [Evaluator, Evaluator]
    for (let n = 0; n < 40; n++) {
      const asked = question()
      const read = readQuestion(asked)
      assert.ok(read.ok)
      const [was, is] = await Promise.all(
        [legacyEngine, modernEngine].map(async (engine) => (await engine.evaluate(read.question)).answer),
      )
      assert.ok(was !== undefined && is !== undefined)
      if (!was.allowed) seen.refused += 1
      const shown = (): string =>
        `seed ${seed}, round ${round}, ${way}: ${JSON.stringify(asked)}\nlegacy ${JSON.stringify(old)}\nown ${JSON.stringify(own)}\nfindings ${JSON.stringify(findings.map(({ message }) => message))}\nwas ${JSON.stringify(was)}\nis ${JSON.stringify(is)}`
      if (way === 'same') assert.equal(is.allowed, was.allowed, shown())
      else if (way === 'stricter') assert.ok(was.allowed || !is.allowed, shown())
    }
  }
  assert.ok(
    seen.same > rounds / 5 && seen.stricter > rounds / 10 && seen.refused > rounds,
    JSON.stringify(seen),
  )
})
