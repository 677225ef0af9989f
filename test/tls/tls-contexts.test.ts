import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { createTestCa } from '../support/test-ca.ts'
import { contextsOf, dial, mesh, secretsOf, terminating } from './loopback.ts'
import type { Listening } from './loopback.ts'

const ca = await createTestCa({ trustDomain: 'cluster.local' })
const middle = await ca.intermediate()
const next = await createTestCa({ trustDomain: 'cluster.local' })
const own = await middle.svid('ns1', 'server')
const client = await middle.svid('ns1', 'client')
const trust = { 'cluster.local': ca.rootPem }
const both = { 'cluster.local': ca.rootPem + next.rootPem }
const uri = 'spiffe://cluster.local/ns/ns1/sa/server'

/** One connection of Node's own client, offering `session`; the ticket it got. */
async function visit(t: TestContext, server: Listening, maxVersion: 'TLSv1.2' | 'TLSv1.3', session?: Buffer) {
  const socket = connectTls({
    port: server.port,
    rejectUnauthorized: false,
    cert: client.certificateChain,
    key: client.privateKey,
    servername: 'a.test',
    maxVersion,
    ...(session === undefined ? {} : { session }),
  })
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  let ticket: Buffer | undefined
  socket.on('session', (bytes) => (ticket = bytes))
  const handshake = await server.next()
  assert.ok(handshake.ok, handshake.ok ? '' : handshake.reason)
  handshake.secure.stream.write('x')
  await once(socket, 'data')
  return { ticket, secure: handshake.secure }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a resumed ${version} session still has its verified peer; none outlives a change of trust or key`, async (t) => {
    const contexts = contextsOf(secretsOf(own, trust))
    const server = await terminating(t, contexts)
    const first = await visit(t, server, version)
    assert.equal(first.secure.resumed, false)
    const again = await visit(t, server, version, first.ticket)
    assert.equal(again.secure.resumed, true)
    assert.equal(again.secure.peer?.id.uri, 'spiffe://cluster.local/ns/ns1/sa/client')
    assert.ok(contexts.update(secretsOf(own, both)).ok)
    const changed = await visit(t, server, version, again.ticket ?? first.ticket)
    assert.equal(changed.secure.resumed, false)
    assert.ok(contexts.update(secretsOf(await middle.svid('ns1', 'server'), both)).ok)
    assert.equal((await visit(t, server, version, changed.ticket)).secure.resumed, false)
  })
}

test('our client resumes with our server, checks the name again, and forgets with its generation', async (t) => {
  const server = await terminating(t, contextsOf(secretsOf(own, trust)))
  const contexts = contextsOf(secretsOf(client, trust))
  const visitAs = async (expected: string) => {
    const near = await dial(t, server.port, contexts, { tls: mesh([expected]) })
    const far = await server.next()
    if (near.ok && far.ok) {
      near.secure.stream.resume()
      far.secure.stream.write('x')
      await once(near.secure.stream, 'data')
    }
    return near
  }
  assert.equal((await visitAs(uri)).ok, true)
  const again = await visitAs(uri)
  assert.ok(again.ok, JSON.stringify(again))
  assert.equal(again.secure.resumed, true)
  assert.equal(again.secure.peer?.id.uri, uri)
  const wrong = await visitAs('spiffe://cluster.local/ns/ns1/sa/other')
  assert.equal(wrong.ok ? '' : wrong.code, 'name_mismatch')
  assert.equal((await visitAs(uri)).ok, true)
  assert.ok(contexts.update(secretsOf(client, both)).ok)
  const fresh = await visitAs(uri)
  assert.ok(fresh.ok)
  assert.equal(fresh.secure.resumed, false)
})

test('a rotation serves the new certificate to new connections and leaves the old ones alone', async (t) => {
  const contexts = contextsOf(secretsOf(own, both))
  const server = await terminating(t, contexts)
  const dialling = contextsOf(secretsOf(client, both))
  const before = await dial(t, server.port, dialling, { tls: mesh([uri]) })
  const far = await server.next()
  const rotated = await next.svid('ns1', 'server')
  assert.deepEqual(contexts.update(secretsOf(rotated, both)), { ok: true, changed: true })
  assert.equal(contexts.generation, 2)
  const after = await dial(t, server.port, dialling, { tls: mesh([uri]) })
  assert.ok(before.ok && after.ok && far.ok)
  assert.notEqual(before.secure.peer?.certificateHash, after.secure.peer?.certificateHash)
  const echo = once(far.secure.stream, 'data')
  far.secure.stream.resume()
  before.secure.stream.write('still here')
  assert.equal(String((await echo)[0]), 'still here')
})

test('equal secrets change nothing; unusable ones are refused and leave what is in force', async () => {
  const contexts = contextsOf(secretsOf(own, trust))
  const bundles = contexts.bundles
  assert.deepEqual(contexts.update(secretsOf(own, trust)), { ok: true, changed: false })
  const foreignKey = { ...secretsOf(own, trust), privateKey: client.privateKey }
  const expired = await ca.svid('ns1', 'server', { notAfter: Date.parse('2025-02-01') })
  for (const secrets of [
    foreignKey,
    secretsOf(expired, trust),
    secretsOf(own, {}),
    secretsOf(own, { 'cluster.local': 'nothing' }),
    { ...secretsOf(own, trust), privateKey: 'rubbish' },
    { ...secretsOf(own, trust), certificateChain: '' },
  ]) {
    const update = contexts.update(secrets)
    assert.equal(update.ok, false)
    assert.doesNotMatch(JSON.stringify(update), /PRIVATE|BEGIN|rubbish/)
  }
  assert.equal(contexts.generation, 1)
  assert.equal(contexts.ready, true)
  assert.equal(contexts.bundles, bundles)
})

test('a rotated key under equal trust keeps what is already verified', async () => {
  const contexts = contextsOf(secretsOf(own, trust))
  const bundles = contexts.bundles
  assert.ok(contexts.update(secretsOf(await ca.svid('ns1', 'server'), trust)).ok)
  assert.equal(contexts.bundles, bundles)
})

test('openssl s_client is told which authorities are accepted and that a certificate is needed', async (t) => {
  const run = promisify(execFile)
  const version = await run('openssl', ['version']).catch(() => null)
  if (version === null) return t.skip('openssl is not installed')
  const server = await terminating(t, contextsOf(secretsOf(own, trust)))
  const args = ['s_client', '-connect', `127.0.0.1:${server.port}`, '-tls1_2', '-servername', 'a.test']
  const child = run('openssl', args, { timeout: 10_000 }).catch(
    (error: { stdout: string; stderr: string }) => error,
  )
  ;(await Promise.resolve(child as unknown as { child?: { stdin?: { end(): void } } })).child?.stdin?.end()
  const { stdout, stderr } = await child
  assert.match(stdout, /Acceptable client certificate CA names\s+O ?= ?cluster\.local/)
  assert.match(stderr, /handshake failure/)
})

test('a mesh that asks for TLS 1.3 refuses TLS 1.2 from the next handshake on, and takes it again when it no longer asks', async (t) => {
  const contexts = contextsOf(secretsOf(own, trust))
  const server = await terminating(t, contexts)
  await visit(t, server, 'TLSv1.2')
  assert.deepEqual(contexts.configure('TLSv1.3', []), { ok: true, changed: true })
  const old = connectTls({
    port: server.port,
    rejectUnauthorized: false,
    cert: client.certificateChain,
    key: client.privateKey,
    maxVersion: 'TLSv1.2',
  })
  t.after(() => old.destroy())
  old.on('error', () => undefined)
  const refused = await server.next()
  assert.equal(refused.ok, false)
  await visit(t, server, 'TLSv1.3')
  assert.deepEqual(contexts.configure('TLSv1.3', []), { ok: true, changed: false })
  assert.deepEqual(contexts.configure('TLSv1.2', []), { ok: true, changed: true })
  await visit(t, server, 'TLSv1.2')
})

test('suites the library does not know are refused, those in force stay', async (t) => {
  const contexts = contextsOf(secretsOf(own, trust))
  const server = await terminating(t, contexts)
  assert.equal(contexts.configure('TLSv1.2', ['no-such-suite']).ok, false)
  await visit(t, server, 'TLSv1.2')
})
