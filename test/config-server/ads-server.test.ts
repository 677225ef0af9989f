import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { addConfigService } from '../../src/config-server/ads-server.ts'
import type { Caller } from '../../src/config-server/caller.ts'
import { ResourceStore } from '../../src/config-server/resource-store.ts'
import { AdsStream } from '../../src/discovery/ads-stream.ts'
import { assembleConfig } from '../../src/discovery/assemble-config.ts'
import { buildSnapshot } from '../../src/discovery/build-snapshot.ts'
import {
  ConfigClient,
  type ConfigClientOptions,
  type ConfigEvent,
} from '../../src/discovery/config-client.ts'
import { ResourceState } from '../../src/discovery/resource-state.ts'
import type { Snapshot } from '../../src/discovery/snapshot.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import type { Workload } from '../../src/policy/workload.ts'
import type { DiscoveryRequest, DiscoveryResponse } from '../../src/proto/discovery-messages.ts'

const bounded = { timeout: 20_000 }

const workload: Workload = {
  name: 'web-1',
  namespace: 'shop',
  serviceAccount: 'web',
  labels: { app: 'web' },
  addresses: ['10.0.0.1'],
}

const policy = (name: string, namespace: string, spec: string) => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: ${namespace}, creationTimestamp: "2026-01-01T00:00:00Z", labels: {origin: me}}
spec: ${spec}
`
const deny = (port: number) => `{action: DENY, rules: [{to: [{operation: {ports: ["${port}"]}}]}]}`

const mesh = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "trustDomain: td.test\\nenableAutoMtls: false\\npathNormalization: {normalization: STRICT}"}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.9.9.9
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: odd, port: 81, targetPort: 8081}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: web}
status: {podIP: 10.0.0.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 9000, name: tcp}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec:
  hosts: ["*.example.com", api.example.org]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: NONE
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: hidden, namespace: bank}
spec:
  hosts: [vault.bank]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: DNS
  exportTo: ["."]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, connectionPool: {tcp: {connectTimeout: 250ms}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: broken, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, mtls: {mode: LAX}}
---
apiVersion: authentication.istio.io/v1alpha1
kind: MeshPolicy
metadata: {name: default}
spec: {peers: [{mtls: }]}
---
apiVersion: authentication.istio.io/v1alpha1
kind: Policy
metadata: {name: web, namespace: shop}
spec:
  targets: [{name: web, ports: [{number: 80}]}]
  origins: [{jwt: {issuer: i, jwksUri: "https://idp.test/k", triggerRules: [{excludedPaths: [{exact: /open}]}]}}]
${policy('own', 'shop', deny(80))}
${policy('root', 'istio-system', deny(81))}
${policy('foreign', 'bank', deny(82))}
${policy('broken', 'shop', '{selector: {matchLabels: {app: web}}, rules: [{bogus: 1}]}')}
${policy('unreadable', 'shop', '{selector: [1], rules: [{}]}')}
`

class Mesh {
  readonly store = new ResourceStore()
  readonly state = new ResourceState()
  callers = new Map<string, Caller>([['good', { namespace: 'shop', serviceAccount: 'web' }]])
  rejected: string[] = []
  seenTokens: string[] = []
  #server: Server | null = null
  #service: { close(): void } | null = null
  readonly address: string

  constructor(folder: string) {
    this.address = `unix:${join(folder, 'ads.sock')}`
  }

  apply(text: string) {
    const state = this.state.apply([{ file: 'mesh.yaml', ...readDocuments(text, 'all.yaml') }])
    this.store.update(state, assembleConfig(state, []))
    return assembleConfig(state, [])
  }

  async start(): Promise<void> {
    const server = new Server()
    this.#service = addConfigService(
      server,
      {
        store: this.store,
        clock: systemClock,
        random: () => 0.5,
        authenticate: (call) => {
          const token = String(call.metadata.get('authorization')[0] ?? '').replace('Bearer ', '')
          this.seenTokens.push(token)
          return this.callers.get(token) ?? null
        },
        rejected: (_node, typeUrl, reason) => this.rejected.push(`${typeUrl}: ${reason}`),
      },
      { debounce: { quietMs: 10, longestMs: 100 } },
    )
    this.#server = server
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(this.address, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      ),
    )
  }

  stop(): void {
    this.#service?.close()
    this.#server?.forceShutdown()
    this.#server = null
  }
}

async function open(t: TestContext): Promise<{ mesh: Mesh; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-ads-'))
  const server = new Mesh(folder)
  const alive = setInterval(() => undefined, 1_000)
  t.after(async () => {
    clearInterval(alive)
    server.stop()
    await rm(folder, { recursive: true, force: true })
  })
  return { mesh: server, folder }
}

interface Running {
  readonly client: ConfigClient
  readonly events: string[]
  until(done: (snapshot: Snapshot) => boolean): Promise<Snapshot>
  event(wanted: ConfigEvent): Promise<string>
}

function connect(
  t: TestContext,
  server: string,
  more: Partial<ConfigClientOptions> & { token?: () => string } = {},
): Running {
  const events: string[] = []
  const waiting: (() => void)[] = []
  const { token = () => 'good', ...options } = more
  const client = new ConfigClient(
    {
      clock: systemClock,
      random: () => 0.5,
      credentials: () => ({ rootPem: null, certificate: null, token: token() }),
      report: (event, detail) => {
        events.push(`${event}: ${detail}`)
        for (const check of waiting.splice(0)) check()
      },
    },
    {
      server,
      workload,
      domain: 'cluster.local',
      lastGood: null,
      backoff: { baseMs: 20, maxMs: 50 },
      settle: { quietMs: 5, longestMs: 50 },
      ...options,
    },
  )
  t.after(() => client.close())
  return {
    client,
    events,
    until: (done) =>
      new Promise((resolve) => {
        const stop = client.snapshots.subscribe((snapshot) => {
          if (!done(snapshot)) return
          queueMicrotask(() => stop())
          resolve(snapshot)
        })
      }),
    event: (wanted) =>
      new Promise((resolve) => {
        const check = () => {
          const found = events.find((event) => event.startsWith(wanted))
          if (found === undefined) waiting.push(check)
          else resolve(found)
        }
        check()
      }),
  }
}

/** Without what says where an object was read, and that it crossed the wire. */
const content = (snapshot: Snapshot) =>
  JSON.parse(
    JSON.stringify({ ...snapshot, hash: '', generation: 0, quarantine: [] }, (key, value: unknown) =>
      key === 'origin' || key === 'annotations' || key === 'trustDomains' ? undefined : value,
    ),
  ) as Record<string, unknown>

test('a sidecar gets from the mesh what it would have read from the folder itself', bounded, async (t) => {
  const { mesh: server } = await open(t)
  const config = server.apply(mesh)
  await server.start()
  const { until } = connect(t, server.address)
  const got = await until(() => true)
  const direct = content(buildSnapshot(config, workload, null))
  const remote = content(got)
  const byName = (list: unknown) =>
    (list as { meta: { name: string; createdAt: number; labels: unknown }; quarantined?: unknown }[])
      .map((entry) =>
        entry.quarantined === null || entry.quarantined === undefined
          ? entry
          : { ...entry, meta: entry.meta.name },
      )
      .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  for (const key of [
    'authorizationPolicies',
    'peerAuthentications',
    'requestAuthentications',
    'destinationRules',
    'services',
  ]) {
    assert.deepEqual(byName(remote[key]), byName(direct[key]), key)
  }
  for (const key of ['mesh', 'inboundPorts', 'defaultMtls', 'workload', 'tokenRefusals']) {
    assert.deepEqual(remote[key], direct[key], key)
  }
  assert.deepEqual(
    got.inboundPorts.map(({ port, mtls }) => `${port} ${mtls}`),
    ['8080 STRICT', '8081 STRICT', '9000 STRICT'],
  )
  assert.deepEqual(
    got.requestAuthentications.map(({ meta, legacy }) => [meta.name, legacy?.rank, legacy?.ports]),
    [
      ['default', 'mesh', null],
      ['web', 'port', [8080]],
    ],
  )
  assert.equal(got.mesh.trustDomain, 'td.test')
})

test(
  'refused objects arrive as stubs with their scope and reason; other tenants do not arrive',
  bounded,
  async (t) => {
    const { mesh: server } = await open(t)
    server.apply(mesh)
    await server.start()
    const got = await connect(t, server.address).until(() => true)
    const policies = Object.fromEntries(got.authorizationPolicies.map((policy) => [policy.meta.name, policy]))
    assert.deepEqual(Object.keys(policies).toSorted(), ['broken', 'own', 'root', 'unreadable'])
    assert.equal(policies['broken']?.action, 'DENY')
    assert.match(policies['broken'].quarantined ?? '', /bogus/)
    assert.deepEqual(policies['broken'].selector, { app: 'web' })
    assert.deepEqual(policies['unreadable']?.selector, {})
    assert.equal(policies['own']?.quarantined, null)
    const stub = got.peerAuthentications.find((peer) => peer.meta.name === 'broken')
    assert.deepEqual([stub?.mode, stub?.selector], ['STRICT', { app: 'db' }])
    assert.ok(!got.services.some((service) => service.hostname === 'vault.bank'))
    assert.deepEqual(got.quarantine.map((entry) => entry.name).toSorted(), ['broken', 'broken', 'unreadable'])
  },
)

test(
  'a change is pushed, equal content is none, a bad version keeps the good one and says so',
  bounded,
  async (t) => {
    const { mesh: server } = await open(t)
    server.apply(policy('own', 'shop', deny(80)))
    await server.start()
    const { client, until } = connect(t, server.address)
    assert.equal((await until(() => true)).generation, 1)
    server.apply(`# moved down\n\n${policy('own', 'shop', deny(80))}`)
    server.apply(policy('own', 'shop', deny(8443)))
    const next = await until((snapshot) => JSON.stringify(snapshot.authorizationPolicies).includes('8443'))
    assert.equal(next.generation, 2)
    server.apply(policy('own', 'shop', '{rules: [{bogus: 1}]}'))
    const kept = await until((snapshot) => snapshot.quarantine.length > 0)
    assert.ok(JSON.stringify(kept.authorizationPolicies).includes('8443'))
    assert.equal(kept.quarantine[0]?.lastGood, true)
    assert.match(kept.quarantine[0].reason, /bogus/)
    server.apply('')
    assert.deepEqual((await until((snapshot) => snapshot.authorizationPolicies.length === 0)).quarantine, [])
    assert.equal(client.status().connected, true)
    assert.deepEqual(server.rejected, [])
  },
)

test(
  'a server that goes away leaves the configuration in force; a new one is found, with a new token',
  bounded,
  async (t) => {
    const { mesh: server } = await open(t)
    server.apply(policy('own', 'shop', deny(80)))
    await server.start()
    let token = 'good'
    const { client, until } = connect(t, server.address, { token: () => token })
    const first = await until(() => true)
    server.stop()
    token = 'rotated'
    server.callers = new Map([['rotated', { namespace: 'shop', serviceAccount: 'web' }]])
    server.apply(policy('own', 'shop', deny(81)))
    assert.equal(client.snapshots.value, first)
    await server.start()
    await until((snapshot) => snapshot.generation === 2)
    assert.equal(server.seenTokens.at(-1), 'rotated')
  },
)

test('with the control plane away a restart goes on with what was kept on disk', bounded, async (t) => {
  const { mesh: server, folder } = await open(t)
  const lastGood = join(folder, 'last-good.json')
  server.apply(mesh)
  await server.start()
  const before = connect(t, server.address, { lastGood })
  const had = await before.until(() => true)
  await before.client.close()
  server.stop()
  const after = connect(t, server.address, { lastGood })
  const got = await after.until(() => true)
  assert.deepEqual(content(got), content(had))
  assert.equal(after.client.status().fromDisk, true)
  server.apply(`${mesh}${policy('late', 'shop', deny(83))}`)
  await server.start()
  await after.until((snapshot) => snapshot.authorizationPolicies.some((entry) => entry.meta.name === 'late'))
  assert.equal(after.client.status().fromDisk, false)
})

test('who is not who the node says gets nothing, with the reason as status', bounded, async (t) => {
  const { mesh: server } = await open(t)
  server.apply(mesh)
  await server.start()
  const trouble = async (token: string) => {
    const running = connect(t, server.address, { token: () => token })
    const event = await running.event('disconnected')
    assert.equal(running.client.snapshots.value, undefined)
    await running.client.close()
    return event
  }
  assert.match(await trouble('unknown'), /UNAUTHENTICATED/)
  server.callers.set('elsewhere', { namespace: 'bank', serviceAccount: 'web' })
  assert.match(await trouble('elsewhere'), /PERMISSION_DENIED: authorization failed/)
  server.callers.set('other', { namespace: 'shop', serviceAccount: 'db' })
  assert.match(await trouble('other'), /PERMISSION_DENIED: authorization failed/)
})

const bare = (typeUrl: string): DiscoveryRequest => ({
  version_info: '',
  node: null,
  resource_names: [],
  type_url: typeUrl,
  response_nonce: '',
  error_detail: null,
})

test('a node must name itself; unknown kinds are an empty list', bounded, async (t) => {
  const { mesh: server } = await open(t)
  server.apply(mesh)
  await server.start()
  const given = { rootPem: null, certificate: null, token: 'good' }
  const first = (request: DiscoveryRequest) =>
    new Promise<DiscoveryResponse | string>((resolve) => {
      const stream = new AdsStream(
        given,
        { server: server.address },
        {
          response: (response) => {
            resolve(response)
            stream.cancel()
          },
          ended: resolve,
        },
      )
      stream.send(request)
    })
  assert.match(
    String(await first(bare('core/v1alpha1/MeshConfig'))),
    /INVALID_ARGUMENT: missing node information/,
  )
  const id = (text: string) => ({ ...bare('networking.istio.io/v1/Gateway'), node: { id: text } })
  assert.match(String(await first(id('sidecar~10.0.0.1~web.shop'))), /INVALID_ARGUMENT: node id/)
  assert.match(String(await first(id('sidecar~nonsense~web.shop~shop.svc.cluster.local'))), /no valid IP/)
  const empty = await first(id('sidecar~10.0.0.1~web.shop~shop.svc.cluster.local'))
  assert.ok(typeof empty === 'object' && empty.resources.length === 0)
  assert.equal(empty.type_url, 'networking.istio.io/v1/Gateway')
})
