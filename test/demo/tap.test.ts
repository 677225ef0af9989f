import { test } from 'node:test'
import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { Tap } from '../../src/demo/tap.ts'

test('a tap passes everything on and keeps both directions apart', async () => {
  const server = createServer((socket) => socket.on('data', () => socket.end('from the server')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const target = { address: '127.0.0.1', port: (server.address() as AddressInfo).port }
  const tap = await Tap.open({ address: '127.0.0.1', port: 0 }, target)
  try {
    const client = connect(tap.port, '127.0.0.1')
    client.write('from the client')
    let received = ''
    for await (const chunk of client) received += String(chunk)
    assert.equal(received, 'from the server')
    assert.equal(tap.recording.toServer.toString(), 'from the client')
    assert.equal(tap.recording.toClient.toString(), 'from the server')
  } finally {
    await tap.close()
    server.close()
  }
})
