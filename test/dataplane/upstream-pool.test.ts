/** Upstream connections between requests: reuse, its races, limits and the peer's habits. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { Engine, RawClient, dialTo, eventually, scripted } from './http/engine.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody'

async function app(answer = ok) {
  const sockets: Socket[] = []
  const seen: string[] = []
  const server = await scripted((socket, index) => {
    sockets[index] = socket
    seen[index] = ''
    socket.on('data', (chunk) => {
      seen[index] += chunk.toString('latin1')
      socket.write(answer)
    })
    socket.on('end', () => socket.end())
  })
  return Object.assign(server, { sockets, seen })
}

async function roundTrip(client: RawClient, request: string, count: number): Promise<void> {
  client.send(request)
  await client.until((c) => c.received.split('HTTP/1.1 ').length > count, `answer ${count}`)
}

test('the connection used last is used next', async () => {
  await using upstream = await app()
  await using engine = await new Engine(upstream.port).listen()
  await using one = await RawClient.to(engine.port, get)
  await using two = await RawClient.to(engine.port, get)
  await one.includes('ok')
  await two.includes('ok')
  await eventually(() => engine.pool.counts().idle >= 1, 'idle connections')
  for (let i = 2; i < 6; i++) await roundTrip(one, get, i)
  assert.ok(upstream.seen.length <= 2)
})

test('an idle connection is closed before the peer’s keep-alive runs out', async () => {
  await using upstream = await app('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\ncontent-length: 2\r\n\r\nok')
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await client.includes('ok')
  engine.clock.advance(3900)
  assert.equal(engine.pool.counts().idle, 1)
  engine.clock.advance(1000)
  assert.equal(engine.pool.counts().idle, 0)
})

test('a peer that ends an idle connection is not asked again on it', async () => {
  await using upstream = await app()
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await client.includes('ok')
  upstream.sockets[0]?.end()
  await eventually(() => engine.pool.counts().open === 0, 'the FIN')
  await roundTrip(client, post, 2)
  assert.equal(upstream.seen.length, 2)
})

test('bytes nobody asked for end an idle connection', async () => {
  await using upstream = await app()
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await client.includes('ok')
  upstream.sockets[0]?.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil')
  await eventually(() => engine.pool.counts().open === 0, 'the connection to go')
  await roundTrip(client, get, 2)
  assert.equal(client.received.includes('evil'), false)
})

test('bytes behind a response end the connection and reach nobody', async () => {
  await using upstream = await app(`${ok}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`)
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await client.includes('ok')
  await roundTrip(client, get, 2)
  assert.equal(client.received.includes('evil'), false)
  assert.equal(upstream.seen.length, 2)
})

/** Answers the first request of each connection and cuts the connection at the second. */
async function cutter(reset: boolean) {
  const seen: string[] = []
  const server = await scripted((socket, index) => {
    seen[index] = ''
    let requests = 0
    socket.on('data', (chunk) => {
      seen[index] += chunk.toString('latin1')
      requests += 1
      if (requests === 1) socket.write(ok)
      else if (reset) socket.resetAndDestroy()
      else socket.end()
    })
  })
  return Object.assign(server, { seen })
}

test('a request that races the peer’s close is sent again once, on a fresh connection', async () => {
  for (const reset of [false, true]) {
    await using upstream = await cutter(reset)
    await using engine = await new Engine(upstream.port).listen()
    await using client = await RawClient.to(engine.port, get)
    await client.includes('ok')
    await roundTrip(client, get, 2)
    assert.equal(engine.finished[1]?.responseCode, 200)
    assert.equal(engine.finished[1]?.attempts, 2)
    assert.equal(upstream.seen.length, 2)
  }
})

test('a POST that races the peer’s close is not sent twice', async () => {
  await using upstream = await cutter(true)
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await client.includes('ok')
  await roundTrip(client, post, 2)
  assert.equal(engine.finished[1]?.responseCode, 503)
  assert.match(engine.finished[1]?.responseFlags ?? '', /^U[CR]$/)
  assert.equal(upstream.seen.length, 1)
})

test('a request that already got a byte back is not sent twice', async () => {
  let requests = 0
  await using upstream = await scripted((socket) => {
    let mine = 0
    socket.on('data', () => {
      requests += 1
      mine += 1
      if (mine === 1) socket.write(ok)
      else socket.end('HTTP/1.1 2')
    })
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await client.includes('ok')
  await roundTrip(client, get, 2)
  assert.equal(engine.finished[1]?.responseCode, 503)
  assert.equal(requests, 2)
})

test('a fresh connection that fails is not retried', async () => {
  let connections = 0
  await using upstream = await scripted((socket) => {
    connections += 1
    socket.on('data', () => socket.end())
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await client.includes('503')
  assert.equal(connections, 1)
})

test('before a POST goes out on a long idle connection, a FIN on the wire is seen', async () => {
  await using upstream = await app()
  await using engine = await new Engine(upstream.port, { pool: { probeAfterMs: -1 } }).listen()
  await using client = await RawClient.to(engine.port, get)
  await client.includes('ok')
  // The FIN and the POST are both on their way before the engine runs again.
  upstream.sockets[0]?.end()
  await roundTrip(client, post, 2)
  assert.equal(engine.finished[1]?.responseCode, 200)
  assert.equal(upstream.seen.length, 2)
})

test('beyond the limits a request waits, and beyond the waiting ones it is 503 UO', async () => {
  const sockets: Socket[] = []
  await using upstream = await scripted((socket) => {
    sockets.push(socket)
    socket.on('data', () => undefined)
  })
  await using engine = await new Engine(upstream.port, {
    pool: { maxConnections: 1, maxPending: 1 },
  }).listen()
  await using one = await RawClient.to(engine.port, get)
  await eventually(() => sockets.length === 1 && engine.pool.counts().open === 1, 'the first')
  await using two = await RawClient.to(engine.port, get)
  await eventually(() => engine.pool.counts().pending === 1, 'the second')
  await using three = await RawClient.to(engine.port, get)
  await three.includes('503')
  assert.equal(engine.finished[0]?.responseFlags, 'UO')
  sockets[0]?.write(ok)
  await one.includes('ok')
  sockets[0]?.write(ok)
  await two.includes('ok')
  assert.equal(sockets.length, 1)
})

test('a client that leaves while waiting takes no connection', async () => {
  const sockets: Socket[] = []
  await using upstream = await scripted((socket) => {
    sockets.push(socket)
    socket.on('data', () => undefined)
  })
  await using engine = await new Engine(upstream.port, { pool: { maxConnections: 1 } }).listen()
  await using one = await RawClient.to(engine.port, get)
  await eventually(() => engine.pool.counts().open === 1, 'the first')
  const two = await RawClient.to(engine.port, get)
  await eventually(() => engine.pool.counts().pending === 1, 'the second')
  two.socket.resetAndDestroy()
  await eventually(() => engine.finished.length === 1, 'its record')
  sockets[0]?.write(ok)
  await one.includes('ok')
  assert.deepEqual(engine.pool.counts(), { open: 1, idle: 1, pending: 0 })
})

test('draining a key closes idle connections and retires busy ones after their request', async () => {
  const sockets: Socket[] = []
  await using upstream = await scripted((socket) => {
    sockets.push(socket)
    socket.on('data', () => undefined)
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await eventually(() => sockets.length === 1 && engine.pool.counts().open === 1, 'the request')
  engine.pool.drain('app')
  sockets[0]?.write(ok)
  await client.includes('ok')
  assert.equal(engine.pool.counts().open, 0)
  client.send(get)
  await eventually(() => sockets.length === 2, 'a new connection')
})

test('a dial that fails may be tried elsewhere by the itinerary', async () => {
  await using upstream = await app()
  let failures = 0
  await using engine = await new Engine(1, {
    onDialFailure: (exchange, failure) => {
      failures += 1
      assert.equal(failure.kind, 'connect')
      const response = { server: 'envoy', serviceTime: false }
      const dial = dialTo(upstream.port)
      exchange.forward(
        { upstreams: engine.pool, key: 'b', dial, response, timeoutMs: 0, onDialFailure: null },
        '/',
        ['host', 'a'],
      )
      return true
    },
  }).listen()
  await using client = await RawClient.to(engine.port, post)
  await client.includes('ok')
  assert.equal(failures, 1)
  assert.ok(upstream.seen[0]?.endsWith('body'))
})

test('destroyAll cuts the busy, refuses the new and leaves nothing', async () => {
  await using upstream = await scripted((socket) => socket.on('data', () => undefined))
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  await eventually(() => engine.pool.counts().open === 1, 'the request')
  engine.pool.destroyAll()
  await client.includes('503')
  await roundTrip(client, get, 2)
  assert.equal(engine.pool.counts().open, 0)
})

test('an application with a keep-alive of node’s own loses no request', async () => {
  const server = createServer((_request, response) => response.end('ok'))
  server.keepAliveTimeout = 5000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await using engine = await new Engine((server.address() as AddressInfo).port).listen()
    await using client = await RawClient.to(engine.port)
    for (let i = 1; i <= 20; i++) {
      await roundTrip(client, i % 2 === 0 ? get : post, i)
      if (i % 5 === 0) server.closeIdleConnections()
    }
    assert.deepEqual(
      engine.finished.map((exchange) => exchange.responseCode),
      new Array(20).fill(200),
    )
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
