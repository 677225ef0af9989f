/** WebSocket tunnels: nothing before the 101, everything after it, half-close either way (CVE-2024-23326). */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Engine, RawClient, eventually, scripted } from './engine.ts'

const upgrade =
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nx-request-id: i\r\nx-forwarded-proto: http\r\n\r\n'
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s\r\n\r\n'

async function socketServer() {
  const sockets: Socket[] = []
  const seen: string[] = []
  const server = await scripted((socket, index) => {
    sockets[index] = socket
    seen[index] = ''
    socket.on('data', (chunk) => (seen[index] += chunk.toString('latin1')))
  })
  return Object.assign(server, { sockets, seen })
}

test('after a 101 bytes flow raw both ways, each side ends by itself', async () => {
  await using upstream = await socketServer()
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, upgrade)
  await eventually(() => (upstream.seen[0] ?? '').endsWith('\r\n\r\n'), 'the upgrade')
  assert.ok(upstream.seen[0]?.endsWith('\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'))
  upstream.sockets[0]?.write(switching + 'early')
  const got = await client.includes('early')
  assert.equal(
    got,
    'HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: s\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nearly',
  )
  client.send('\x81\x00ping')
  await eventually(() => (upstream.seen[0] ?? '').endsWith('\x81\x00ping'), 'client bytes')
  client.socket.end('last')
  await eventually(
    () => (upstream.seen[0] ?? '').endsWith('last') && upstream.sockets[0]?.readableEnded === true,
    'the FIN',
  )
  upstream.sockets[0]?.end('after the FIN')
  await client.includes('after the FIN')
  await client.close()
  await eventually(() => engine.finished.length === 1, 'the record')
  assert.equal(engine.finished[0]?.responseCode, 101)
  assert.equal(engine.finished[0]?.responseFlags, '')
  assert.equal(engine.finished[0]?.bytesSent, 18)
  assert.equal(engine.finished[0]?.bytesReceived, 10)
  await eventually(() => engine.pool.counts().open === 0, 'the pool to let go')
})

test('the upstream may end first, and the client’s bytes still arrive', async () => {
  await using upstream = await socketServer()
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, upgrade)
  await eventually(() => (upstream.seen[0] ?? '') !== '', 'the upgrade')
  upstream.sockets[0]?.end(switching + 'bye')
  await client.close()
  client.socket.end('x'.repeat(300_000))
  await eventually(
    () => (upstream.seen[0] ?? '').endsWith('x') && upstream.sockets[0]?.readableEnded === true,
    'all bytes',
  )
  assert.equal(upstream.seen[0]?.split('\r\n\r\n')[1]?.length, 300_000)
})

test('no byte of the client goes upstream before the 101', async () => {
  await using upstream = await socketServer()
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, upgrade + 'GET /admin HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => (upstream.seen[0] ?? '').includes('\r\n\r\n'), 'the upgrade')
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(upstream.seen[0]?.includes('/admin'), false)
  upstream.sockets[0]?.write(switching)
  await eventually(() => (upstream.seen[0] ?? '').includes('/admin'), 'the tunnelled bytes')
  assert.equal(engine.finished.length, 0)
  assert.ok(client.received.startsWith('HTTP/1.1 101 '))
})

test('after another answer than 101 what the client smuggled is an ordinary request, judged as one', async () => {
  const judged: string[] = []
  await using upstream = await socketServer()
  await using engine = await new Engine(upstream.port, {
    onRequest: (exchange, forward) => {
      judged.push(exchange.path)
      if (exchange.path === '/ws') forward()
      else exchange.reply({ status: 403, headers: [], body: 'no' }, 'denied', null)
    },
  }).listen()
  await using client = await RawClient.to(engine.port, upgrade + 'GET /admin HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => (upstream.seen[0] ?? '') !== '', 'the upgrade')
  upstream.sockets[0]?.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
  await client.includes('HTTP/1.1 403 ')
  assert.deepEqual(judged, ['/ws', '/admin'])
  assert.equal(upstream.seen[0]?.includes('/admin'), false)
})

test('a 101 that nobody asked for is an upstream fault', async () => {
  await using upstream = await socketServer()
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => (upstream.seen[0] ?? '') !== '', 'the request')
  upstream.sockets[0]?.write(switching + 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil')
  assert.match(await client.includes('malformed'), /^HTTP\/1.1 502 /)
  assert.equal(client.received.includes('evil'), false)
})

test('a tunnel that breaks on one side is cut on the other', async () => {
  await using upstream = await socketServer()
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, upgrade)
  await eventually(() => (upstream.seen[0] ?? '') !== '', 'the upgrade')
  upstream.sockets[0]?.write(switching)
  await client.includes('101')
  upstream.sockets[0]?.resetAndDestroy()
  await client.until((c) => c.closed)
  assert.equal(engine.finished.length, 1)
  assert.equal(engine.finished[0]?.responseFlags, 'UR')
})

test('an upgrade to anything else goes on as plain HTTP', async () => {
  await using upstream = await socketServer()
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  client.send(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n',
  )
  await eventually(() => (upstream.seen[0] ?? '').endsWith('\r\n\r\n'), 'the request')
  assert.doesNotMatch(upstream.seen[0] ?? '', /upgrade|http2-settings/i)
})
