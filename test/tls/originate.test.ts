import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import type { AddressInfo } from 'node:net'
import type { ClientTlsSettings } from '../../src/policy/destination-rule.ts'
import type { Handshake } from '../../src/tls/handshake.ts'
import { clientAuth, createTestCa } from '../support/test-ca.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { contextsOf, dial, listen, mesh, secretsOf, terminating } from './loopback.ts'

const ca = await createTestCa({ trustDomain: 'cluster.local' })
const other = await createTestCa({ trustDomain: 'other.test' })
const own = await ca.svid('ns1', 'client')
const serverSvid = await ca.svid('ns1', 'server')
const bundles = { 'cluster.local': ca.rootPem, 'other.test': other.rootPem }
const serverUri = 'spiffe://cluster.local/ns/ns1/sa/server'
const serving = contextsOf(secretsOf(serverSvid, bundles))
const dialling = contextsOf(secretsOf(own, bundles))

/** A TLS server of Node's own that records what it is sent; its port. */
async function foreign(t: TestContext, options: TlsOptions, received: Buffer[] = []): Promise<number> {
  const server = createServer({ allowHalfOpen: false, ...options }, (socket) => {
    socket.on('data', (bytes: Buffer) => received.push(bytes))
    socket.on('error', () => undefined)
    t.after(() => socket.destroy())
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

function refused(handshake: Handshake, code: string, reason?: RegExp): void {
  assert.ok(!handshake.ok, 'the handshake was accepted')
  assert.equal(handshake.code, code, handshake.reason)
  if (reason) assert.match(handshake.reason, reason)
}

test('both sides learn who the other is', async (t) => {
  const server = await terminating(t, serving, { alpn: ['h2'], offeredAlpn: ['istio', 'h2'] })
  const near = await dial(t, server.port, dialling, {
    tls: mesh(['spiffe://x.test/a', serverUri]),
    alpn: ['istio', 'h2'],
  })
  const far = await server.next()
  assert.ok(near.ok && far.ok)
  assert.equal(near.secure.peer?.id.uri, serverUri)
  assert.equal(far.secure.peer?.id.uri, 'spiffe://cluster.local/ns/ns1/sa/client')
  assert.equal(far.secure.sni, 'outbound_.80_._.server.test')
  assert.deepEqual([near.secure.alpn, far.secure.alpn], ['h2', 'h2'])
  assert.equal(near.secure.stream.isPaused(), true)
  const echoed = new Promise((resolve) => far.secure.stream.on('data', resolve))
  far.secure.stream.resume()
  near.secure.stream.write('ping')
  assert.equal(String(await echoed), 'ping')
})

test('a server that is somebody else is refused before the first byte, naming both', async (t) => {
  const received: Buffer[] = []
  const port = await foreign(t, { cert: serverSvid.certificateChain, key: serverSvid.privateKey }, received)
  const wanted = 'spiffe://cluster.local/ns/ns1/sa/serve'
  refused(
    await dial(t, port, dialling, { tls: mesh([wanted]) }),
    'name_mismatch',
    new RegExp(`${wanted}, seen ${serverUri}$`),
  )
  assert.equal(received.length, 0)
})

test('names are compared byte for byte', async (t) => {
  for (const near of [
    serverUri.toUpperCase(),
    `${serverUri}/`,
    `${serverUri}x`,
    serverUri.slice(0, -1),
    'spiffe://cluster.local/*',
  ]) {
    const server = await terminating(t, serving)
    refused(await dial(t, server.port, dialling, { tls: mesh([near]) }), 'name_mismatch')
  }
})

test('without a list of names a mesh server is not dialled at all', async (t) => {
  const server = await terminating(t, serving)
  refused(await dial(t, server.port, dialling, { tls: mesh([]) }), 'name_unknown')
})

test('a server of another authority, another domain or another use is refused', async (t) => {
  const stranger = await createTestCa({ trustDomain: 'cluster.local' })
  for (const [issued, code] of [
    [await stranger.svid('ns1', 'server'), 'untrusted'],
    [await other.issue({ uri: serverUri }), 'untrusted'],
    [await ca.svid('ns1', 'server', { extKeyUsage: [clientAuth] }), 'untrusted'],
    [await ca.issue({ uris: [serverUri, serverUri] }), 'bad_svid'],
    [await ca.issue({ dns: ['server.test'] }), 'bad_svid'],
  ] as const) {
    const port = await foreign(t, { cert: issued.certificateChain, key: issued.privateKey })
    refused(await dial(t, port, dialling, { tls: mesh([serverUri]) }), code)
  }
})

test('a server that never answers is cut at the deadline, one that hangs up at once', async (t) => {
  const clock = new ManualClock(Date.now())
  const contexts = contextsOf(secretsOf(own, bundles), { clock })
  const silent = await listen(t, () => undefined)
  const waiting = dial(t, silent, contexts, { tls: mesh([serverUri]), deadlineMs: 3000 })
  while (clock.pending === 0) await new Promise(setImmediate)
  clock.advance(3000)
  refused(await waiting, 'timeout')
  const rude = await listen(t, (socket) => socket.destroy())
  refused(await dial(t, rude, contexts, { tls: mesh([serverUri]) }), 'closed')
  assert.equal(clock.pending, 0)
})

test('a server that speaks plaintext is a protocol failure', async (t) => {
  const port = await listen(t, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
  refused(await dial(t, port, dialling, { tls: mesh([serverUri]) }), 'protocol')
})

test('no secrets, refused and plaintext endpoints end before a byte is sent', async (t) => {
  const port = await listen(t, () => undefined)
  refused(await dial(t, port, contextsOf(null), { tls: mesh([serverUri]) }), 'not_ready')
  refused(
    await dial(t, port, dialling, { tls: { mode: 'refused', reason: 'quarantined' } }),
    'refused',
    /quarantined/,
  )
  refused(await dial(t, port, dialling, { tls: { mode: 'plaintext' } }), 'refused')
})

const files: Record<string, string> = { '/ca.pem': other.rootPem, '/wrong.pem': ca.rootPem }
const web = await other.issue({ dns: ['web.test', '*.wild.test'], uri: 'urn:web', subject: 'CN=cn.test' })
const mine = await other.issue({ dns: ['me.test'] })
Object.assign(files, { '/me.pem': mine.certificateChain, '/me.key': mine.privateKey })
const settings = (over: Partial<ClientTlsSettings> = {}): ClientTlsSettings => ({
  mode: 'SIMPLE',
  clientCertificate: null,
  privateKey: null,
  caCertificates: '/ca.pem',
  caCrl: null,
  credentialName: null,
  subjectAltNames: [],
  sni: null,
  insecureSkipVerify: false,
  ...over,
})
const withFiles = contextsOf(null, {
  readFile: (path) => {
    const text = files[path]
    if (text === undefined) throw new Error('ENOENT')
    return text
  },
})

test('SIMPLE verifies a server by host, by exact name, or not at all only when told so', async (t) => {
  const port = await foreign(t, { cert: web.certificateChain, key: web.privateKey })
  const simple = (sni: string, over: Partial<ClientTlsSettings> = {}, expected: string[] = []) =>
    dial(t, port, withFiles, {
      tls: { mode: 'simple', sni, expected, settings: settings(over) },
      host: 'web.test',
    })
  for (const sni of ['web.test', 'one.wild.test', '']) {
    const handshake = await simple(sni)
    assert.ok(handshake.ok, `${sni} ${handshake.ok ? '' : handshake.reason}`)
    assert.equal(handshake.secure.peer, null)
  }
  refused(await simple('cn.test'), 'name_mismatch')
  refused(await simple('a.b.wild.test'), 'name_mismatch')
  assert.ok((await simple('cn.test', {}, ['urn:web'])).ok)
  refused(await simple('web.test', {}, ['other.test']), 'name_mismatch')
  refused(await simple('web.test', { caCertificates: '/wrong.pem' }), 'untrusted')
  assert.ok((await simple('nobody.test', { caCertificates: '/wrong.pem', insecureSkipVerify: true })).ok)
  refused(await simple('web.test', { caCertificates: '/absent.pem' }), 'refused', /\/absent\.pem/)
  refused(await simple('web.test', { credentialName: 'secret' }), 'refused')
})

test('SIMPLE without caCertificates trusts the machine and so not a test authority', async (t) => {
  const port = await foreign(t, { cert: web.certificateChain, key: web.privateKey })
  const tls = { mode: 'simple', sni: 'web.test', expected: [], settings: null } as const
  refused(await dial(t, port, withFiles, { tls }), 'untrusted')
})

test('MUTUAL presents the certificate of its files', async (t) => {
  const options = { cert: web.certificateChain, key: web.privateKey, ca: other.rootPem, requestCert: true }
  const port = await foreign(t, { ...options, rejectUnauthorized: true, maxVersion: 'TLSv1.2' })
  const mutual = (over: Partial<ClientTlsSettings>) =>
    dial(t, port, withFiles, {
      tls: { mode: 'mutual', sni: 'web.test', expected: [], settings: settings(over) },
    })
  assert.ok((await mutual({ clientCertificate: '/me.pem', privateKey: '/me.key' })).ok)
  refused(await mutual({}), 'refused')
})
