/** The whole agent against a real CA: certificates, rotation, a CA that goes and comes back, restarts. */
import { afterEach, beforeEach, test } from 'node:test'
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { Agent } from '../../src/agent/agent.ts'
import type { AgentOptions } from '../../src/agent/agent.ts'
import type { SecretSet } from '../../src/identity/svid.ts'
import { readCertificate } from '../../src/wire/certificate.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { listeningLog, startMeshControl, temporaryDirectory } from '../support/mesh-control.ts'
import type { MeshControl } from '../support/mesh-control.ts'
import { RawSdsClient, secretsIn } from '../support/sds-peer.ts'

const hour = 3600_000
const account = { namespace: 'shop', serviceAccount: 'cart' }
const workload = { trustDomain: 'cluster.local', ...account }

let mesh: MeshControl
let directory: string
let clock: ManualClock
let log: ReturnType<typeof listeningLog>
const agents: Agent[] = []

beforeEach(async () => {
  clock = new ManualClock(Date.now())
  directory = await temporaryDirectory()
  // The CA's own clock stays with the real one, by which TLS judges its certificates; only the agent's is moved.
  mesh = await startMeshControl({ directory })
  log = listeningLog()
  await writeToken(24 * 3600)
})

afterEach(async () => {
  for (const agent of agents.splice(0)) {
    agent.destroy()
    await agent.close()
  }
  await mesh.close()
  await rm(directory, { recursive: true, force: true })
})

async function writeToken(ttlSeconds: number): Promise<void> {
  // Kubelet's files end in a newline more often than not.
  await writeFile(join(directory, 'token'), `${await mesh.tokens.issue({ ...account, ttlSeconds })}\n`)
}

async function start(
  options: Partial<AgentOptions> = {},
  ca: Partial<AgentOptions['ca']> = {},
): Promise<Agent> {
  const agent = await Agent.start(
    { clock, random: () => 0.5, log },
    {
      workload,
      ca: {
        address: `127.0.0.1:${mesh.port}`,
        rootFile: mesh.rootFile,
        tokenFile: join(directory, 'token'),
        attempts: 1,
        ...ca,
      },
      socketPath: join(directory, 'socket'),
      ...options,
    },
  )
  agents.push(agent)
  return agent
}

/** The next value that passes. */
function next(agent: Agent, wanted: (secrets: SecretSet) => boolean): Promise<SecretSet> {
  return new Promise((resolve) => {
    const stop = agent.secrets.subscribe((secrets) => {
      if (!wanted(secrets)) return
      queueMicrotask(() => stop())
      resolve(secrets)
    })
  })
}

function nextFailure(agent: Agent): Promise<void> {
  return new Promise((resolve) => {
    const stop = agent.rotation.onFailure(() => {
      stop()
      resolve()
    })
  })
}

test('an agent gets a certificate for its workload and serves it', async () => {
  const agent = await start()
  const secrets = await agent.secrets.first()
  const leaf = new X509Certificate(secrets.certificateChain)
  assert.deepEqual(readCertificate(Buffer.from(leaf.raw))?.uriNames, [
    'spiffe://cluster.local/ns/shop/sa/cart',
  ])
  assert.equal(secrets.trustBundles['cluster.local'], mesh.authority.rootPem)
  const proxy = new RawSdsClient(join(directory, 'socket'))
  proxy.send({ resource_names: ['default'] })
  const [served] = secretsIn(await proxy.responses.next())
  assert.equal(served?.tls_certificate?.certificate_chain.inline_bytes.toString(), secrets.certificateChain)
  proxy.close()
})

test('at half life a new key and certificate reach the proxy by themselves', async () => {
  const agent = await start()
  const first = await agent.secrets.first()
  const proxy = new RawSdsClient(join(directory, 'socket'))
  proxy.send({ resource_names: ['default'] })
  proxy.ack(await proxy.responses.next(), ['default'])
  clock.advance(12 * hour + 1000)
  const second = await next(agent, (secrets) => secrets !== first)
  assert.notEqual(second.privateKey, first.privateKey)
  const [served] = secretsIn(await proxy.responses.next())
  assert.equal(served?.tls_certificate?.private_key.inline_bytes.toString(), second.privateKey)
  proxy.close()
})

test('while the CA is away the last good certificate serves; when it is back a fresh token is read', async () => {
  const agent = await start()
  const first = await agent.secrets.first()
  const { port } = mesh
  await mesh.close()
  const failed = nextFailure(agent)
  clock.advance(12 * hour + 1000)
  await failed
  assert.equal(agent.secrets.value, first)
  const proxy = new RawSdsClient(join(directory, 'socket'))
  proxy.send({ resource_names: ['default'] })
  const [served] = secretsIn(await proxy.responses.next())
  assert.equal(served?.tls_certificate?.private_key.inline_bytes.toString(), first.privateKey)
  proxy.close()

  mesh = await startMeshControl({ directory, port })
  await writeFile(join(directory, 'token'), 'expired.or.worse')
  const refused = nextFailure(agent)
  clock.advance(61_000)
  await refused
  await writeToken(3600)
  const second = next(agent, (secrets) => secrets !== first)
  clock.advance(61_000)
  await second
})

test('a renewal may show the certificate instead of a token', async () => {
  const agent = await start({ renewWithCertificate: true, ttlSeconds: 3600 })
  const first = await agent.secrets.first()
  await rm(join(directory, 'token'))
  clock.advance(hour / 2 + 1000)
  await next(agent, (secrets) => secrets !== first)
  assert.equal(mesh.counters.issued, 2)
})

test('a token the CA does not take is reported without quoting it, and tried again', async () => {
  await writeFile(join(directory, 'token'), 'secret.bearer.words')
  const agent = await start()
  await nextFailure(agent)
  const line = log.lines.find((entry) => entry.includes('ERR_AGENT_CA_REFUSED')) ?? ''
  assert.match(line, /request authenticate failure/)
  assert.ok(!log.lines.join().includes('secret.bearer.words'))
  await writeToken(60)
  clock.advance(1000)
  await agent.secrets.first()
})

test('a certificate for somebody else is not served', async () => {
  const agent = await start({ workload: { ...workload, serviceAccount: 'checkout' } })
  await nextFailure(agent)
  assert.equal(agent.secrets.value, undefined)
  assert.ok(log.lines.some((line) => line.includes('ERR_AGENT_CA_RESPONSE')))
})

test('a CA with another root, a missing root file and a missing token are each told apart', async () => {
  const elsewhere = await startMeshControl()
  try {
    await nextFailure(await start({ socketPath: join(directory, '1') }, { rootFile: elsewhere.rootFile }))
    await nextFailure(await start({ socketPath: join(directory, '2') }, { rootFile: join(directory, 'no') }))
    await nextFailure(await start({ socketPath: join(directory, '3') }, { tokenFile: join(directory, 'no') }))
    await nextFailure(await start({ socketPath: join(directory, '4') }, { serverName: 'bank.example' }))
  } finally {
    await elsewhere.close()
  }
  const codes = log.lines.map((line) => /ERR_[A-Z_]+/.exec(line)?.[0]).filter(Boolean)
  assert.deepEqual(codes, [
    'ERR_AGENT_CA_UNREACHABLE',
    'ERR_AGENT_ROOT_FILE',
    'ERR_AGENT_TOKEN_FILE',
    'ERR_AGENT_CA_UNREACHABLE',
  ])
})

test('a CA that does not answer is given up at the deadline', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined))
  const accepted = new Promise<Socket>((resolve) => silent.once('connection', resolve))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  const agent = await start({}, { address: `127.0.0.1:${port}` })
  const failed = nextFailure(agent)
  const socket = await accepted
  const cut = new Promise((resolve) => socket.once('close', resolve).resume())
  clock.advance(10_000)
  await failed
  // Nor is the connection left behind.
  await cut
  silent.close()
})

test('an agent that restarts while the CA is away serves what it had', async () => {
  const stateDirectory = join(directory, 'state')
  const before = await start({ stateDirectory })
  const secrets = await before.secrets.first()
  const path = join(stateDirectory, 'workload-secret.json')
  while ((await stat(path).catch(() => null)) === null) await new Promise((resolve) => setImmediate(resolve))
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  await before.close()
  await mesh.close()

  const again = await start({ stateDirectory })
  assert.deepEqual(again.secrets.value, secrets)
  await again.close()

  const stranger = await start({ stateDirectory, workload: { ...workload, namespace: 'bank' } })
  assert.equal(stranger.secrets.value, undefined, 'but only if it is for this workload')
  await stranger.close()

  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replace('"receivedAt"', '"received"'))
  assert.equal((await start({ stateDirectory })).secrets.value, undefined)
})

test('closing ends the streams of connected proxies and leaves no socket behind', async () => {
  const agent = await start()
  await agent.secrets.first()
  const proxy = new RawSdsClient(join(directory, 'socket'))
  proxy.send({ resource_names: ['default'] })
  await proxy.responses.next()
  await Promise.all([agent.close(), agent.close()])
  assert.equal((await proxy.ended).code, 0)
  assert.equal(await stat(join(directory, 'socket')).catch(() => null), null)
  proxy.close()
})

test('closing while the CA is being asked leaves nothing waiting', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined))
  const accepted = new Promise<Socket>((resolve) => silent.once('connection', resolve))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  const agent = await start({}, { address: `127.0.0.1:${port}`, attempts: 5 })
  const socket = await accepted
  const cut = new Promise((resolve) => socket.once('close', resolve).resume())
  await agent.close()
  await cut
  assert.equal(clock.pending, 0)
  silent.close()
})

test('a name that cannot be an identity is refused at the start', async () => {
  await assert.rejects(start({ workload: { ...workload, namespace: 'a/b' } }), { code: 'ERR_AGENT_WORKLOAD' })
  await assert.rejects(start({ workload: { ...workload, trustDomain: 'UPPER' } }), {
    code: 'ERR_AGENT_WORKLOAD',
  })
})
