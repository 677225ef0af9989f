/** The proxy's side of SDS: against our agent's server, and against servers that misbehave. */
import { afterEach, before, beforeEach, test } from 'node:test'
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SdsServer } from '../../src/agent/sds-server.ts'
import type { WorkloadSecret } from '../../src/agent/workload-secret.ts'
import type { SecretSet } from '../../src/identity/svid.ts'
import { Latest } from '../../src/lifecycle/latest.ts'
import { loadProto } from '../../src/proto/load-proto.ts'
import { SdsClient } from '../../src/sds/sds-client.ts'
import type { SdsClientOptions } from '../../src/sds/sds-client.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { listeningLog, temporaryDirectory } from '../support/mesh-control.ts'
import { RawSdsServer, anySecret } from '../support/sds-peer.ts'
import type { ServedStream } from '../support/sds-peer.ts'
import { createTestCa } from '../support/test-ca.ts'
import type { Issued, TestCa } from '../support/test-ca.ts'

let ca: TestCa
let [first, second, other] = [] as unknown as [Issued, Issued, Issued]
let directory: string
let socketPath: string
let clock: ManualClock
let log: ReturnType<typeof listeningLog>
let cleanups: (() => unknown)[]

before(async () => {
  ca = await createTestCa({ trustDomain: 'mesh.test' })
  ;[first, second] = [await ca.svid('shop', 'cart'), await ca.svid('shop', 'cart')]
  other = await ca.issue({ uris: [] })
})

beforeEach(async () => {
  directory = await temporaryDirectory()
  socketPath = join(directory, 'socket')
  clock = new ManualClock()
  log = listeningLog()
  cleanups = []
})

afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
  await rm(directory, { recursive: true, force: true })
})

function start(options: Partial<SdsClientOptions> = {}): SdsClient {
  const client = SdsClient.start(
    { clock, random: () => 0.5, log },
    { socketPath, nodeId: 'sidecar~127.0.0.1~a.b~b', ...options },
  )
  cleanups.push(() => client.close())
  return client
}

async function serve(): Promise<RawSdsServer> {
  const server = await RawSdsServer.listen(socketPath)
  cleanups.push(() => server.close())
  return server
}

/** The two streams of one client, by the name each asks for, and their first requests. */
async function streamsOf(server: RawSdsServer): Promise<Record<string, ServedStream>> {
  const byName: Record<string, ServedStream> = {}
  for (let i = 0; i < 2; i++) {
    const stream = await server.streams.next()
    const request = await stream.requests.next()
    assert.equal(request.resource_names.length, 1, 'one stream a name')
    assert.equal(request.response_nonce, '')
    assert.equal(request.node?.id, 'sidecar~127.0.0.1~a.b~b')
    byName[request.resource_names[0] ?? ''] = stream
  }
  return byName
}

const bytes = (pem: string) => ({ inline_bytes: Buffer.from(pem) })
const certificate = (issued: { certificateChain: string; privateKey: string }, name = 'default') =>
  anySecret({
    name,
    tls_certificate: {
      certificate_chain: bytes(issued.certificateChain),
      private_key: bytes(issued.privateKey),
    },
  })
const bundle = (pem: string, name = 'ROOTCA') =>
  anySecret({ name, validation_context: { trusted_ca: bytes(pem) } })
const response = (version: string, ...resources: object[]) =>
  ({ version_info: version, nonce: `nonce ${version}`, resources }) as never

function next(client: SdsClient, wanted: (secrets: SecretSet) => boolean = () => true): Promise<SecretSet> {
  return new Promise((resolve) => {
    const stop = client.secrets.subscribe((secrets) => {
      if (!wanted(secrets)) return
      queueMicrotask(() => stop())
      resolve(secrets)
    })
  })
}

const hasLeaf = (issued: Issued) => (secrets: SecretSet) =>
  secrets.certificateChain === issued.certificateChain

test('with our own agent the whole set arrives, and each rotation after it', async () => {
  const secret = new Latest<WorkloadSecret>()
  const server = await SdsServer.listen(
    { clock, log, secrets: { secret, onFailure: () => () => false } },
    { socketPath },
  )
  cleanups.push(() => (server.destroy(), server.close()))
  const client = start()
  const give = (issued: Issued) =>
    secret.set({ ...issued, rootPem: ca.rootPem, notAfter: 2e12, receivedAt: 1e12 })
  give(first)
  const secrets = await client.secrets.first()
  assert.deepEqual(secrets, {
    certificateChain: first.certificateChain,
    privateKey: first.privateKey,
    trustBundles: { 'mesh.test': ca.rootPem },
  })
  const rotated = next(client, hasLeaf(second))
  give(second)
  assert.equal((await rotated).privateKey, second.privateKey)
})

test('nothing is set before both halves are there; each is acknowledged with its version and nonce', async () => {
  const server = await serve()
  const client = start()
  const { default: certificates, ROOTCA: bundles } = await streamsOf(server)
  certificates?.send(response('c1', certificate(first)))
  const ack = await certificates?.requests.next()
  assert.equal(ack?.version_info, 'c1')
  assert.equal(ack?.response_nonce, 'nonce c1')
  assert.equal(ack?.error_detail, null)
  assert.deepEqual(ack?.resource_names, ['default'])
  assert.equal(ack?.node, null, 'the node is told once')
  assert.equal(client.secrets.value, undefined)
  bundles?.send(response('b1', bundle(ca.rootPem)))
  await bundles?.requests.next()
  assert.ok(client.secrets.value)
})

test('what does not belong together is refused with the earlier version, and the earlier secret stays', async () => {
  const server = await serve()
  const client = start()
  const { default: certificates, ROOTCA: bundles } = await streamsOf(server)
  bundles?.send(response('b1', bundle(ca.rootPem)))
  certificates?.send(response('c1', certificate(first)))
  await Promise.all([bundles?.requests.next(), certificates?.requests.next()])
  const good = client.secrets.value
  assert.ok(good)

  const expired = await ca.svid('shop', 'cart', { notAfter: clock.now() - 1000 })
  const bad: Record<string, object[]> = {
    'another key': [certificate({ ...second, privateKey: first.privateKey })],
    'no key': [certificate({ ...second, privateKey: '' })],
    'a key that is none': [certificate({ ...second, privateKey: 'hello' })],
    'no chain': [certificate({ ...second, certificateChain: '' })],
    'no SPIFFE ID': [certificate(other)],
    expired: [certificate(expired)],
    'another name': [certificate(second, 'other')],
    'a bundle instead': [bundle(ca.rootPem, 'default')],
    nothing: [],
    'no Secret': [{ type_url: 'type.googleapis.com/x', value: Buffer.from('x') }],
    'from the environment': [
      anySecret({
        name: 'default',
        tls_certificate: {
          certificate_chain: { environment_variable: 'HOME' },
          private_key: { filename: '/nowhere/at/all' },
        },
      }),
    ],
  }
  for (const [what, resources] of Object.entries(bad)) {
    certificates?.send(response(what, ...resources))
    const nack = await certificates?.requests.next()
    assert.equal(nack?.version_info, 'c1', what)
    assert.equal(nack?.response_nonce, `nonce ${what}`, what)
    assert.ok(nack?.error_detail?.message, what)
    assert.ok(!nack?.error_detail?.message.includes('PRIVATE'), what)
  }
  for (const pem of ['', 'hello', first.certificateChain]) {
    bundles?.send(response('b2', bundle(pem)))
    const nack = await bundles?.requests.next()
    assert.equal(nack?.version_info, 'b1')
    assert.ok(nack?.error_detail)
  }
  assert.equal(client.secrets.value, good)
  assert.equal(client.counters.refused, Object.keys(bad).length + 3)

  certificates?.send(response('c2', certificate(second)))
  assert.equal((await certificates?.requests.next())?.version_info, 'c2')
  assert.ok(hasLeaf(second)(client.secrets.value as SecretSet))
})

test('a stream that ends is opened again, with the good version and no nonce, and nothing is lost', async () => {
  const server = await serve()
  const client = start()
  const { default: certificates, ROOTCA: bundles } = await streamsOf(server)
  bundles?.send(response('b1', bundle(ca.rootPem)))
  certificates?.send(response('c1', certificate(first)))
  await Promise.all([bundles?.requests.next(), certificates?.requests.next()])
  const good = client.secrets.value

  for (const cut of [() => certificates?.end(), (stream: ServedStream) => stream.fail(14)]) {
    const lost = Promise.withResolvers<void>()
    const { warn } = log
    log.warn = (message, fields) => {
      warn(message, fields)
      if (message.includes('lost')) lost.resolve()
    }
    cut(certificates as ServedStream)
    await lost.promise
    assert.equal(client.secrets.value, good)
    clock.advance(10_000)
    const again = await server.streams.next()
    const request = await again.requests.next()
    assert.equal(request.version_info, 'c1')
    assert.equal(request.response_nonce, '')
    assert.ok(request.node)
    again.send(response('c1', certificate(first)))
    await again.requests.next()
    Object.assign(certificates as object, again)
  }
  assert.equal(client.secrets.value, good, 'equal content is no change')
})

test('a server that comes late is found', async () => {
  const client = start()
  const lost = Promise.withResolvers<void>()
  let count = 0
  log.warn = () => {
    count += 1
    if (count === 2) lost.resolve()
  }
  await lost.promise
  const server = await serve()
  clock.advance(1000)
  const { default: certificates, ROOTCA: bundles } = await streamsOf(server)
  bundles?.send(response('b1', bundle(ca.rootPem)))
  certificates?.send(response('c1', certificate(first)))
  await client.secrets.first()
})

test('a SPIFFE validation context gives each trust domain its own bundle', async () => {
  const friend = await createTestCa({ trustDomain: 'friend.test' })
  const config = loadProto('sds-secret.proto').message(
    'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
  )
  const context = (name: string, domains: Record<string, string>) =>
    anySecret({
      name: 'ALL',
      validation_context: {
        custom_validator_config: {
          name,
          typed_config: {
            type_url:
              'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
            value: config.encode({
              trust_domains: Object.entries(domains).map(([domain, pem]) => ({
                name: domain,
                trust_bundle: { inline_string: pem },
              })),
            }),
          },
        },
      },
    })
  const server = await serve()
  const client = start({ bundleName: 'ALL' })
  const { default: certificates, ALL: bundles } = await streamsOf(server)
  certificates?.send(response('c1', certificate(first)))
  const both = { 'mesh.test': ca.rootPem, 'friend.test': friend.rootPem }
  bundles?.send(response('bad 1', context('envoy.other', both)))
  assert.ok((await bundles?.requests.next())?.error_detail)
  bundles?.send(
    response('bad 2', context('envoy.tls.cert_validator.spiffe', { ...both, 'Not A Domain': ca.rootPem })),
  )
  assert.ok((await bundles?.requests.next())?.error_detail)
  bundles?.send(response('b1', context('envoy.tls.cert_validator.spiffe', both)))
  assert.equal((await bundles?.requests.next())?.error_detail, null)
  const secrets = await client.secrets.first()
  assert.deepEqual(secrets.trustBundles, both)
})

test('keys in SEC1 and secrets in files are read, and come out as PKCS#8', async () => {
  const sec1 = createPrivateKey(first.privateKey).export({ type: 'sec1', format: 'pem' }) as string
  assert.match(sec1, /BEGIN EC PRIVATE KEY/)
  await writeFile(join(directory, 'chain.pem'), first.certificateChain)
  const server = await serve()
  const client = start()
  const { default: certificates, ROOTCA: bundles } = await streamsOf(server)
  bundles?.send(response('b1', bundle(ca.rootPem)))
  certificates?.send(
    response(
      'c1',
      anySecret({
        name: 'default',
        tls_certificate: {
          certificate_chain: { filename: join(directory, 'chain.pem') },
          private_key: { inline_string: sec1 },
        },
      }),
    ),
  )
  const secrets = await client.secrets.first()
  assert.equal(secrets.privateKey.trim(), first.privateKey.trim())
})

test('after close nothing is asked again', async () => {
  const server = await serve()
  const client = start()
  const { default: certificates } = await streamsOf(server)
  client.close()
  client.close()
  certificates?.end()
  clock.advance(60_000)
  assert.equal(client.counters.connects, 2)
  assert.equal(clock.pending, 0)
})

test('a socket that is not there is named with its reason, and nothing is left of the library’s labels', async () => {
  const lost = Promise.withResolvers<string>()
  const warn = (message: string, fields?: object): void =>
    lost.resolve(`${message} ${JSON.stringify(fields ?? {})}`)
  const client = SdsClient.start(
    { clock, random: () => 0.5, log: { ...log, warn } },
    { socketPath, nodeId: 'sidecar~127.0.0.1~a.b~b' },
  )
  cleanups.push(() => client.close())
  const line = await lost.promise
  assert.match(line, /^secret stream lost, asking again .*connect ENOENT [^ ]+socket\.?"/)
  assert.doesNotMatch(line, /Resolution note|Error: /)
})
