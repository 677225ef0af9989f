/** Requests side by side on one connection between two sidecars: nothing of a request changes, and none disturbs another. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { policy } from '../support/data-plane-harness.ts'
import { httpApplication, tcpApplication } from '../support/applications.ts'
import { pairCa, startPair } from '../support/sidecar-pair.ts'
import { dialWire } from '../support/wire-client.ts'

const timeout = 10_000
const get = (path = '/', fields = ''): string => `GET ${path} HTTP/1.1\r\nhost: api.ns2\r\n${fields}\r\n`

test(
  'thirty clients share one connection between the sidecars, and each gets its own answer',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const pair = await startPair(t, application.port)
    const peers = await Promise.all(Array.from({ length: 30 }, () => dialWire(t, pair.outbound.proxy)))
    for (let round = 0; round < 3; round += 1) {
      for (const [i, peer] of peers.entries()) peer.send(get(`/${round}/${i}`))
      for (const [i, peer] of peers.entries()) {
        const answer = await peer.response()
        assert.equal(answer.status, 200)
        assert.equal(answer.body, `GET /${round}/${i}`)
      }
    }
    assert.equal(pair.legs, 1)
    assert.equal(application.requests.length, 90)
  },
)

test(
  'the application gets an HTTP/1.1 request with the caller’s identity, and the record names it',
  { timeout },
  async (t) => {
    const application = await tcpApplication(t, (socket) => {
      socket.once('data', () =>
        socket.end('HTTP/1.1 299 Quite Fine\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 2\r\n\r\nhi'),
      )
    })
    const pair = await startPair(t, application.port)
    const peer = await dialWire(t, pair.outbound.proxy)
    peer.send(
      get('/a/b?c=%20d', 'x-b: 1\r\nx-b: 2\r\nx-forwarded-client-cert: By=forged\r\nx-latin: \xe9\r\n'),
    )
    const text = await peer.untilText('hi')
    assert.match(text, /^HTTP\/1\.1 299 Quite Fine\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 2\r\n/)
    const seen = application.received()
    assert.match(
      seen,
      /^GET \/a\/b\?c=%20d HTTP\/1\.1\r\nhost: api\.ns2\r\nx-b: 1\r\nx-b: 2\r\nx-latin: \xe9\r\n/,
    )
    assert.match(
      seen,
      /\r\nx-forwarded-client-cert: By=spiffe:\/\/cluster.local\/ns\/ns2\/sa\/app;Hash=[0-9a-f]{64};Subject="";URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web\r\n/,
    )
    assert.doesNotMatch(seen, /forged|sallyport|:reason/)
    const record = await pair.inbound.record()
    assert.equal(record['peer_principal'], 'spiffe://cluster.local/ns/shop/sa/web')
    assert.equal(record['protocol'], 'HTTP/1.1')
    assert.equal(record['response_code'], 299)
    assert.equal((await pair.outbound.record())['peer_principal'], 'spiffe://cluster.local/ns/ns2/sa/app')
  },
)

test(
  'each request is judged by itself: a refusal stands beside answers on the same connection',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const pair = await startPair(t, application.port)
    pair.applyInbound({
      authorizationPolicies: policy('ALLOW', '[{to: [{operation: {paths: ["/open*"]}}]}]'),
    })
    const peers = await Promise.all(Array.from({ length: 10 }, () => dialWire(t, pair.outbound.proxy)))
    for (const [i, peer] of peers.entries()) peer.send(get(i % 2 === 0 ? `/open/${i}` : `/shut/${i}`))
    for (const [i, peer] of peers.entries()) {
      const answer = await peer.response()
      assert.deepEqual(
        [answer.status, answer.body],
        i % 2 === 0 ? [200, `GET /open/${i}`] : [403, 'RBAC: access denied'],
      )
    }
    pair.applyInbound({ authorizationPolicies: policy('DENY', '[{}]') })
    peers[0]?.send(get('/open/0'))
    assert.equal((await peers[0]?.response())?.status, 403)
    pair.applyInbound({})
    peers[0]?.send(get('/open/0'))
    assert.equal((await peers[0]?.response())?.status, 200)
    assert.equal(pair.legs, 1)
  },
)

test(
  'bodies of every framing pass whole both ways: declared, chunked with trailers, none, HEAD, 204, 304',
  { timeout },
  async (t) => {
    const application = await httpApplication(t, (request, response) => {
      const path = request.url ?? ''
      if (path === '/204' || path === '/304') return void response.writeHead(Number(path.slice(1))).end()
      if (path === '/empty') return void response.end()
      if (path === '/head') return void response.setHeader('content-length', '5').end('12345')
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        const body = Buffer.concat(parts).toString('latin1')
        const seen = `${request.headers['content-length'] ?? request.headers['transfer-encoding'] ?? 'none'} ${body}`
        if (path !== '/chunked') return void response.end(seen)
        response.writeHead(200, { trailer: 'x-sum' })
        response.write(seen)
        response.addTrailers({ 'x-sum': String(request.trailers['x-in'] ?? '') })
        response.end()
      })
    })
    const pair = await startPair(t, application.port)
    const peer = await dialWire(t, pair.outbound.proxy)
    const ask = async (bytes: string) => {
      peer.send(bytes)
      return peer.response()
    }
    assert.equal((await ask(get('/none'))).body, 'none ')
    const post = (path: string, fields: string, body: string): string =>
      `POST ${path} HTTP/1.1\r\nhost: api.ns2\r\n${fields}\r\n${body}`
    assert.equal((await ask(post('/length', 'content-length: 4\r\n', 'abcd'))).body, '4 abcd')
    assert.equal((await ask(post('/zero', 'content-length: 0\r\n', ''))).body, '0 ')
    peer.send(
      post('/chunked', 'transfer-encoding: chunked\r\n', '4\r\nabcd\r\n3\r\nefg\r\n0\r\nx-in: 7\r\n\r\n'),
    )
    const trailed = await peer.untilText('x-sum: 7\r\n\r\n')
    assert.match(trailed, /transfer-encoding: chunked/)
    assert.match(trailed, /chunked abcdefg/)
    peer.take()
    assert.equal((await ask(get('/empty'))).body, '')
    peer.send(`HEAD /head HTTP/1.1\r\nhost: api.ns2\r\n\r\n`)
    assert.match(await peer.untilText('\r\n\r\n'), /content-length: 5\r\n/)
    peer.take()
    for (const status of [204, 304]) {
      peer.send(get(`/${status}`))
      assert.match(await peer.untilText('\r\n\r\n'), new RegExp(`^HTTP/1.1 ${status} `))
      peer.take()
    }
    assert.equal((await ask(get('/after'))).body, 'none ')
    assert.equal(pair.legs, 1)
  },
)

test('megabytes go both ways at once while small requests pass by', { timeout: 30_000 }, async (t) => {
  const megabytes = 6
  const application = await httpApplication(t, (request, response) => {
    if (request.url === '/small') return void response.end('small')
    response.writeHead(200, { 'content-length': request.headers['content-length'] })
    request.pipe(response)
  })
  const pair = await startPair(t, application.port)
  const big = await dialWire(t, pair.outbound.proxy)
  const small = await dialWire(t, pair.outbound.proxy)
  const body = Buffer.alloc(megabytes << 20)
  for (let i = 0; i < body.length; i += 4) body.writeUInt32LE((i * 2654435761) >>> 0, i)
  big.send(`POST /big HTTP/1.1\r\nhost: api.ns2\r\ncontent-length: ${body.length}\r\n\r\n`).send(body)
  for (let i = 0; i < 20; i += 1) {
    small.send(get('/small'))
    assert.equal((await small.response()).body, 'small')
  }
  await big.until(({ bytes }) => bytes.length > body.length && bytes.subarray(-64).equals(body.subarray(-64)))
  const { bytes } = big
  assert.ok(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4).equals(body), 'the body came back changed')
  assert.equal(pair.legs, 1)
})

test(
  'a client that does not read holds up nobody else, and what is kept for it is bounded',
  { timeout: 30_000 },
  async (t) => {
    let written = 0
    const application = await httpApplication(t, (request, response) => {
      if (request.url === '/small') return void response.end('small')
      const chunk = Buffer.alloc(64 * 1024)
      const more = (): void => {
        for (;;) {
          written += chunk.length
          if (!response.write(chunk)) break
          if (written > 64 << 20) return
        }
        response.once('drain', more)
      }
      more()
    })
    const pair = await startPair(t, application.port)
    const slow = await dialWire(t, pair.outbound.proxy)
    slow.stream.pause()
    slow.send(get('/endless'))
    const small = await dialWire(t, pair.outbound.proxy)
    let last = -1
    for (let still = 0; still < 50;) {
      small.send(get('/small'))
      assert.equal((await small.response()).body, 'small')
      still = written === last ? still + 1 : 0
      last = written
    }
    assert.ok(written < 24 << 20, `${written} bytes were taken from the application`)
    slow.stream.destroy()
  },
)

test(
  'forty clients that do not read hold up nobody else on their connection either way',
  { timeout: 30_000 },
  async (t) => {
    let stalled = 0
    const application = await httpApplication(t, (request, response) => {
      if (request.url === '/small') {
        request.resume().on('end', () => response.end('small'))
        return
      }
      // Neither is the request read, nor is there an end to the answer.
      const chunk = Buffer.alloc(64 * 1024)
      const more = (): void => {
        while (response.write(chunk));
        response.once('drain', more)
      }
      more()
      stalled += 1
    })
    const pair = await startPair(t, application.port)
    const slow = await Promise.all(Array.from({ length: 40 }, () => dialWire(t, pair.outbound.proxy)))
    for (const peer of slow) {
      peer.stream.pause()
      peer.send(`POST /endless HTTP/1.1\r\nhost: api.ns2\r\ncontent-length: 8000000\r\n\r\n`)
      peer.send(Buffer.alloc(8_000_000))
    }
    await pair.until(() => stalled === 40, 'the requests did not arrive')
    const small = await dialWire(t, pair.outbound.proxy)
    for (let i = 0; i < 100; i += 1) {
      small.send('POST /small HTTP/1.1\r\nhost: api.ns2\r\ncontent-length: 4\r\n\r\nbody')
      assert.equal((await small.response()).body, 'small')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    assert.equal(pair.legs, 1)
    for (const peer of slow) peer.stream.destroy()
  },
)

test(
  'a client that leaves cancels its own request at the application and no other',
  { timeout },
  async (t) => {
    const open: ServerResponse[] = []
    let closed = 0
    const application = await httpApplication(t, (request, response) => {
      if (request.url !== '/wait') return void response.end('ok')
      response.on('close', () => (closed += 1))
      response.write('begun')
      open.push(response)
    })
    const pair = await startPair(t, application.port)
    const [leaver, stayer] = await Promise.all([
      dialWire(t, pair.outbound.proxy),
      dialWire(t, pair.outbound.proxy),
    ])
    leaver.send(get('/wait'))
    stayer.send(get('/wait'))
    await leaver.untilText('begun')
    await stayer.untilText('begun')
    leaver.stream.destroy()
    await pair.until(() => closed === 1, 'the application was not told')
    const record = await pair.inbound.record()
    assert.match(String(record['response_flags']), /^U[CR]$/)
    for (const response of open) response.end(' and done')
    await stayer.untilText('and done')
    assert.equal(closed, 2)
    assert.equal(pair.legs, 1)
  },
)

test('an application that breaks off cuts its own response visibly and no other', { timeout }, async (t) => {
  const application = await httpApplication(t, (request, response) => {
    if (request.url !== '/break') return void response.end('ok')
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => response.destroy())
  })
  const pair = await startPair(t, application.port)
  const [broken, other] = await Promise.all([
    dialWire(t, pair.outbound.proxy),
    dialWire(t, pair.outbound.proxy),
  ])
  broken.send(get('/break'))
  await broken.over()
  assert.equal(broken.ending, 'reset')
  other.send(get('/fine'))
  assert.equal((await other.response()).body, 'ok')
  assert.equal(pair.legs, 1)
})

test('a new certificate moves requests to a new connection without failing one', { timeout }, async (t) => {
  const application = await httpApplication(t)
  const pair = await startPair(t, application.port)
  const peers = await Promise.all(Array.from({ length: 8 }, () => dialWire(t, pair.outbound.proxy)))
  for (let turn = 0; turn < 30; turn += 1) {
    for (const [i, peer] of peers.entries()) peer.send(get(`/${turn}/${i}`))
    if (turn % 10 === 5)
      pair.outbound.identity(await pairCa.svid('shop', 'web'), { 'cluster.local': pairCa.rootPem })
    for (const peer of peers) assert.equal((await peer.response()).status, 200)
  }
  await pair.until(() => pair.legs === 1, 'earlier connections are left')
})

test(
  'a draining server finishes what it has, loses nothing that was on the way, and its connection ends',
  { timeout },
  async (t) => {
    let release: (() => void) | null = null
    const application = await httpApplication(t, (request, response) => {
      if (request.url === '/slow') release = () => response.end('slow')
      else response.end('ok')
    })
    const pair = await startPair(t, application.port)
    const [slow, other] = await Promise.all([
      dialWire(t, pair.outbound.proxy),
      dialWire(t, pair.outbound.proxy),
    ])
    slow.send(get('/slow'))
    await pair.until(() => release !== null, 'the slow request did not arrive')
    pair.inbound.thread.hear({ type: 'drain', direction: 'inbound' })
    for (let i = 0; i < 20; i += 1) {
      other.send(`POST /${i} HTTP/1.1\r\nhost: api.ns2\r\ncontent-length: 3\r\n\r\nabc`)
      assert.equal((await other.response()).status, 200)
    }
    ;(release as unknown as () => void)()
    assert.equal((await slow.response()).body, 'slow')
    await pair.until(() => pair.inbound.told.some(({ type }) => type === 'drained'), 'the drain did not end')
  },
)

test('a WebSocket takes a connection of its own', { timeout }, async (t) => {
  const application = await tcpApplication(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
      socket.on('data', (chunk: Buffer) => socket.write(chunk))
    })
  })
  const pair = await startPair(t, application.port)
  const peer = await dialWire(t, pair.outbound.proxy)
  peer.send(get('/ws', 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: a\r\n'))
  await peer.untilText('101 Switching Protocols')
  await peer.untilText('\r\n\r\n')
  peer.send('frames')
  await peer.untilText('frames')
  peer.stream.destroy()
})

test('a 100 (Continue) reaches the client before its body leaves', { timeout }, async (t) => {
  const application = await tcpApplication(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      socket.once('data', (body: Buffer) =>
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body.toString()}`),
      )
    })
  })
  const pair = await startPair(t, application.port)
  const peer = await dialWire(t, pair.outbound.proxy)
  peer.send('PUT / HTTP/1.1\r\nhost: api.ns2\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n')
  await peer.untilText('100 Continue')
  peer.take()
  peer.send('body')
  assert.equal((await peer.response()).body, 'body')
})

test(
  'a peer that falls silent with requests under way is given up after it was asked',
  { timeout },
  async (t) => {
    const application = await httpApplication(t, () => undefined)
    const pair = await startPair(t, application.port)
    const peer = await dialWire(t, pair.outbound.proxy)
    peer.send(get('/never'))
    await pair.until(() => application.requests.length === 1, 'the request did not arrive')
    // The server lives and answers pings: nothing happens to a request that is merely slow.
    for (let i = 0; i < 8; i += 1) {
      pair.outbound.clock.advance(10_000)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    assert.equal(peer.ending, 'open')
  },
)
