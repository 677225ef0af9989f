import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { Listener } from '../../src/dataplane/listener.ts'
import { disown, own } from '../../src/dataplane/http/stream-events.ts'
import type { StreamOwner } from '../../src/dataplane/http/stream-events.ts'
import { Splice } from '../../src/dataplane/splice.ts'
import type { SpliceEnd } from '../../src/dataplane/splice.ts'
import { WirePeer } from '../support/wire-client.ts'

const timeout = 5000

interface Ends {
  readonly client: WirePeer
  readonly server: WirePeer
  readonly clientSocket: Socket
  readonly serverSocket: Socket
  readonly splice: Splice
  readonly downstream: Socket
  readonly upstream: Socket
  readonly end: Promise<SpliceEnd>
}

async function socketPair(t: TestContext): Promise<[Socket, Socket]> {
  const accepted = Promise.withResolvers<Socket>()
  const address = { address: '127.0.0.1', port: 0 }
  const listener = await Listener.bind({ address, reusePort: false, maxConnections: 10 }, accepted.resolve)
  const outer = connect({ port: listener.address.port, host: '127.0.0.1', allowHalfOpen: true })
  outer.on('error', () => undefined)
  const inner = await accepted.promise
  listener.close()
  t.after(() => {
    outer.destroy()
    inner.destroy()
  })
  return [outer, inner]
}

async function spliced(t: TestContext): Promise<Ends> {
  const [clientSocket, downstream] = await socketPair(t)
  const [serverSocket, upstream] = await socketPair(t)
  const ended = Promise.withResolvers<SpliceEnd>()
  const splice = new Splice(downstream, upstream, { onEnd: ended.resolve })
  const [client, server] = [new WirePeer(clientSocket), new WirePeer(serverSocket)]
  return { client, server, clientSocket, serverSocket, splice, downstream, upstream, end: ended.promise }
}

test('each side may end first, and what the other still says arrives', { timeout }, async (t) => {
  for (const first of ['client', 'server'] as const) {
    const ends = await spliced(t)
    const [one, other] = first === 'client' ? [ends.client, ends.server] : [ends.server, ends.client]
    one.send('early').end()
    await other.over()
    assert.equal(other.text, 'early')
    assert.equal(other.ending, 'fin')
    other.send('late').end()
    assert.equal(await one.over(), 'late')
    const end = await ends.end
    assert.equal(end.brokenBy, null)
    assert.deepEqual([end.received, end.sent], first === 'client' ? [5, 4] : [4, 5])
  }
})

test('a reset on one side is a reset on the other, and says whose it was', { timeout }, async (t) => {
  for (const first of ['downstream', 'upstream'] as const) {
    const ends = await spliced(t)
    ends.client.send('x')
    await ends.server.untilText('x')
    ends.server.send('y')
    await ends.client.untilText('y')
    const [one, other] =
      first === 'downstream' ? [ends.clientSocket, ends.server] : [ends.serverSocket, ends.client]
    one.resetAndDestroy()
    await other.over()
    assert.equal(other.ending, 'reset')
    assert.equal((await ends.end).brokenBy, first)
    assert.ok(ends.downstream.destroyed && ends.upstream.destroyed)
  }
})

test(
  'a reader that does not read holds the writer back: what waits here stays bounded',
  { timeout: 20_000 },
  async (t) => {
    const ends = await spliced(t)
    ends.serverSocket.pause()
    const chunk = Buffer.alloc(64 * 1024, 'a')
    const total = 64 * 1024 * 1024
    let written = 0
    const push = (): void => {
      while (written < total) {
        written += chunk.length
        if (!ends.clientSocket.write(chunk)) {
          ends.clientSocket.once('drain', push)
          return
        }
      }
      ends.clientSocket.end()
    }
    push()
    // The kernel's buffers fill up, then nothing moves any more.
    let still = 0
    for (let last = -1; still < 50; last = ends.splice.received) {
      still = ends.splice.received === last ? still + 1 : 0
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(ends.splice.received < total, 'everything was taken in')
    assert.ok(ends.upstream.writableLength <= 256 * 1024, `${ends.upstream.writableLength} bytes wait`)
    let got = 0
    ends.serverSocket.removeAllListeners('data')
    ends.serverSocket.on('data', (part: Buffer) => (got += part.length))
    const over = new Promise((resolve) => ends.serverSocket.once('end', resolve))
    ends.serverSocket.resume()
    await over
    assert.equal(got, total)
    ends.serverSocket.end()
    assert.equal((await ends.end).received, total)
  },
)

test('idle means that nothing moved since the last look', { timeout }, async (t) => {
  const ends = await spliced(t)
  assert.equal(ends.splice.idle(), false)
  assert.equal(ends.splice.idle(), true)
  ends.client.send('x')
  await ends.server.untilText('x')
  assert.equal(ends.splice.idle(), false)
  ends.splice.cut('idle')
  await ends.client.over()
  assert.equal(ends.client.ending, 'reset')
  assert.deepEqual(await ends.end, { received: 1, sent: 0, brokenBy: 'idle' })
})

test('both sides breaking at once end it once', { timeout }, async (t) => {
  const ends = await spliced(t)
  let calls = 0
  const again = new Splice(...((await socketPair(t)) as [Socket, Socket]), { onEnd: () => (calls += 1) })
  again.cut('idle')
  again.cut('idle')
  assert.equal(calls, 1)
  ends.clientSocket.resetAndDestroy()
  ends.serverSocket.resetAndDestroy()
  const end = await ends.end
  assert.ok(end.brokenBy !== null)
})

test(
  'a peer that does not read what is left after both have ended is idle, and can be cut',
  { timeout },
  async (t) => {
    const ends = await spliced(t)
    ends.clientSocket.pause()
    ends.client.end()
    await ends.server.over()
    // More than the kernel takes, so that a rest waits here.
    const rest = Buffer.alloc(16 * 1024 * 1024, 'b')
    ends.serverSocket.end(rest)
    let still = 0
    for (let last = -1; still < 50; last = ends.splice.sent) {
      still = ends.splice.sent === last ? still + 1 : 0
      await new Promise((resolve) => setImmediate(resolve))
    }
    let over = false
    void ends.end.then(() => (over = true))
    ends.splice.idle()
    assert.equal(ends.splice.idle(), true)
    assert.equal(over, false)
    ends.splice.cut('idle')
    assert.equal((await ends.end).brokenBy, 'idle')
    assert.ok(ends.downstream.destroyed && ends.upstream.destroyed)
  },
)

test(
  'bytes are not changed by those that come later, both ways at once, however the readers pause',
  { timeout: 20_000 },
  async (t) => {
    const ends = await spliced(t)
    const body = (salt: number): Buffer => {
      const bytes = Buffer.alloc(4 << 20)
      for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(Math.imul(i + salt, 2654435761) >>> 0, i)
      return bytes
    }
    const [up, down] = [body(1), body(2)]
    // Readers that stop now and then keep chunks waiting in the splice while the next ones are read.
    for (const peer of [ends.client, ends.server]) {
      let chunks = 0
      peer.stream.on('data', () => {
        chunks += 1
        if (chunks % 3 !== 0) return
        peer.stream.pause()
        setImmediate(() => peer.stream.resume())
      })
    }
    ends.client.send(up).end()
    ends.server.send(down).end()
    await Promise.all([ends.client.over(), ends.server.over()])
    assert.ok(ends.server.bytes.equals(up), 'upstream got other bytes')
    assert.ok(ends.client.bytes.equals(down), 'downstream got other bytes')
    assert.deepEqual(await ends.end, { received: up.length, sent: down.length, brokenBy: null })
  },
)

test('a socket that was read for requests before is copied from as well', { timeout }, async (t) => {
  const [clientSocket, downstream] = await socketPair(t)
  const [serverSocket, upstream] = await socketPair(t)
  const [client, server] = [new WirePeer(clientSocket), new WirePeer(serverSocket)]
  const heard: string[] = []
  const owner: StreamOwner = {
    feed: (chunk) => void heard.push(chunk.toString()),
    peerEnded: () => undefined,
    drained: () => undefined,
    lost: () => undefined,
  }
  own(downstream, owner)
  client.send('head')
  while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve))
  downstream.pause()
  disown(downstream)
  downstream.unshift(Buffer.from('rest;'))
  client.send('more')
  const ended = Promise.withResolvers<SpliceEnd>()
  new Splice(downstream, upstream, { onEnd: ended.resolve })
  await server.untilText('rest;more')
  const large = Buffer.alloc(1 << 20, 'z')
  client.send(large).end()
  await server.over()
  assert.equal(server.bytes.length, 'rest;more'.length + large.length)
  server.end()
  assert.equal((await ended.promise).brokenBy, null)
})
