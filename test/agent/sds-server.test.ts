/** SDS as Istio runs it, sentence by sentence (dataplane §7.3), over real sockets. */
import { afterEach, beforeEach, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { SdsServer } from '../../src/agent/sds-server.ts'
import type { WorkloadSecret } from '../../src/agent/workload-secret.ts'
import { Latest } from '../../src/lifecycle/latest.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { listeningLog, quiet, temporaryDirectory } from '../support/mesh-control.ts'
import { RawSdsClient, fetchSecrets, secretsIn } from '../support/sds-peer.ts'

let directory: string
let socketPath: string
let source: {
  secret: Latest<WorkloadSecret>
  fail: () => void
  onFailure: (listener: () => void) => () => void
}
let server: SdsServer
let log: ReturnType<typeof listeningLog>
const opened: RawSdsClient[] = []

const secretOf = (mark: string, root = 'root 1'): WorkloadSecret => ({
  certificateChain: `chain ${mark}`,
  privateKey: `key ${mark}`,
  rootPem: root,
  notAfter: 2e12,
  receivedAt: 1e12,
})

const deps = () => ({ clock: new ManualClock(), log, secrets: source })

beforeEach(async () => {
  directory = await temporaryDirectory()
  socketPath = join(directory, 'uds', 'socket')
  const listeners = new Set<() => void>()
  source = {
    secret: new Latest<WorkloadSecret>(),
    fail: () => listeners.forEach((listener) => listener()),
    onFailure: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  log = listeningLog()
  server = await SdsServer.listen(deps(), { socketPath })
})

afterEach(async () => {
  for (const client of opened.splice(0)) client.close()
  server.destroy()
  await server.close()
  await rm(directory, { recursive: true, force: true })
})

function client(method?: string): RawSdsClient {
  const made = new RawSdsClient(socketPath, method)
  opened.push(made)
  return made
}

test('the socket is open to every user in a directory that is not', async () => {
  assert.equal((await stat(socketPath)).mode & 0o777, 0o666)
  assert.equal((await stat(join(directory, 'uds'))).mode & 0o007, 0)
})

test('the certificate and the bundle each come under their own name', async () => {
  source.secret.set(secretOf('1'))
  const [certificate, bundle] = [client(), client()]
  certificate.send({ resource_names: ['default'] })
  bundle.send({ resource_names: ['ROOTCA'] })
  const [secret] = secretsIn(await certificate.responses.next())
  assert.equal(secret?.name, 'default')
  assert.equal(secret?.tls_certificate?.certificate_chain.inline_bytes.toString(), 'chain 1')
  assert.equal(secret?.tls_certificate?.private_key.inline_bytes.toString(), 'key 1')
  const response = await bundle.responses.next()
  assert.match(response.version_info, /^\d{4}-\d\d-\d\dT[\d:.]+Z\/\d+$/)
  assert.match(response.nonce, /^[0-9a-f-]{36}$/)
  const [trust] = secretsIn(response)
  assert.equal(trust?.name, 'ROOTCA')
  assert.equal(trust?.validation_context?.trusted_ca.inline_bytes.toString(), 'root 1')
})

test('a stream may ask for several names', async () => {
  source.secret.set(secretOf('1'))
  const both = client()
  both.send({ resource_names: ['default', 'ROOTCA'] })
  const names = secretsIn(await both.responses.next()).map(({ name }) => name)
  assert.deepEqual(names, ['ROOTCA', 'default'], 'trust before what it vouches for')
})

test('a first request without node id is refused', async () => {
  const nameless = client()
  nameless.send({ node: null, resource_names: ['default'] })
  assert.deepEqual(await nameless.ended, { code: 3, details: 'missing node information' })
  const empty = client()
  empty.send({ node: { id: '' }, resource_names: ['default'] })
  assert.equal((await empty.ended).code, 3)
})

test('an acknowledgement is answered with silence', async () => {
  source.secret.set(secretOf('1'))
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  proxy.ack(await proxy.responses.next(), ['default'])
  assert.equal(await proxy.settle(), 0)
})

test('a refusal is logged and answered with silence, until the data changes', async () => {
  source.secret.set(secretOf('1'))
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  const bad = await proxy.responses.next()
  proxy.send({
    resource_names: ['default'],
    response_nonce: bad.nonce,
    error_detail: { code: 3, message: 'no good' },
  })
  // A second name on the same stream proves that the refusal before it was handled.
  proxy.ack(bad, ['default', 'ROOTCA'])
  await proxy.responses.next()
  assert.ok(log.lines.some((line) => line.startsWith('warn') && line.includes('no good')))
  source.secret.set(secretOf('2'))
  const [secret] = secretsIn(await proxy.responses.next())
  assert.equal(secret?.tls_certificate?.certificate_chain.inline_bytes.toString(), 'chain 2')
  assert.equal(await proxy.settle(), 0)
})

test('a stale nonce is ignored', async () => {
  source.secret.set(secretOf('1'))
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  await proxy.responses.next()
  proxy.send({ resource_names: ['default', 'ROOTCA'], response_nonce: 'of long ago' })
  assert.equal(await proxy.settle(), 0)
})

test('an empty nonce is a new subscription and is answered, with a version or without', async () => {
  source.secret.set(secretOf('1'))
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  const first = await proxy.responses.next()
  proxy.ack(first, ['default'])
  proxy.send({ resource_names: ['default'], version_info: first.version_info })
  const again = await proxy.responses.next()
  assert.notEqual(again.nonce, first.nonce)
  assert.equal(again.version_info, first.version_info)
})

test('added names are answered, removed ones are not', async () => {
  source.secret.set(secretOf('1'))
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  proxy.ack(await proxy.responses.next(), ['default', 'ROOTCA'])
  const both = await proxy.responses.next()
  assert.equal(both.resources.length, 2)
  proxy.ack(both, ['ROOTCA'])
  assert.equal(await proxy.settle(), 0)
})

test('an empty list on an established stream unsubscribes', async () => {
  source.secret.set(secretOf('1'))
  const [leaving, staying] = [client(), client()]
  leaving.send({ resource_names: ['default'] })
  leaving.ack(await leaving.responses.next(), ['default', 'ROOTCA'])
  // This answer proves that the server has read so far; the next request is the last thing it reads.
  leaving.ack(await leaving.responses.next(), [])
  staying.send({ resource_names: ['default'] })
  await staying.responses.next()
  assert.equal(await leaving.settle(), 0)
})

test('a change goes to those subscribed to what changed, and to nobody else', async () => {
  source.secret.set(secretOf('1'))
  const [certificate, bundle] = [client(), client()]
  certificate.send({ resource_names: ['default'] })
  bundle.send({ resource_names: ['ROOTCA'] })
  certificate.ack(await certificate.responses.next(), ['default'])
  bundle.ack(await bundle.responses.next(), ['ROOTCA'])
  source.secret.set(secretOf('2'))
  assert.equal((await certificate.responses.next()).resources.length, 1)
  assert.equal(bundle.responses.size, 0, 'the root is the same')
  source.secret.set(secretOf('3', 'root 2'))
  await bundle.responses.next()
  await certificate.responses.next()
})

test('two proxies at once each have their own nonces and both are told of a rotation', async () => {
  source.secret.set(secretOf('1'))
  const proxies = [client(), client()]
  for (const proxy of proxies) proxy.send({ resource_names: ['default'] })
  const firsts = await Promise.all(proxies.map((proxy) => proxy.responses.next()))
  assert.notEqual(firsts[0]?.nonce, firsts[1]?.nonce)
  proxies.forEach((proxy, i) => proxy.ack(firsts[i] as NonNullable<(typeof firsts)[0]>, ['default']))
  source.secret.set(secretOf('2'))
  for (const proxy of proxies) {
    const [secret] = secretsIn(await proxy.responses.next())
    assert.equal(secret?.tls_certificate?.private_key.inline_bytes.toString(), 'key 2')
  }
})

test('who asks before the first secret waits for it', async () => {
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  const late = proxy.responses.next()
  while (server.streams === 0) await new Promise((resolve) => setImmediate(resolve))
  source.secret.set(secretOf('1'))
  assert.equal((await late).resources.length, 1)
})

test('a failure to produce a first secret ends the stream with an error', async () => {
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  let code = -1
  void proxy.ended.then((status) => (code = status.code))
  while (code === -1) {
    source.fail()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(code, 14)
})

test('a failed renewal leaves the streams of those who have a secret alone', async () => {
  source.secret.set(secretOf('1'))
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  await proxy.responses.next()
  source.fail()
  source.secret.set(secretOf('2'))
  assert.equal((await proxy.responses.next()).resources.length, 1)
})

test('a name that is not served, or another type, ends the stream', async () => {
  source.secret.set(secretOf('1'))
  const [strange, cluster] = [client(), client()]
  strange.send({ resource_names: ['kubernetes://x'] })
  assert.equal((await strange.ended).code, 3)
  cluster.send({
    type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
    resource_names: ['default'],
  })
  assert.equal((await cluster.ended).code, 3)
})

test('delta is not implemented', async () => {
  const delta = client('DeltaSecrets')
  delta.send({ resource_names: ['default'] })
  assert.equal((await delta.ended).code, 12)
})

test('a single fetch is answered at once, or told to come back', async () => {
  await assert.rejects(fetchSecrets(socketPath, ['default']), { code: 14 })
  source.secret.set(secretOf('1'))
  const response = await fetchSecrets(socketPath, ['default'])
  assert.deepEqual(
    secretsIn(response).map(({ name }) => name),
    ['default'],
  )
  await assert.rejects(fetchSecrets(socketPath, ['strange']), { code: 3 })
})

test('a second agent does not steal a living socket', async () => {
  await assert.rejects(SdsServer.listen(deps(), { socketPath }), { code: 'ERR_AGENT_SOCKET_BUSY' })
  source.secret.set(secretOf('1'))
  const proxy = client()
  proxy.send({ resource_names: ['default'] })
  await proxy.responses.next()
})

test('a stale socket is replaced, another file is not', async () => {
  const stale = join(directory, 'stale')
  // A server whose file is moved away leaves a socket behind that nobody answers.
  const dead = createServer()
  await new Promise<void>((resolve) => dead.listen(join(directory, 'dying'), resolve))
  const { rename } = await import('node:fs/promises')
  await rename(join(directory, 'dying'), stale)
  await new Promise<void>((resolve) => dead.close(() => resolve()))
  assert.ok((await stat(stale)).isSocket())
  const replaced = await SdsServer.listen(deps(), { socketPath: stale })
  await replaced.close()

  const file = join(directory, 'file')
  await writeFile(file, 'precious')
  await assert.rejects(SdsServer.listen(deps(), { socketPath: file }), { code: 'ERR_AGENT_SOCKET_PATH' })
})

test('a path that no socket can have is refused before anything is made', async () => {
  const long = join(directory, 'x'.repeat(108 - directory.length))
  assert.ok(Buffer.byteLength(long) > 107)
  await assert.rejects(SdsServer.listen(deps(), { socketPath: long }), { code: 'ERR_AGENT_SOCKET_PATH' })
  await assert.rejects(SdsServer.listen(deps(), { socketPath: 'relative/socket' }), {
    code: 'ERR_AGENT_SOCKET_PATH',
  })
  await mkdir(join(directory, 'a'))
  await writeFile(join(directory, 'a', 'file'), '')
  const under = join(directory, 'a', 'file', 'socket')
  await assert.rejects(SdsServer.listen({ ...deps(), log: quiet }, { socketPath: under }), {
    code: 'ERR_AGENT_SOCKET',
  })
})
