import { test } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { localAddress } from '../../src/dataplane/local-address.ts'
import { kernelOriginalDestination } from '../../src/dataplane/original-destination.ts'
import { judgeDestination } from '../../src/dataplane/loop-guard.ts'

/** A server, one connection to it, and both ends; all ended by `run`'s end. */
async function withConnection(
  listen: string,
  dial: string,
  run: (socket: Socket, port: number) => void | Promise<void>,
): Promise<void> {
  const server: Server = createServer()
  server.listen(0, listen)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'connection')
  const client = connect(port, dial)
  try {
    const [socket] = (await accepted) as [Socket]
    try {
      await run(socket, port)
    } finally {
      socket.destroy()
    }
  } finally {
    client.destroy()
    server.close()
  }
}

const kernel = kernelOriginalDestination()

/** Null, or on a host that tracks connections the address that was really dialled: never another. */
function assertNotRedirected(socket: Socket, address: string, port: number): void {
  const original = kernel(socket)
  if (original !== null) assert.deepEqual(original, { address, port })
  assert.equal(judgeDestination(original, localAddress(socket), new Set()), 'not_redirected')
}

test('a connection nobody redirected has no original destination but itself', async () => {
  await withConnection('127.0.0.1', '127.0.0.1', (socket, port) =>
    assertNotRedirected(socket, '127.0.0.1', port),
  )
})

test('an IPv4 client of a dual-stack listener is asked about in IPv4 and its address is unmapped', async () => {
  await withConnection('::', '127.0.0.1', (socket, port) => {
    assert.equal(socket.localAddress, '::ffff:127.0.0.1')
    assert.deepEqual(localAddress(socket), { address: '127.0.0.1', port })
    assertNotRedirected(socket, '127.0.0.1', port)
  })
})

test('an IPv6 client is asked about in IPv6', async () => {
  await withConnection('::', '::1', (socket, port) => {
    assert.deepEqual(localAddress(socket), { address: '::1', port })
    assertNotRedirected(socket, '::1', port)
  })
})

test('a closed socket has no original destination and no local address, and asking is safe', async () => {
  await withConnection('127.0.0.1', '127.0.0.1', async (socket) => {
    socket.destroy()
    assert.equal(kernel(socket), null)
    await once(socket, 'close')
    assert.equal(kernel(socket), null)
    assert.equal(localAddress(socket), null)
  })
})

test('answers are values of their own: the next question does not change the last answer', async () => {
  await withConnection('127.0.0.1', '127.0.0.1', async (first, firstPort) => {
    const before = localAddress(first)
    await withConnection('127.0.0.1', '127.0.0.1', (second) => {
      kernel(second)
      assert.deepEqual(before, { address: '127.0.0.1', port: firstPort })
    })
  })
})
