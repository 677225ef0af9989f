import { test } from 'node:test'
import assert from 'node:assert/strict'
import { envelope, openEnvelope } from '../../src/discovery/mcp-resource.ts'
import { resourceTypes } from '../../src/discovery/resource-type.ts'
import { fromServiceEntry, serviceAnnotation, toServiceEntry } from '../../src/discovery/synthetic-service.ts'
import { serviceEntryType } from '../../src/discovery/resource-type.ts'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { rawResource } from '../../src/policy/raw-resource.ts'
import type { ResourceMeta } from '../../src/policy/resource.ts'
import type { Service } from '../../src/policy/service.ts'

/** Small, seeded, good enough: the same run every time. */
function randomFrom(seed: number) {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const int = (below: number) => Math.floor(next() * below)
  const some = <T>(list: readonly T[]) => list.filter(() => next() < 0.4)
  const one = <T>(list: readonly [T, ...T[]]): T => list[int(list.length)] ?? list[0]
  return { next, int, some, one }
}
type Random = ReturnType<typeof randomFrom>

const words = ['*', 'a', 'a*', '*b', 'cluster.local/ns/x/sa/y', 'ä ö', 'x'.repeat(300)]
const fields = (random: Random, names: readonly string[], values: readonly string[]) => {
  const twins = names.flatMap((name) => [name, `not${name.charAt(0).toUpperCase()}${name.slice(1)}`])
  const chosen = random.some(twins)
  const all = chosen.length > 0 ? chosen : [names[0] ?? '']
  return Object.fromEntries(
    all.map((name) => [name, [random.one(values as [string]), ...random.some(values)]]),
  )
}

function randomPolicy(random: Random) {
  const list = <T>(make: () => T) => Array.from({ length: 1 + random.int(3) }, make)
  const rule = () => ({
    ...(random.next() < 0.6
      ? { from: list(() => ({ source: fields(random, ['principals', 'namespaces'], words) })) }
      : {}),
    ...(random.next() < 0.6
      ? { to: list(() => ({ operation: fields(random, ['hosts', 'methods'], words) })) }
      : {}),
    ...(random.next() < 0.5
      ? { when: list(() => ({ key: 'request.headers[x]', values: random.some(words).concat('z') })) }
      : {}),
  })
  return {
    ...(random.next() < 0.5 ? { action: random.one(['ALLOW', 'DENY']) } : {}),
    ...(random.next() < 0.5 ? { selector: { matchLabels: { app: 'x', 'b.c/d_e': '' } } } : {}),
    rules: list(rule),
  }
}

const security = 'security.istio.io/v1'
const networking = 'networking.istio.io/v1'
const fixtures: readonly [string, string, unknown][] = [
  [security, 'AuthorizationPolicy', {}],
  [security, 'AuthorizationPolicy', { rules: [{}] }],
  [
    security,
    'AuthorizationPolicy',
    { targetRefs: [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'g' }], rules: [{}] },
  ],
  [security, 'PeerAuthentication', {}],
  [security, 'PeerAuthentication', { mtls: {} }],
  [
    security,
    'PeerAuthentication',
    { selector: { matchLabels: { a: 'b' } }, portLevelMtls: { 80: { mode: 'STRICT' }, 81: {} } },
  ],
  [networking, 'DestinationRule', { host: 'a' }],
  [
    networking,
    'DestinationRule',
    {
      host: '*.b.test',
      trafficPolicy: {
        tls: {
          mode: 'MUTUAL',
          clientCertificate: '/c',
          privateKey: '/k',
          sni: 's',
          insecureSkipVerify: true,
        },
      },
    },
  ],
  [
    networking,
    'DestinationRule',
    {
      host: 'a',
      exportTo: ['.'],
      trafficPolicy: {
        connectionPool: {
          tcp: { maxConnections: 5, connectTimeout: '1m0.5s' },
          http: { http1MaxPendingRequests: 2, h2UpgradePolicy: 'UPGRADE', idleTimeout: '1h' },
        },
        loadBalancer: { simple: 'ROUND_ROBIN', localityLbSetting: { enabled: false } },
        outlierDetection: { consecutive5xxErrors: 5 },
        portLevelSettings: [{ port: { number: 9 }, tls: { mode: 'DISABLE' } }],
      },
    },
  ],
  [
    networking,
    'DestinationRule',
    {
      host: 'a',
      subsets: [{ name: 'v', labels: { version: 'v1' }, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }],
      workloadSelector: { matchLabels: { q: 'r' } },
    },
  ],
  [
    networking,
    'DestinationRule',
    {
      host: 'a',
      trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true, minimumRingSize: 1024 } } },
    },
  ],
  [
    networking,
    'ServiceEntry',
    { hosts: ['a.test'], ports: [{ number: 1, name: 'x', protocol: 'gRPC' }], resolution: 'DNS' },
  ],
]

test('whatever decodes here decodes to the same value after the journey', () => {
  const random = randomFrom(7)
  const samples = [...fixtures]
  for (let at = 0; at < 200; at += 1) samples.push([security, 'AuthorizationPolicy', randomPolicy(random)])
  let accepted = 0
  for (const [apiVersion, kind, spec] of samples) {
    const metadata = {
      name: 'n',
      namespace: 'ns',
      labels: { a: 'b' },
      annotations: { 'x.y/z': 'w' },
      creationTimestamp: '2026-01-02T03:04:05Z',
    }
    const raw = rawResource({ apiVersion, kind, metadata, spec }, 'o')
    const before = decodeResource(raw, defaultMeshConfig)
    if (before.kind === 'refused') assert.fail(`${JSON.stringify(spec)}: ${before.quarantined.reason}`)
    assert.ok(before.kind !== 'ignored')
    accepted += 1
    const type = resourceTypes.find((entry) => entry.kind === kind)
    assert.ok(type !== undefined)
    const { meta } = before.value as { meta: ResourceMeta }
    const sent = envelope(type, meta, spec as Record<string, unknown>, {})
    assert.ok(sent.ok, sent.ok ? '' : sent.reason)
    const opened = openEnvelope(type, sent.any, 'o')
    assert.ok(typeof opened !== 'string', String(opened))
    const after = decodeResource(opened, defaultMeshConfig)
    assert.deepEqual({ ...after, warnings: [] }, { ...before, warnings: [] })
  }
  assert.equal(accepted, samples.length)
})

test('a service comes back whole through a ServiceEntry', () => {
  const service: Service = {
    meta: {
      name: 'db',
      namespace: 'shop',
      labels: {},
      annotations: { a: 'b' },
      createdAt: 5_000,
      origin: 's',
    },
    hostname: '*.db.shop.test',
    addresses: ['10.0.0.0/8'],
    ports: [
      { number: 80, name: '', protocol: 'auto' },
      { number: 81, name: 'http', protocol: 'tcp' },
    ],
    endpoints: [
      {
        address: '10.1.1.1',
        ports: { '80': 8080, '81': 8081 },
        labels: { v: '1' },
        namespace: 'shop',
        serviceAccount: 'db',
        weight: 2,
        ready: true,
      },
      {
        address: '10.1.1.2',
        ports: { '80': 8080 },
        labels: {},
        namespace: 'shop',
        serviceAccount: null,
        weight: 1,
        ready: false,
      },
    ],
    resolution: 'NONE',
    location: 'MESH_INTERNAL',
    headless: true,
    subjectAltNames: ['spiffe://x/y'],
    exportTo: ['.'],
  }
  const { meta, spec, notes } = toServiceEntry(service)
  const sent = envelope(serviceEntryType, meta, spec, notes)
  assert.ok(sent.ok)
  const opened = openEnvelope(serviceEntryType, sent.any, 's')
  assert.ok(typeof opened !== 'string')
  assert.deepEqual(fromServiceEntry(opened, opened.meta), service)
})

test('an entry without our annotation, or with a damaged one, is not taken for a service of ours', () => {
  const meta = { name: 'x', namespace: 'n', labels: {}, annotations: {}, createdAt: 0, origin: '' }
  const raw = rawResource({ spec: { hosts: ['a'] } }, 'o')
  assert.equal(fromServiceEntry(raw, meta), null)
  for (const text of ['', '[]', 'null', '{"name":1}']) {
    assert.equal(fromServiceEntry(raw, { ...meta, annotations: { [serviceAnnotation]: text } }), null)
  }
})

test('an envelope of another kind, without a body or damaged is a reason', () => {
  const [mesh, entry] = resourceTypes
  assert.ok(mesh !== undefined && entry !== undefined)
  const url = 'type.googleapis.com/istio.mcp.v1alpha1.Resource'
  assert.match(String(openEnvelope(entry, { type_url: 'x', value: Buffer.alloc(0) }, 's')), /expected/)
  assert.match(
    String(openEnvelope(entry, { type_url: url, value: Buffer.alloc(0) }, 's')),
    /metadata and body/,
  )
  assert.match(String(openEnvelope(entry, { type_url: url, value: Buffer.from([0xff]) }, 's')), /resource/)
  assert.match(String(openEnvelope(mesh, { type_url: url, value: Buffer.alloc(0) }, 's')), /expected/)
})
