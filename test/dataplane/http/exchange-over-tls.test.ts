/** The same engine over TLS sessions on both sides: answers, reuse, and a cut that no client takes for an end. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:tls'
import type { Dial } from '../../../src/dataplane/http/sides.ts'
import { createTestCa } from '../../support/test-ca.ts'
import { Engine, RawClient, eventually } from './engine.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

test('over TLS on both sides requests are answered, connections reused, and a cut is no clean end', async () => {
  const ca = await createTestCa({ trustDomain: 'cluster.local' })
  const { certificateChain: cert, privateKey: key } = await ca.issue({ dns: ['localhost'] })
  const sockets: Socket[] = []
  const upstream = createServer({ key, cert }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      if (chunk.includes('/cut')) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc')
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    })
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const dial: Dial = (done) => {
    const { port } = upstream.address() as AddressInfo
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    const info = { remoteAddress: `127.0.0.1:${port}`, localAddress: '', peer: null }
    socket.once('secureConnect', () => done({ ok: true, stream: socket, info, multiplexed: false }))
  }
  try {
    await using engine = await new Engine(1, { dial, tls: { key, cert } }).listen()
    const socket = connect({ host: '127.0.0.1', port: engine.port, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    await using client = new RawClient(socket)
    for (let i = 1; i <= 3; i++) {
      client.send(get)
      await client.until((c) => c.received.split('\r\n\r\nok').length > i)
    }
    assert.equal(sockets.length, 1)
    client.send(get.replace('/', '/cut'))
    await client.until((c) => c.closed || c.ended, 'the cut')
    assert.ok(client.received.endsWith('abc'))
    await eventually(() => engine.finished.length === 4, 'the record')
    assert.equal(engine.finished[3]?.responseFlags, 'UC')
    await eventually(
      () => engine.connections.size === 0 && engine.pool.counts().open === 0,
      'both sides to go',
    )
  } finally {
    for (const socket of sockets) socket.destroy()
    upstream.close()
  }
})

test('a TLS client that asks to close gets the whole answer and a clean end', async () => {
  const ca = await createTestCa({ trustDomain: 'cluster.local' })
  const { certificateChain: cert, privateKey: key } = await ca.issue({ dns: ['localhost'] })
  const body = 'x'.repeat(300_000)
  await using engine = await new Engine(1, {
    tls: { key, cert },
    onRequest: (exchange) => exchange.reply({ status: 200, headers: [], body }, 'direct_response', null),
  }).listen()
  const socket = connect({ host: '127.0.0.1', port: engine.port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  await using client = new RawClient(socket)
  client.send(get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  await client.close()
  assert.ok(client.received.endsWith(`\r\n\r\n${body}`))
  await eventually(() => engine.connections.size === 0, 'the connection to go')
  assert.deepEqual(engine.closes, ['done'])
})
