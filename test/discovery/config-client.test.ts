import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { ConfigClient } from '../../src/discovery/config-client.ts'
import { envelope } from '../../src/discovery/mcp-resource.ts'
import { meshConfigSpec } from '../../src/discovery/mesh-config-spec.ts'
import { authorizationPolicyType, meshConfigType, resourceTypes } from '../../src/discovery/resource-type.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'
import type { AnyMessage, DiscoveryRequest, DiscoveryResponse } from '../../src/proto/discovery-messages.ts'
import { fromStruct } from '../../src/proto/struct.ts'
import { loadProto } from '../../src/proto/load-proto.ts'
import { ManualClock } from '../support/manual-clock.ts'

type Call = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>

/** A server that records what it is asked and says what the test tells it to. */
class Scripted {
  readonly requests: DiscoveryRequest[] = []
  readonly calls: Call[] = []
  #waiting: (() => void)[] = []

  readonly address: string

  constructor(address: string) {
    this.address = address
  }

  async start(t: TestContext): Promise<void> {
    const server = new Server()
    server.addService(
      loadProto('ads.proto').service('envoy.service.discovery.v3.AggregatedDiscoveryService'),
      {
        StreamAggregatedResources: (call: Call) => {
          this.calls.push(call)
          call.on('data', (request: DiscoveryRequest) => {
            this.requests.push(request)
            for (const check of this.#waiting.splice(0)) check()
          })
          call.on('end', () => call.end())
          call.on('error', () => undefined)
        },
      },
    )
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(this.address, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      ),
    )
    t.after(() => server.forceShutdown())
  }

  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => (done() ? resolve() : void this.#waiting.push(check))
      check()
    })
  }

  send(typeUrl: string, version: string, resources: readonly AnyMessage[]): void {
    this.calls
      .at(-1)
      ?.write({ type_url: typeUrl, version_info: version, nonce: `n-${typeUrl}-${version}`, resources })
  }
}

async function setUp(t: TestContext, clock = systemClock as ManualClock | typeof systemClock) {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-client-'))
  const server = new Scripted(`unix:${join(folder, 's.sock')}`)
  await server.start(t)
  const client = new ConfigClient(
    { clock, random: () => 0, credentials: () => ({ rootPem: null, certificate: null, token: null }) },
    {
      server: server.address,
      workload: {
        name: 'w',
        namespace: 'n',
        serviceAccount: 's',
        labels: {},
        addresses: ['10.0.0.1', 'fd00::1'],
      },
      domain: 'cluster.local',
      lastGood: null,
      backoff: { baseMs: 10, maxMs: 10 },
      settle: { quietMs: 1, longestMs: 10 },
    },
  )
  const alive = setInterval(() => undefined, 1_000)
  t.after(async () => {
    clearInterval(alive)
    await client.close()
    await rm(folder, { recursive: true, force: true })
  })
  await server.until(() => server.requests.length === resourceTypes.length)
  return { server, client }
}

const bounded = { timeout: 15_000 }
const meta = { name: 'x', namespace: 'n', labels: {}, annotations: {}, createdAt: 1_000, origin: '' }
const bytes = (made: ReturnType<typeof envelope>) => {
  assert.ok(made.ok)
  return made.any
}
const meshAny = () => bytes(envelope(meshConfigType, meta, meshConfigSpec(defaultMeshConfig), {}))
const policyAny = (port: string) =>
  bytes(envelope(authorizationPolicyType, meta, { rules: [{ to: [{ operation: { ports: [port] } }] }] }, {}))

test('it asks for every kind, and names itself in the first request only', bounded, async (t) => {
  const { server } = await setUp(t)
  assert.deepEqual(
    server.requests.map((request) => request.type_url),
    resourceTypes.map((type) => type.typeUrl),
  )
  assert.equal(server.requests[0]?.node?.id, 'sidecar~10.0.0.1~w.n~n.svc.cluster.local')
  const metadata = fromStruct(server.requests[0].node.metadata)
  assert.deepEqual(
    [metadata['NAMESPACE'], metadata['SERVICE_ACCOUNT'], metadata['INSTANCE_IPS'], metadata['GENERATOR']],
    ['n', 's', '10.0.0.1,fd00::1', 'api'],
  )
  assert.ok(server.requests.slice(1).every((request) => request.node === null))
})

test(
  'nothing is published before every kind has arrived; each response is acknowledged',
  bounded,
  async (t) => {
    const { server, client } = await setUp(t)
    const urls = resourceTypes.map((type) => type.typeUrl)
    for (const url of urls.slice(0, -1))
      server.send(url, '1', url === meshConfigType.typeUrl ? [meshAny()] : [])
    await server.until(() => server.requests.length === urls.length * 2 - 1)
    assert.equal(client.snapshots.value, undefined)
    server.send(authorizationPolicyType.typeUrl, '1', [policyAny('80')])
    const snapshot = await client.snapshots.first()
    assert.equal(snapshot.authorizationPolicies.length, 1)
    await server.until(() => server.requests.length === urls.length * 2)
    const answers = server.requests.slice(urls.length)
    assert.ok(answers.every((answer) => answer.error_detail === null && answer.version_info === '1'))
    assert.ok(answers.every((answer) => answer.response_nonce === `n-${answer.type_url}-1`))
  },
)

test(
  'what cannot be read is refused with the version before; what was in force stays',
  bounded,
  async (t) => {
    const { server, client } = await setUp(t)
    for (const { typeUrl } of resourceTypes)
      server.send(typeUrl, '1', typeUrl === meshConfigType.typeUrl ? [meshAny()] : [])
    server.send(authorizationPolicyType.typeUrl, '2', [policyAny('80')])
    const first = await client.snapshots.first()
    await server.until(() => server.requests.length === resourceTypes.length * 2 + 1)
    const bad = { type_url: 'type.googleapis.com/istio.mcp.v1alpha1.Resource', value: Buffer.from([0xff]) }
    server.send(authorizationPolicyType.typeUrl, '3', [bad])
    await server.until(() => (server.requests.at(-1)?.error_detail ?? null) !== null)
    const refusal = server.requests.at(-1)
    assert.equal(refusal?.version_info, '2')
    assert.equal(refusal.response_nonce, `n-${authorizationPolicyType.typeUrl}-3`)
    assert.equal(refusal.error_detail?.code, 3)
    assert.equal(client.status().rejected, 1)
    assert.ok(client.snapshots.value === first || client.snapshots.value?.authorizationPolicies.length === 1)
  },
)

test('a stream that ends is replaced in silence, saying which versions it has', bounded, async (t) => {
  const { server, client } = await setUp(t)
  for (const { typeUrl } of resourceTypes)
    server.send(typeUrl, '7', typeUrl === meshConfigType.typeUrl ? [meshAny()] : [])
  const first = await client.snapshots.first()
  await server.until(() => server.requests.length === resourceTypes.length * 2)
  server.calls[0]?.end()
  await server.until(() => server.requests.length === resourceTypes.length * 3)
  const again = server.requests.slice(-resourceTypes.length)
  assert.ok(again.every((request) => request.version_info === '7' && request.response_nonce === ''))
  assert.notEqual(again[0]?.node, null)
  assert.equal(client.status().trouble, null)
  assert.equal(client.snapshots.value, first)
})

test('a server that accepts and says nothing is given up', bounded, async (t) => {
  const clock = new ManualClock()
  const { server } = await setUp(t, clock)
  const gone = new Promise<void>((resolve) => server.calls[0]?.on('cancelled', () => resolve()))
  clock.advance(30_000)
  await gone
})

test('a workload without an address cannot ask', () => {
  const workload = { name: 'w', namespace: 'n', serviceAccount: 's', labels: {}, addresses: [] }
  const deps = {
    clock: new ManualClock(),
    random: () => 0,
    credentials: () => ({ rootPem: null, certificate: null, token: null }),
  }
  const options = { server: 'unix:/nowhere', workload, domain: 'cluster.local', lastGood: null }
  assert.throws(() => new ConfigClient(deps, options), { code: 'ERR_DISCOVERY_NODE' })
})
