/** A client's connection over real sockets: order, refusals, deadlines, drain. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Exchange } from '../../../src/dataplane/http/exchange.ts'
import { Engine, RawClient, eventually } from './engine.ts'

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

/** Answers with the path, at once or when told. */
const echo = (exchange: Exchange): void =>
  exchange.reply({ status: 200, headers: [], body: `<${exchange.path}>` }, 'direct_response', null)

const bodies = (text: string): string[] => text.match(/<[^>]*>/g) ?? []

test('pipelined requests are answered in order, one at a time', async () => {
  const waiting: Exchange[] = []
  await using engine = await new Engine(1, { onRequest: (exchange) => void waiting.push(exchange) }).listen()
  await using client = await RawClient.to(engine.port, get('/1') + get('/2') + get('/3'))
  for (const path of ['/1', '/2', '/3']) {
    await eventually(() => waiting.length === 1, path)
    const exchange = waiting.pop() as Exchange
    assert.equal(exchange.path, path)
    echo(exchange)
    await client.includes(`<${path}>`)
  }
  assert.equal(engine.finished.length, 3)
})

test('a flood of pipelined requests that are answered at once needs no deep stack', async () => {
  await using engine = await new Engine(1, { onRequest: echo }).listen()
  await using client = await RawClient.to(engine.port)
  client.send(get('/x').repeat(5000))
  await client.until((c) => bodies(c.received).length === 5000)
})

test('a client that pipelines and does not read is not read from either', async () => {
  const big = 'x'.repeat(64 * 1024)
  await using engine = await new Engine(1, {
    onRequest: (exchange) => exchange.reply({ status: 200, headers: [], body: big }, 'd', null),
  }).listen()
  await using client = await RawClient.to(engine.port)
  client.socket.pause()
  for (let i = 0; i < 400; i++) client.send(get('/x'))
  let before = -1
  while (before !== engine.finished.length || before === 0) {
    before = engine.finished.length
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.ok(engine.finished.length < 400, 'requests wait for their turn')
  client.socket.resume()
  await eventually(() => engine.finished.length === 400, 'all answers')
})

test('a refused request is told why, and the connection closes after the client could read it', async () => {
  const refusals: [string, string][] = [
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', '400'],
    ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', '400'],
    [`GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`, '431'],
  ]
  for (const [bytes, status] of refusals) {
    await using engine = await new Engine(1, { onRequest: echo }).listen()
    await using client = await RawClient.to(engine.port, bytes)
    const got = await client.close()
    assert.ok(got.startsWith(`HTTP/1.1 ${status} `), got)
    assert.ok(got.includes('\r\nconnection: close\r\n'))
    assert.match(got, /\r\n\r\nrequest refused: [a-z_]+/)
    if (status === '431') assert.match(got, /\(maxHeadBytes is 61440\)$/)
    client.send('more that must not reset the answer')
    client.socket.end()
    await client.until((c) => c.closed)
    assert.equal(client.error, '')
    assert.equal(engine.finished.length, 1)
    assert.equal(engine.finished[0]?.responseFlags, 'DPE')
    await eventually(() => engine.closes.join() === 'refused', 'the close')
  }
})

test('requests before a refused one are still answered', async () => {
  await using engine = await new Engine(1, { onRequest: echo }).listen()
  await using client = await RawClient.to(engine.port, get('/good') + 'bad\r\n\r\n')
  const got = await client.close()
  assert.deepEqual(bodies(got), ['</good>'])
  assert.ok(got.includes('HTTP/1.1 400 Bad Request'))
})

test('a head that dribbles in is 408 at its deadline, however often a byte comes', async () => {
  await using engine = await new Engine(1, {
    onRequest: echo,
    deadlines: { headMs: 10_000, idleMs: 60_000 },
  }).listen()
  await using client = await RawClient.to(engine.port, get('/1'))
  await client.includes('</1>')
  client.send('GET /2 HT')
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    engine.clock.advance(1000)
    client.send('x')
  }
  assert.equal(engine.finished.length, 1)
  engine.clock.advance(3500)
  const got = await client.close()
  assert.ok(got.includes('HTTP/1.1 408 Request Timeout'))
  assert.ok(got.endsWith('request timeout: request_head_timeout'))
})

test('an idle connection closes at the idle deadline without a word', async () => {
  await using engine = await new Engine(1, {
    onRequest: echo,
    deadlines: { headMs: 10_000, idleMs: 30_000 },
  }).listen()
  await using client = await RawClient.to(engine.port, get('/1'))
  const before = await client.includes('</1>')
  engine.clock.advance(29_000)
  assert.equal(client.ended, false)
  engine.clock.advance(2_500)
  assert.equal(await client.close(), before)
})

test('a closed connection that the client keeps open is cut after the linger time', async () => {
  await using engine = await new Engine(1, { onRequest: echo }).listen()
  await using client = await RawClient.to(
    engine.port,
    get('/1').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
  )
  await client.close()
  assert.equal(engine.connections.size, 1)
  engine.clock.advance(4000)
  await eventually(() => engine.connections.size === 0, 'the cut')
})

test('drain ends idle connections at once and busy ones after their response', async () => {
  const waiting: Exchange[] = []
  await using engine = await new Engine(1, { onRequest: (exchange) => void waiting.push(exchange) }).listen()
  await using idle = await RawClient.to(engine.port)
  await using busy = await RawClient.to(engine.port, get('/busy'))
  await eventually(() => waiting.length === 1 && engine.connections.size === 2, 'both')
  for (const connection of engine.connections) connection.drain()
  assert.equal(await idle.close(), '')
  assert.equal(busy.ended, false)
  echo(waiting[0] as Exchange)
  const got = await busy.close()
  assert.ok(got.includes('\r\nconnection: close\r\n') && got.endsWith('</busy>'))
})

test('destroy cuts what is under way and records it once', async () => {
  const waiting: Exchange[] = []
  await using engine = await new Engine(1, { onRequest: (exchange) => void waiting.push(exchange) }).listen()
  await using client = await RawClient.to(engine.port, get('/busy'))
  await eventually(() => waiting.length === 1, 'the request')
  for (const connection of engine.connections) connection.destroy('destroyed')
  await client.close()
  assert.equal(engine.finished.length, 1)
  assert.deepEqual(engine.closes, ['destroyed'])
  echo(waiting[0] as Exchange)
  assert.equal(engine.finished.length, 1)
})

test('a broken body is 400 and closes', async () => {
  const waiting: Exchange[] = []
  await using engine = await new Engine(1, { onRequest: (exchange) => void waiting.push(exchange) }).listen()
  await using client = await RawClient.to(engine.port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n')
  assert.match(await client.close(), /^HTTP\/1.1 400 /)
  assert.equal(engine.finished.length, 1)
  assert.equal(engine.finished[0]?.responseFlags, 'DPE')
})
