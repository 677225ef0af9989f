/**
 * Damaged objects of every kind but AuthorizationPolicy (which has its own test in `authz`), through the real doors: what
 * was valid and is damaged means what it meant or is quarantined, and then it closes. SALLYPORT_SEED repeats a run.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { ResourceState } from '../../src/discovery/resource-state.ts'
import { RequestAuthenticationVerifier } from '../../src/jwt/request-authentication-verifier.ts'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import type { Accepted, Decoded, Refused } from '../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import type { MeshConfig } from '../../src/policy/mesh-config.ts'
import type { PeerAuthentication } from '../../src/policy/peer-authentication.ts'
import { peerMode } from '../../src/policy/peer-mode.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import { selects } from '../../src/policy/resource.ts'
import { bearer, forged, noRing, nowMs } from '../jwt/issuer.ts'
import { damage, type Fields } from '../support/damage.ts'
import { seededRandom } from '../support/random-policies.ts'

const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** Maps whose keys an operator chooses. */
const free = new Set(['matchLabels', 'labels', 'ports', 'selector', 'metadata', 'annotations'])

const object = (apiVersion: string, kind: string, spec: object): Fields => ({
  apiVersion,
  kind,
  metadata: { name: 'name', namespace: 'ns' },
  spec,
})
const app = { matchLabels: { app: 'a' } }
const jwks = '{"keys":[]}'

const samples: Readonly<Record<string, readonly Fields[]>> = {
  PeerAuthentication: [
    { selector: app, mtls: { mode: 'STRICT' }, portLevelMtls: { 80: { mode: 'DISABLE' }, 81: {} } },
    { mtls: { mode: 'STRICT' } },
    { selector: app, mtls: { mode: 'PERMISSIVE' }, portLevelMtls: { 80: { mode: 'STRICT' } } },
  ].map((spec) => object('security.istio.io/v1', 'PeerAuthentication', spec)),
  RequestAuthentication: [
    {
      selector: app,
      jwtRules: [
        {
          issuer: 'https://idp',
          audiences: ['a'],
          jwks,
          fromHeaders: [{ name: 'x-jwt', prefix: 'Token ' }],
          fromParams: ['p'],
          fromCookies: ['c'],
          outputPayloadToHeader: 'x-payload',
          outputClaimToHeaders: [{ header: 'x-user', claim: 'sub' }],
          forwardOriginalToken: false,
          spaceDelimitedClaims: ['roles'],
          timeout: '5s',
          presence: 'REQUIRED',
        },
        { issuer: 'https://other', jwksUri: 'https://other/keys' },
      ],
    },
  ].map((spec) => object('security.istio.io/v1', 'RequestAuthentication', spec)),
  DestinationRule: [
    {
      host: 'reviews',
      exportTo: ['.'],
      workloadSelector: app,
      trafficPolicy: {
        tls: { mode: 'MUTUAL', clientCertificate: '/c', privateKey: '/k', caCertificates: '/r', sni: 's' },
        connectionPool: { tcp: { connectTimeout: '1s', maxConnections: 3 } },
        loadBalancer: { simple: 'RANDOM' },
        portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'SIMPLE', insecureSkipVerify: true } }],
      },
      subsets: [{ name: 'v1', labels: { v: '1' }, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }],
    },
    { host: '*.example.com', trafficPolicy: { tls: { mode: 'SIMPLE', subjectAltNames: ['a', 'b'] } } },
  ].map((spec) => object('networking.istio.io/v1', 'DestinationRule', spec)),
  Policy: [
    {
      targets: [{ name: 'orders', ports: [{ number: 80 }, { name: 'http' }] }, { name: 'web' }],
      peers: [{ mtls: { mode: 'PERMISSIVE' } }],
      peerIsOptional: false,
      origins: [
        {
          jwt: {
            issuer: 'https://idp',
            audiences: ['a'],
            jwks,
            jwtHeaders: ['x-jwt'],
            jwtParams: ['p'],
            triggerRules: [
              { excludedPaths: [{ exact: '/a' }, { regex: '/b.*' }], includedPaths: [{ prefix: '/' }] },
            ],
          },
        },
      ],
      originIsOptional: false,
      principalBinding: 'USE_ORIGIN',
    },
    { targets: [{ name: 'orders' }], peers: [{ mtls: { allowTls: true } }] },
  ].map((spec) => object('authentication.istio.io/v1alpha1', 'Policy', spec)),
  MeshPolicy: [
    {
      ...object('authentication.istio.io/v1alpha1', 'MeshPolicy', { peers: [{ mtls: { mode: 'STRICT' } }] }),
      metadata: { name: 'default' },
    },
  ],
  ServiceEntry: [
    {
      hosts: ['a.b'],
      addresses: ['1.2.3.4'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 81 }],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      endpoints: [
        { address: '1.2.3.4', ports: { http: 81 }, labels: { a: 'b' }, serviceAccount: 'x', weight: 2 },
      ],
      subjectAltNames: ['spiffe://td/ns/a/sa/b'],
      exportTo: ['*'],
    },
    {
      hosts: ['c.d'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      workloadSelector: { labels: { a: 'b' } },
    },
  ].map((spec) => object('networking.istio.io/v1', 'ServiceEntry', spec)),
  WorkloadEntry: [
    object('networking.istio.io/v1', 'WorkloadEntry', {
      address: '1.2.3.4',
      ports: { http: 80 },
      labels: { a: 'b' },
      serviceAccount: 'x',
      weight: 5,
    }),
  ],
  MeshConfig: [
    {
      trustDomain: 'example.org',
      trustDomainAliases: ['old.example.org'],
      rootNamespace: 'root',
      domain: 'mesh.test',
      pathNormalization: { normalization: 'STRICT' },
      outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
      enableAutoMtls: false,
      protocolDetectionTimeout: '100ms',
      connectTimeout: '3s',
      meshMTLS: { minProtocolVersion: 'TLSV1_3', cipherSuites: ['X'] },
      accessLogFile: '/dev/stdout',
      extensionProviders: [
        { name: 'p', envoyExtAuthzGrpc: { service: 'a.b', port: 1, failOpen: false, timeout: '1s' } },
        { name: 'q', envoyExtAuthzHttp: { service: 'a.b', port: 1, includeRequestHeadersInCheck: ['x'] } },
      ],
    },
  ],
}

const file = (kind: string): string => (kind === 'MeshConfig' ? 'mesh.yaml' : 'all.yaml')

/** The only document of a text, decoded; a problem of the whole document is a refusal too. */
function decode(kind: string, whole: Fields): Decoded | 'problem' {
  const { resources, problems } = readDocuments(JSON.stringify(whole), file(kind))
  if (problems.length > 0) return 'problem'
  const [raw] = resources
  assert.ok(raw !== undefined && resources.length === 1, JSON.stringify(whole))
  return decodeResource(raw, defaultMeshConfig)
}

const labelSets = [{ app: 'a' }, { app: 'b' }, {}]

/** What must hold of the stub of a refused object that was `before`. */
const closes: Readonly<Record<string, (before: Accepted, stub: Refused['stub']) => void>> = {
  PeerAuthentication(before, stub) {
    const was = before.value as PeerAuthentication
    assert.ok(stub?.kind === 'PeerAuthentication')
    for (const labels of labelSets.filter((set) => selects(was.selector, set)))
      for (const port of [80, 81, 90])
        assert.equal(peerMode([stub.value], 'ns', labels, port, 'root'), 'STRICT')
  },
  RequestAuthentication(before, stub) {
    assert.ok(before.kind === 'RequestAuthentication' && stub?.kind === 'RequestAuthentication')
    for (const labels of labelSets.filter((set) => selects(before.value.selector, set)))
      assert.ok(selects(stub.value.selector, labels))
    const closed = new RequestAuthenticationVerifier([], [stub.value], noRing())
    const outcome = closed.verify(bearer(forged({ alg: 'ES256' }, { iss: 'https://idp' })), nowMs)
    assert.ok(!(outcome instanceof Promise) && !outcome.ok && outcome.status === 401)
  },
  Policy: closesLegacy,
  MeshPolicy: closesLegacy,
  DestinationRule(before, stub) {
    assert.ok(before.kind === 'DestinationRule' && stub?.kind === 'DestinationRule')
    assert.ok(stub.value.quarantined !== null && stub.value.exportTo.length === 0)
    // A host that cannot be read names nobody.
    assert.ok([before.value.host, ''].includes(stub.value.host), stub.value.host)
  },
}

function closesLegacy(before: Accepted, stub: Refused['stub']): void {
  assert.ok(before.kind === 'Policy' || before.kind === 'MeshPolicy')
  assert.ok(stub?.kind === before.kind)
  const { mode, demand, targets, scope } = stub.value
  assert.equal(mode, 'STRICT')
  if (before.value.demand === 'required') assert.equal(demand, 'required')
  // Targets that cannot be read are anybody.
  if (scope === 'targets' && targets !== null) assert.deepEqual(targets, before.value.targets)
}

/** Providers that nobody can ask deny what their rules match, so one may become so. */
function sameOrClosed(before: MeshConfig, after: MeshConfig): boolean {
  const { extensionProviders: were, ...rest } = before
  const { extensionProviders: are, ...others } = after
  return (
    isDeepStrictEqual(rest, others) &&
    were.length === are.length &&
    were.every((provider, i) => isDeepStrictEqual(provider, are[i]) || are[i]?.authorizer?.ok !== true)
  )
}

for (const [kind, written] of Object.entries(samples))
  test(`a damaged ${kind} means what it meant or is refused (SALLYPORT_SEED=${seed})`, () => {
    const random = seededRandom(seed)
    let refusals = 0
    const runs = 500
    for (let run = 0; run < runs; run += 1) {
      const whole = structuredClone(written[run % written.length]) as Fields
      const before = decode(kind, whole)
      assert.ok(before !== 'problem' && before.kind !== 'refused' && before.kind !== 'ignored')
      damage(kind === 'MeshConfig' ? whole : whole['spec'], random, free)
      const shown = `seed ${seed}, run ${run}: ${JSON.stringify(whole)}`
      const after = decode(kind, whole)
      if (after === 'problem') refusals += 1
      else if (after.kind === 'refused') {
        refusals += 1
        assert.equal(after.quarantined.kind, kind, shown)
        closes[kind]?.(before, after.stub)
      } else {
        assert.equal(after.kind, kind, shown)
        const same =
          before.kind === 'MeshConfig' && after.kind === 'MeshConfig'
            ? sameOrClosed(before.value, after.value)
            : isDeepStrictEqual((after as Accepted).value, before.value)
        assert.ok(same, `accepted as something else, ${shown}`)
      }
    }
    assert.ok(refusals > runs / 2, `${refusals} of ${runs} refused`)
  })

test(`damage to one object of a folder is named and leaves the others as they were (SALLYPORT_SEED=${seed})`, () => {
  const random = seededRandom(seed + 1)
  const guarded = ['PeerAuthentication', 'RequestAuthentication', 'DestinationRule', 'Policy', 'MeshPolicy']
  const all = Object.entries(samples).flatMap(([kind, list]) =>
    list.map((whole, index) => ({
      kind,
      whole: {
        ...whole,
        metadata: { name: kind === 'MeshPolicy' ? 'default' : `n${index}`, namespace: 'ns' },
      } as Fields,
    })),
  )
  const folder = (objects: readonly { kind: string; whole: object }[]) =>
    objects.map(({ kind, whole }, index) => {
      const name = kind === 'MeshConfig' ? 'mesh.yaml' : `${index}.yaml`
      const { metadata: _, ...mesh } = whole as Fields
      return { file: name, ...readDocuments(JSON.stringify(kind === 'MeshConfig' ? mesh : whole), name) }
    })
  const good = new ResourceState().apply(folder(all))
  assert.deepEqual(good.quarantine, [])
  for (let run = 0; run < 100; run += 1) {
    const position = Math.floor(random() * all.length)
    const victim = all[position] as (typeof all)[number]
    const damaged = structuredClone(victim)
    if (victim.kind === 'MeshConfig') damage(damaged.whole, random, free)
    else if (random() < 0.2) Object.assign(damaged.whole, { kind: `${victim.kind}s` })
    else damage((damaged.whole as Fields)['spec'], random, free)
    const shown = `seed ${seed}, run ${run}: ${JSON.stringify(damaged.whole)}`
    const fresh = new ResourceState().apply(folder(all.with(position, damaged)))
    const kept = new ResourceState()
    kept.apply(folder(all))
    const later = kept.apply(folder(all.with(position, damaged)))
    const others = (state: typeof good) =>
      state.entries.filter(({ source, raw }) => source !== `${position}.yaml` && raw.kind !== 'MeshConfig')
    // Hosts are completed by the mesh's domain: with another mesh file they may read otherwise.
    if (victim.kind !== 'MeshConfig') {
      assert.deepEqual(others(fresh), others(good), shown)
      assert.deepEqual(others(later), others(good), shown)
    }
    const own = fresh.entries.find(({ source }) => source === `${position}.yaml`)
    if (!guarded.includes(victim.kind)) continue
    assert.ok(own !== undefined, shown)
    // Quarantined and closed, or the same; later the good version before stays.
    if (own.decoded.kind === 'refused') {
      assert.ok(fresh.quarantine.length === 1 && own.decoded.stub !== null, shown)
      const [again] = later.entries.filter(({ source }) => source === `${position}.yaml`)
      const before = good.entries[good.entries.findIndex(({ source }) => source === `${position}.yaml`)]
      if (damaged.whole['kind'] === victim.kind) assert.deepEqual(again?.decoded, before?.decoded, shown)
      assert.equal(later.quarantine.length, 1, shown)
    }
  }
})
