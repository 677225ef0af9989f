/** One request and its response over real sockets: framing, streaming, failure and end, byte for byte. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { denial } from '../../../src/dataplane/http/deny-response.ts'
import { Engine, RawClient, dialTo, eventually, scripted } from './engine.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: D\r\n\r\nok'
const get = 'GET /a HTTP/1.1\r\nHost: a\r\nx-request-id: id\r\nx-forwarded-proto: http\r\n\r\n'

/** An application that answers each head it sees with `answer`, and keeps what it got. */
async function app(answer: string | ((seen: string, index: number) => string), when = '\r\n\r\n') {
  const seen: string[] = []
  const server = await scripted((socket, index) => {
    let text = ''
    seen[index] = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      seen[index] += chunk.toString('latin1')
      if (!text.includes(when)) return
      const out = typeof answer === 'string' ? answer : answer(text, index)
      text = ''
      socket.write(out, 'latin1')
    })
    socket.on('end', () => socket.end())
  })
  return Object.assign(server, { seen })
}

test('a request and its response, byte for byte', async () => {
  await using upstream = await app(ok)
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  const got = await client.includes('ok')
  assert.equal(got, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: D\r\nserver: istio-envoy\r\n\r\nok')
  assert.equal(
    upstream.seen[0],
    'GET /a HTTP/1.1\r\nhost: a\r\nx-request-id: id\r\nx-forwarded-proto: http\r\n\r\n',
  )
  const [exchange] = engine.finished
  assert.equal(engine.finished.length, 1)
  assert.equal(exchange?.responseCode, 200)
  assert.equal(exchange?.responseCodeDetails, 'via_upstream')
  assert.equal(exchange?.responseFlags, '')
  assert.equal(exchange?.bytesSent, 2)
  assert.equal(exchange?.upstreamHost, `127.0.0.1:${upstream.port}`)
  assert.ok((exchange?.durationMs ?? -1) >= 0 && (exchange?.upstreamServiceTimeMs ?? -1) >= 0)
})

test('requests on one connection reuse one upstream connection', async () => {
  await using upstream = await app(ok)
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  for (let i = 1; i <= 3; i++) {
    client.send(get)
    await client.until((c) => c.received.split('ok').length > i)
  }
  assert.equal(upstream.seen.length, 1)
  assert.equal(engine.pool.reuses, 2)
})

test('heads and bodies may arrive a byte at a time, both ways', async () => {
  const body =
    'PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nx-request-id: i\r\nx-forwarded-proto: http\r\n\r\nhello'
  await using upstream = await scripted((socket) => {
    let seen = ''
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1')
      if (!seen.endsWith('hello')) return
      assert.ok(seen.startsWith('PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n'))
      let at = 0
      const step = (): void => {
        if (at >= ok.length) return
        socket.write(ok.slice(at, ++at))
        setImmediate(step)
      }
      step()
    })
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  for (const byte of body) {
    client.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.match(await client.includes('\r\n\r\nok'), /^HTTP\/1.1 200 OK\r\ncontent-length: 2\r\n/)
  assert.equal(engine.finished[0]?.bytesReceived, 5)
})

test('a chunked request is re-chunked with its trailers', async () => {
  await using upstream = await app(ok, '0\r\nx-sum: 1\r\n\r\n')
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  client.send(
    'POST / HTTP/1.1\r\nHost: a\r\nx-request-id: i\r\nx-forwarded-proto: http\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  client.send('3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\nAuthorization: x\r\n\r\n')
  await client.includes('ok')
  const [head, ...rest] = (upstream.seen[0] ?? '').split('\r\n\r\n')
  assert.ok(head?.endsWith('\r\ntransfer-encoding: chunked'))
  assert.match(rest.join('\r\n\r\n'), /^3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 1\r\n\r\n$/)
})

test('a chunked response is re-chunked with its trailers', async () => {
  await using upstream = await app(
    'HTTP/1.1 200 OK\r\ndate: D\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status\r\n\r\n3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\r\n',
  )
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  const got = await client.includes('grpc-status: 0\r\n\r\n')
  assert.equal(
    got,
    'HTTP/1.1 200 OK\r\ndate: D\r\ntrailer: grpc-status\r\nserver: istio-envoy\r\ntransfer-encoding: chunked\r\n\r\n' +
      '3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\r\n',
  )
  assert.equal(engine.finished[0]?.grpcStatus, '0')
})

test('a close-delimited response becomes chunked, and the client connection lives on', async () => {
  await using upstream = await scripted((socket) => {
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ndate: D\r\n\r\nall'))
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  const first = await client.includes('0\r\n\r\n')
  assert.ok(first.endsWith('transfer-encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n'))
  client.send(get)
  await client.until((c) => c.received.split('0\r\n\r\n').length === 3)
  assert.equal(engine.pool.dials, 2)
})

test('a 1.0 client gets a close-delimited body, no chunks and no interim responses', async () => {
  await using upstream = await app(
    'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ndate: D\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  )
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  const got = await client.close()
  assert.equal(got, 'HTTP/1.1 200 OK\r\ndate: D\r\nserver: istio-envoy\r\nconnection: close\r\n\r\nabc')
  assert.ok(upstream.seen[0]?.startsWith('GET / HTTP/1.1\r\nhost: \r\n'))
})

test('a 1.0 client that asks for it keeps its connection where the length is known', async () => {
  await using upstream = await app(ok)
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(
    engine.port,
    'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n',
  )
  assert.ok((await client.includes('ok')).includes('\r\nconnection: keep-alive\r\n'))
  client.send(get)
  await client.until((c) => c.received.split('ok').length === 3)
})

test('HEAD, 204 and 304 have no body and keep the connections', async () => {
  const answers = [
    'HTTP/1.1 200 OK\r\ndate: D\r\ncontent-length: 10\r\n\r\n',
    'HTTP/1.1 204 No Content\r\ndate: D\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\ndate: D\r\ncontent-length: 10\r\netag: "x"\r\n\r\n',
    ok,
  ]
  let at = 0
  await using upstream = await app(() => answers[at++] as string)
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  client.send(get.replace('GET', 'HEAD'))
  await client.includes('content-length: 10\r\nserver: istio-envoy\r\n\r\n')
  client.send(get)
  await client.includes('204 No Content\r\ndate: D\r\nserver: istio-envoy\r\n\r\n')
  client.send(get)
  await client.includes(
    '304 Not Modified\r\ndate: D\r\ncontent-length: 10\r\netag: "x"\r\nserver: istio-envoy\r\n\r\n',
  )
  client.send(get)
  await client.includes('\r\n\r\nok')
  assert.equal(upstream.seen.length, 1)
})

test('interim responses are relayed in their place', async () => {
  await using upstream = await app('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n' + ok)
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, get)
  assert.ok(
    (await client.includes('ok')).startsWith(
      'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n',
    ),
  )
})

const expecting = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n'

test('100-continue is asked of the upstream and its answer relayed', async () => {
  await using upstream = await scripted((socket) => {
    let seen = ''
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1')
      if (seen.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      if (seen.endsWith('body')) {
        assert.ok(seen.includes('expect: 100-continue\r\n'))
        socket.write(ok)
      }
    })
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port, expecting)
  assert.equal(await client.includes('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('body')
  await client.includes('ok')
})

test('a refused request that expects 100 gets no 100 and its connection closes', async () => {
  await using engine = await new Engine(1, {
    onRequest: (exchange) =>
      exchange.reply(denial(exchange.head), 'rbac_access_denied_matched_policy[none]', null),
  }).listen()
  await using client = await RawClient.to(engine.port, expecting)
  const got = await client.close()
  assert.match(got, /^HTTP\/1.1 403 Forbidden\r\ncontent-length: 19\r\n/)
  assert.ok(got.includes('\r\nconnection: close\r\n') && got.endsWith('\r\n\r\nRBAC: access denied'))
})

test('a denial keeps the connection; HEAD has no body; a small refused body is dropped', async () => {
  await using engine = await new Engine(1, {
    onRequest: (exchange) => exchange.reply(denial(exchange.head), 'd', null),
  }).listen()
  await using client = await RawClient.to(engine.port)
  client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc')
  client.send('def' + 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const got = await client.close()
  const lines = got.split('HTTP/1.1 403 Forbidden\r\n').slice(1)
  assert.equal(lines.length, 3)
  assert.ok(lines[0]?.endsWith('\r\n\r\n'))
  assert.ok(lines[1]?.endsWith('denied') && !lines[1].includes('connection: close'))
  assert.ok(lines[2]?.includes('connection: close'))
  assert.match(
    lines[1] ?? '',
    /^content-length: 19\r\ncontent-type: text\/plain\r\ndate: [^\r]+\r\nserver: istio-envoy\r\n\r\nRBAC/,
  )
  assert.equal(engine.finished.length, 3)
})

test('a decision may come later; the body waits and is not lost', async () => {
  let go: (() => void) | null = null
  await using upstream = await app(ok, 'body')
  await using engine = await new Engine(upstream.port, {
    onRequest: (_exchange, forward) => void (go = forward),
  }).listen()
  await using client = await RawClient.to(
    engine.port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf',
  )
  await eventually(() => go !== null, 'the request')
  client.send('body')
  ;(go as unknown as () => void)()
  await client.includes('ok')
  assert.ok(upstream.seen[0]?.endsWith('\r\n\r\nhalfbody'))
})

test('an upstream that refuses is 503 UF, one that closes early 503 UC, one that talks rubbish 502 UPE', async () => {
  await using refused = await new Engine(1).listen()
  await using one = await RawClient.to(refused.port, get)
  assert.match(await one.includes('unreachable'), /^HTTP\/1.1 503 Service Unavailable\r\n/)
  assert.equal(refused.finished[0]?.responseFlags, 'UF')

  await using closing = await scripted((socket) => socket.on('data', () => socket.end()))
  await using closed = await new Engine(closing.port).listen()
  await using two = await RawClient.to(closed.port, get)
  assert.match(await two.includes('before it answered'), /^HTTP\/1.1 503 /)
  assert.equal(closed.finished[0]?.responseFlags, 'UC')
  assert.equal(
    closed.finished[0]?.responseCodeDetails,
    'upstream_reset_before_response_started{connection_termination}',
  )

  await using rubbish = await scripted((socket) => socket.on('data', () => socket.write('SSH-2.0-x\r\n\r\n')))
  await using broken = await new Engine(rubbish.port).listen()
  await using three = await RawClient.to(broken.port, get)
  assert.match(await three.includes('malformed'), /^HTTP\/1.1 502 Bad Gateway\r\n/)
  assert.equal(broken.finished[0]?.responseFlags, 'UPE')
})

test('a response cut short upstream is cut short downstream, never ended cleanly', async () => {
  for (const head of ['content-length: 10', 'transfer-encoding: chunked']) {
    await using upstream = await scripted((socket) => {
      socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n3\r\nabc\r\n`))
    })
    await using engine = await new Engine(upstream.port).listen()
    await using client = await RawClient.to(engine.port, get)
    await client.until((c) => c.closed, 'the cut')
    assert.ok(!client.ended, 'a FIN would look like an end')
    assert.equal(engine.finished.length, 1)
    assert.equal(engine.finished[0]?.responseCode, 200)
    assert.equal(engine.finished[0]?.responseFlags, 'UC')
  }
})

test('a client that leaves cuts the upstream, in every phase', async () => {
  const phases = [
    { send: get, answer: '' },
    { send: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc', answer: '' },
    { send: get, answer: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc' },
  ]
  for (const { send, answer } of phases) {
    let seen = false
    let gone = false
    await using upstream = await scripted((socket) => {
      socket.on('data', () => {
        seen = true
        if (answer !== '') socket.write(answer)
      })
      socket.on('close', () => (gone = true))
      socket.on('end', () => socket.end())
    })
    await using engine = await new Engine(upstream.port).listen()
    await using client = await RawClient.to(engine.port, send)
    if (answer !== '') await client.includes('abc')
    await eventually(() => seen, 'the request upstream')
    client.socket.resetAndDestroy()
    await eventually(() => gone, 'the upstream to be cut')
    await eventually(() => engine.finished.length === 1, 'the record')
    assert.equal(engine.finished[0]?.responseFlags, 'DC')
    assert.equal(engine.finished[0]?.responseCode, answer === '' ? 0 : 200)
    assert.equal(engine.pool.counts().open, 0)
  }
})

test('a client that half-closes after its request is told on and still gets its response', async () => {
  await using upstream = await scripted((socket) => {
    socket.on('data', () => undefined)
    socket.on('end', () => socket.end(ok))
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  client.socket.end(get)
  assert.ok((await client.close()).endsWith('ok'))
  assert.equal(engine.finished[0]?.responseFlags, '')
})

test('an early answer to an unfinished upload closes the connection behind it', async () => {
  await using upstream = await app(
    'HTTP/1.1 413 Content Too Large\r\ndate: D\r\ncontent-length: 3\r\n\r\nbig',
  )
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  assert.ok((await client.close()).endsWith('big'))
  assert.equal(engine.pool.counts().open, 0)
})

test('the request timeout is 504 UT and is not retried', async () => {
  let requests = 0
  await using upstream = await scripted((socket) => socket.on('data', () => requests++))
  await using engine = await new Engine(upstream.port, { timeoutMs: 2000 }).listen()
  await using client = await RawClient.to(engine.port, get)
  await eventually(() => requests === 1, 'the request')
  engine.clock.advance(1999)
  assert.equal(engine.finished.length, 0)
  engine.clock.advance(1001)
  assert.match(await client.includes('timeout'), /^HTTP\/1.1 504 Gateway Timeout\r\n/)
  assert.equal(engine.finished[0]?.responseFlags, 'UT')
  assert.equal(requests, 1)
})

test('a stream without a byte either way ends at its idle limit', async () => {
  await using upstream = await scripted((socket) => socket.on('data', () => undefined))
  await using engine = await new Engine(upstream.port, { deadlines: { streamIdleMs: 5000 } }).listen()
  await using client = await RawClient.to(
    engine.port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab',
  )
  await eventually(() => engine.pool.counts().open === 1, 'the request upstream')
  engine.clock.advance(4000)
  client.send('c')
  await eventually(() => engine.connections.size === 1 && engine.finished.length === 0, 'the byte')
  await new Promise((resolve) => setTimeout(resolve, 20))
  engine.clock.advance(4000)
  assert.equal(engine.finished.length, 0)
  engine.clock.advance(3000)
  assert.match(await client.close(), /^HTTP\/1.1 408 /)
  assert.equal(engine.finished[0]?.responseFlags, 'SI')
})

test('a fault in the itinerary answers 500 and costs nobody else anything', async () => {
  let first = true
  await using upstream = await app(ok)
  await using engine = await new Engine(upstream.port, {
    onRequest: (_exchange, forward) => {
      if (!first) return forward()
      first = false
      throw new Error('bug')
    },
  }).listen()
  await using client = await RawClient.to(engine.port, get + get)
  const got = await client.includes('\r\n\r\nok')
  assert.ok(got.startsWith('HTTP/1.1 500 Internal Server Error\r\n'))
  assert.equal(engine.faults.length, 1)
})

test('a slow reader slows the upstream down instead of filling memory', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const total = 400
  let written = 0
  await using upstream = await scripted((socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${chunk.length * total}\r\n\r\n`)
      const more = (): void => {
        while (written < total) {
          written += 1
          if (!socket.write(chunk)) {
            socket.once('drain', more)
            return
          }
        }
      }
      more()
    })
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  client.socket.pause()
  let bytes = 0
  client.socket.removeAllListeners('data')
  client.send(get)
  let before = -1
  while (before !== written || written === 0) {
    before = written
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.ok(written < total, 'the upstream was held back')
  const queued = [...engine.connections].reduce((sum, { stream }) => sum + stream.writableLength, 0)
  assert.ok(queued <= 256 * 1024, `queued ${queued}`)
  client.socket.on('data', (data: Buffer) => (bytes += data.length))
  client.socket.resume()
  await eventually(() => bytes > chunk.length * total, 'everything')
  assert.equal(engine.finished[0]?.bytesSent, chunk.length * total)
})

test('a slow upstream slows the uploader down instead of filling memory', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const total = 400
  let got = 0
  const open = Promise.withResolvers<void>()
  await using upstream = await scripted((socket) => {
    socket.pause()
    void open.promise.then(() => {
      socket.on('data', (data: Buffer) => {
        got += data.length
        if (got >= chunk.length * total) socket.write(ok)
      })
      socket.resume()
    })
  })
  await using engine = await new Engine(upstream.port).listen()
  await using client = await RawClient.to(engine.port)
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${chunk.length * total}\r\n\r\n`)
  let written = 0
  const more = (): void => {
    while (written < total) {
      written += 1
      if (!client.socket.write(chunk)) {
        client.socket.once('drain', more)
        return
      }
    }
  }
  more()
  let before = -1
  while (before !== written) {
    before = written
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.ok(written < total, 'the client was held back')
  open.resolve()
  await client.includes('\r\n\r\nok')
  assert.equal(engine.finished[0]?.bytesReceived, chunk.length * total)
})

test('text that could forge a line of the request is never sent', async () => {
  await using upstream = await app(ok)
  await using engine = await new Engine(upstream.port, {
    onRequest: (exchange) => {
      const dial = dialTo(upstream.port)
      const response = { server: 'envoy', serviceTime: false }
      const headers = ['host', 'a', 'x', '1\r\nx-forwarded-client-cert: forged']
      exchange.forward(
        { upstreams: engine.pool, key: 'k', dial, response, timeoutMs: 0, onDialFailure: null },
        '/',
        headers,
      )
    },
  }).listen()
  await using client = await RawClient.to(engine.port, get)
  assert.match(await client.includes('internal error'), /^HTTP\/1.1 500 /)
  assert.equal(engine.finished.length, 1)
  assert.equal(upstream.seen[0] ?? '', '')
})
