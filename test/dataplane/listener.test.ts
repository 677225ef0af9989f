import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Listener, ListenerError } from '../../src/dataplane/listener.ts'
import { dialWire } from '../support/wire-client.ts'

const timeout = 5000
const loopback = { address: '127.0.0.1', port: 0 }

test('a port in use is refused with its address and what to do', { timeout }, async () => {
  const first = await Listener.bind(
    { address: loopback, reusePort: false, maxConnections: 1 },
    () => undefined,
  )
  const { address } = first
  await assert.rejects(
    Listener.bind({ address, reusePort: false, maxConnections: 1 }, () => undefined),
    (error: unknown) => {
      assert.ok(error instanceof ListenerError)
      assert.equal(error.code, 'ERR_LISTENER_BIND')
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${address.port}: the port is in use`))
      return true
    },
  )
  first.close()
})

test('an address this host has not is refused by name', { timeout }, async () => {
  await assert.rejects(
    Listener.bind(
      { address: { address: '192.0.2.1', port: 0 }, reusePort: false, maxConnections: 1 },
      () => undefined,
    ),
    /no such local address/,
  )
})

test(
  'connections beyond the limit are closed and counted; room is made by those that end',
  { timeout },
  async (t) => {
    const sockets: Socket[] = []
    let accepted = Promise.withResolvers<void>()
    const listener = await Listener.bind(
      { address: loopback, reusePort: false, maxConnections: 2 },
      (socket) => {
        sockets.push(socket)
        accepted.resolve()
      },
    )
    t.after(() => {
      listener.close()
      for (const socket of sockets) socket.destroy()
    })
    const { port } = listener.address
    await dialWire(t, port)
    await accepted.promise
    accepted = Promise.withResolvers()
    await dialWire(t, port)
    await accepted.promise
    const third = await dialWire(t, port)
    await third.over()
    assert.deepEqual([listener.accepted, listener.dropped], [2, 1])
    const gone = new Promise((resolve) => sockets[0]?.once('close', resolve))
    sockets[0]?.destroy()
    await gone
    accepted = Promise.withResolvers()
    await dialWire(t, port)
    await accepted.promise
    assert.equal(listener.accepted, 3)
  },
)

test(
  'sockets are handed over paused and unread, and a reset before anybody listens ends nothing',
  { timeout },
  async (t) => {
    const accepted = Promise.withResolvers<Socket>()
    const listener = await Listener.bind(
      { address: loopback, reusePort: false, maxConnections: 2 },
      accepted.resolve,
    )
    t.after(() => listener.close())
    const client = await dialWire(t, listener.address.port)
    client.send('first bytes')
    const socket = await accepted.promise
    assert.equal(socket.readableFlowing, false)
    assert.equal(socket.bytesRead, 0)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    ;(client.stream as Socket).resetAndDestroy()
    socket.resume()
    await closed
  },
)
