import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import type { Handshake } from '../../src/tls/handshake.ts'
import { createTestCa, serverAuth } from '../support/test-ca.ts'
import type { Issued } from '../support/test-ca.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { contextsOf, dialPlain, listen, secretsOf, terminating } from './loopback.ts'
import { terminate } from '../../src/tls/terminate.ts'

const ca = await createTestCa({ trustDomain: 'cluster.local' })
const other = await createTestCa({ trustDomain: 'other.test' })
const stranger = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('ns1', 'server')
const client = await ca.svid('ns1', 'client')
const bundles = { 'cluster.local': ca.rootPem, 'other.test': other.rootPem }
const secrets = secretsOf(own, bundles)

interface Seen {
  readonly error: string | null
  readonly alpn: string | false | null
  readonly socket: TLSSocket
}

/** A client of Node's own; resolves when it is secure and heard from the server, or failed. */
async function attempt(
  t: TestContext,
  port: number,
  cert: Issued | null,
  options: ConnectionOptions = {},
): Promise<Seen> {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(cert === null ? {} : { cert: cert.certificateChain, key: cert.privateKey }),
    ...options,
  })
  t.after(() => socket.destroy())
  return new Promise((resolve) => {
    let secure = false
    const settle = (error: string | null) => resolve({ error, alpn: socket.alpnProtocol, socket })
    socket.on('secureConnect', () => (secure = true))
    socket.on('data', () => settle(null))
    socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'unknown'))
    socket.on('close', () => settle(secure ? 'closed after its handshake' : 'closed'))
  })
}

function greet(handshake: Handshake): Extract<Handshake, { ok: true }>['secure'] {
  assert.ok(handshake.ok, handshake.ok ? '' : handshake.reason)
  handshake.secure.stream.write('hello')
  return handshake.secure
}

function refused(handshake: Handshake, code: string, reason?: RegExp): void {
  assert.ok(!handshake.ok, 'the handshake was accepted')
  assert.equal(handshake.code, code, handshake.reason)
  if (reason) assert.match(handshake.reason, reason)
}

test('a client with an SVID of our trust domain is who its URI name says', async (t) => {
  const server = await terminating(t, contextsOf(secrets), {
    alpn: ['h2', 'http/1.1'],
    offeredAlpn: ['http/1.1', 'h2'],
  })
  const seen = attempt(t, server.port, client, { servername: 'a.test', ALPNProtocols: ['http/1.1', 'h2'] })
  const secure = greet(await server.next())
  assert.equal(secure.peer?.id.uri, 'spiffe://cluster.local/ns/ns1/sa/client')
  assert.equal(secure.alpn, 'h2', "the server's order decides")
  assert.equal(secure.sni, 'a.test')
  assert.equal(secure.version, 'TLSv1.3')
  assert.equal(secure.cipher, 'TLS_AES_128_GCM_SHA256')
  assert.equal((await seen).alpn, 'h2')
})

test('no protocol in common is no ALPN in the answer and no alert', async (t) => {
  const server = await terminating(t, contextsOf(secrets), {
    alpn: ['h2', 'http/1.1'],
    offeredAlpn: ['istio'],
  })
  const seen = attempt(t, server.port, client, { ALPNProtocols: ['istio'] })
  assert.equal(greet(await server.next()).alpn, null)
  assert.equal((await seen).error, null)
  assert.equal((await seen).alpn, false)
})

test('a TLS 1.2 client without a certificate gets handshake_failure', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  const seen = attempt(t, server.port, null, { maxVersion: 'TLSv1.2' })
  refused(await server.next(), 'no_client_certificate')
  assert.match((await seen).error ?? '', /HANDSHAKE_FAILURE/)
})

test('a TLS 1.3 client without a certificate finishes, then reads certificate_required', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  const seen = attempt(t, server.port, null)
  refused(await server.next(), 'no_client_certificate')
  assert.match((await seen).error ?? '', /CERTIFICATE_REQUIRED/)
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a certificate of a foreign authority is untrusted over ${maxVersion}`, async (t) => {
    const server = await terminating(t, contextsOf(secrets))
    const seen = attempt(t, server.port, await stranger.svid('ns1', 'client'), { maxVersion })
    refused(await server.next(), 'untrusted')
    assert.notEqual((await seen).error, null)
  })
}

test('one trust domain cannot speak for another, though both roots are trusted', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  const forged = await other.issue({ uri: 'spiffe://cluster.local/ns/ns1/sa/client' })
  const seen = attempt(t, server.port, forged)
  refused(await server.next(), 'untrusted', /its own trust domain/)
  assert.notEqual((await seen).error, null)
})

test('a federated peer is verified by its own bundle', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  void attempt(t, server.port, await other.svid('far', 'away'))
  assert.equal(greet(await server.next()).peer?.id.trustDomain, 'other.test')
})

const flawed: Record<string, [Promise<Issued>, string]> = {
  'two URI names': [ca.issue({ uris: ['spiffe://cluster.local/a', 'spiffe://cluster.local/b'] }), 'bad_svid'],
  'no URI name but a DNS name': [ca.issue({ dns: ['client.ns1.svc'] }), 'bad_svid'],
  'no SAN at all': [ca.issue({ subject: 'CN=spiffe://cluster.local/ns/ns1/sa/client' }), 'bad_svid'],
  'a root path': [ca.issue({ uri: 'spiffe://cluster.local' }), 'bad_svid'],
  'another scheme': [ca.issue({ uri: 'https://cluster.local/ns/ns1/sa/client' }), 'bad_svid'],
  'a NUL in its URI name': [ca.issue({ uri: 'spiffe://cluster.local/ns/ns1/sa/client\0x' }), 'bad_svid'],
  'the CA flag': [ca.svid('a', 'b', { ca: true }), 'bad_svid'],
  keyCertSign: [ca.svid('a', 'b', { keyUsage: ['digitalSignature', 'keyCertSign'] }), 'bad_svid'],
  'an unknown trust domain': [ca.issue({ uri: 'spiffe://nowhere.test/a' }), 'untrusted'],
  'a trust domain that only begins like ours': [
    ca.issue({ uri: 'spiffe://cluster.local.evil/a' }),
    'untrusted',
  ],
  'an end in the past': [ca.svid('a', 'b', { notAfter: Date.parse('2025-06-01') }), 'untrusted'],
  'server use only': [ca.svid('a', 'b', { extKeyUsage: [serverAuth] }), 'untrusted'],
}
for (const [flaw, [issued, code]] of Object.entries(flawed)) {
  test(`a client certificate with ${flaw} is refused`, async (t) => {
    const server = await terminating(t, contextsOf(secrets))
    const seen = attempt(t, server.port, await issued)
    refused(await server.next(), code)
    assert.notEqual((await seen).error, null)
  })
}

test('an intermediate in the bundle is anchor enough, and the root in the chain does no harm', async (t) => {
  const middle = await ca.intermediate()
  const leaf = await middle.svid('ns1', 'client')
  const server = await terminating(t, contextsOf(secretsOf(own, { 'cluster.local': middle.pem })))
  void attempt(t, server.port, { ...leaf, certificateChain: leaf.certificateChain + ca.rootPem })
  assert.equal(greet(await server.next()).peer?.id.serviceAccount, 'client')
})

test('an RSA server and an ECDSA client agree on the first of our suites that fits', async (t) => {
  const rsa = await ca.svid('ns1', 'server', { algorithm: 'rsa-2048' })
  for (const [secret, cipher] of [
    [own, 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'],
    [rsa, 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'],
  ] as const) {
    const server = await terminating(t, contextsOf(secretsOf(secret, bundles)))
    void attempt(t, server.port, client, {
      maxVersion: 'TLSv1.2',
      ciphers: [
        'AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
        'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384',
      ].join(':'),
    })
    assert.equal(greet(await server.next()).cipher, cipher)
  }
})

test('a suite outside the six is refused, and so is TLS 1.1', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  const chacha = attempt(t, server.port, client, {
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  })
  refused(await server.next(), 'protocol')
  assert.match((await chacha).error ?? '', /HANDSHAKE_FAILURE/)
  const old = attempt(t, server.port, client, {
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  refused(await server.next(), 'protocol')
  assert.match((await old).error ?? '', /VERSION/)
})

test('a mesh minimum of TLS 1.3 refuses TLS 1.2', async (t) => {
  const server = await terminating(t, contextsOf(secrets, { minVersion: 'TLSv1.3' }))
  void attempt(t, server.port, client, { maxVersion: 'TLSv1.2' })
  refused(await server.next(), 'protocol')
})

test('without secrets TLS is refused, never taken as plaintext', async (t) => {
  const server = await terminating(t, contextsOf(null))
  const seen = attempt(t, server.port, client)
  refused(await server.next(), 'not_ready')
  assert.notEqual((await seen).error, null)
})

test('once our own certificate has expired nothing is terminated', async (t) => {
  const clock = new ManualClock(Date.now())
  const short = await ca.svid('ns1', 'server', { notAfter: Date.now() + 3_600_000 })
  const contexts = contextsOf(secretsOf(short, bundles), { clock })
  assert.equal(contexts.ready, true)
  clock.advance(3_601_000)
  assert.equal(contexts.ready, false)
  const server = await terminating(t, contexts)
  void attempt(t, server.port, client)
  refused(await server.next(), 'not_ready')
})

test('a client that says half a hello is cut at the deadline, and its timer is gone', async (t) => {
  const clock = new ManualClock(Date.now())
  const contexts = contextsOf(secrets, { clock })
  const server = await terminating(t, contexts, { deadlineMs: 5000 })
  const socket = await dialPlain(t, server.port)
  const closed = new Promise((resolve) => socket.once('end', resolve).once('close', resolve))
  socket.write(Buffer.from('160301', 'hex'))
  while (clock.pending === 0) await new Promise(setImmediate)
  clock.advance(5000)
  refused(await server.next(), 'timeout')
  socket.resume()
  await closed
  assert.equal(clock.pending, 0)
})

test('a client that leaves in the middle is closed, and its timer is gone', async (t) => {
  const clock = new ManualClock(Date.now())
  const server = await terminating(t, contextsOf(secrets, { clock }))
  const socket = await dialPlain(t, server.port)
  socket.write(Buffer.from('1603010100010000fc0303', 'hex'), () => socket.destroy())
  refused(await server.next(), 'closed')
  assert.equal(clock.pending, 0)
})

test('a client that ends its side at once is heard to end, and can still be answered', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  const raw = await dialPlain(t, server.port)
  const socket = connectTls({
    socket: raw,
    rejectUnauthorized: false,
    cert: client.certificateChain,
    key: client.privateKey,
  })
  socket.on('secureConnect', () => socket.end())
  const answer = once(socket, 'data')
  const handshake = await server.next()
  assert.ok(handshake.ok)
  const { stream } = handshake.secure
  stream.resume()
  if (!stream.readableEnded) await once(stream, 'end')
  stream.end('late answer')
  assert.equal(String((await answer)[0]), 'late answer')
})

test('bytes that are no TLS are a protocol failure', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  const socket = await dialPlain(t, server.port)
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  refused(await server.next(), 'protocol')
})

test('a hello that comes byte by byte and data right behind the handshake arrive whole, the stream paused', async (t) => {
  const contexts = contextsOf(secrets)
  const server = await terminating(t, contexts)
  // A relay that forwards the client's first flight one byte a write.
  const relay = await listen(t, (from) => {
    void (async () => {
      const to = await dialPlain(t, server.port)
      to.on('data', (bytes) => from.write(bytes))
      let slow = 600
      from.on('data', (bytes: Buffer) => {
        for (const byte of bytes.subarray(0, slow)) to.write(Buffer.of(byte))
        to.write(bytes.subarray(slow))
        slow = Math.max(0, slow - bytes.length)
      })
    })()
  })
  const socket = connectTls({
    port: relay,
    rejectUnauthorized: false,
    cert: client.certificateChain,
    key: client.privateKey,
  })
  t.after(() => socket.destroy())
  const payload = Buffer.alloc(100_000, 'x')
  socket.on('secureConnect', () => socket.end(payload))
  socket.on('error', () => undefined)
  socket.resume()
  const handshake = await server.next()
  assert.ok(handshake.ok)
  assert.equal(handshake.secure.stream.isPaused(), true)
  await new Promise((resolve) => setImmediate(resolve))
  let received = 0
  handshake.secure.stream.on('data', (bytes: Buffer) => (received += bytes.length))
  handshake.secure.stream.resume()
  await once(handshake.secure.stream, 'end')
  assert.equal(received, payload.length)
  assert.ok(handshake.secure.stream.listenerCount('error') > 0)
})

test('rubbish after the handshake is an error on the stream that nobody needs to catch', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  const raw = await dialPlain(t, server.port)
  const socket = connectTls({
    socket: raw,
    rejectUnauthorized: false,
    cert: client.certificateChain,
    key: client.privateKey,
  })
  socket.on('error', () => undefined)
  const { stream } = greet(await server.next())
  stream.resume()
  await once(socket, 'data')
  const closed = new Promise((resolve) => stream.once('close', resolve))
  raw.write('rubbish that is no record at all')
  const far = new Promise((resolve) => stream.once('error', resolve))
  assert.match(((await far) as NodeJS.ErrnoException).code ?? '', /^ERR_SSL_/)
  await closed
})

test('a socket that is already gone is closed', async () => {
  const { Socket } = await import('node:net')
  const socket = new Socket()
  socket.destroy()
  const handshake = await new Promise<Handshake>((resolve) =>
    terminate(socket, contextsOf(secrets), { alpn: [], offeredAlpn: [], deadlineMs: 1 }, resolve),
  )
  refused(handshake, 'closed')
})

test('no refusal quotes key material', async (t) => {
  const server = await terminating(t, contextsOf(secrets))
  void attempt(t, server.port, await stranger.svid('ns1', 'client'))
  assert.doesNotMatch(JSON.stringify(await server.next()), /PRIVATE|BEGIN/)
})
