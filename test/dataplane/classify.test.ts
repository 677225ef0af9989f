import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { classify } from '../../src/dataplane/classify.ts'
import type { Classified, ClassifyOptions } from '../../src/dataplane/classify.ts'
import { Listener } from '../../src/dataplane/listener.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { dialWire } from '../support/wire-client.ts'
import type { WirePeer } from '../support/wire-client.ts'

const timeout = 5000
const request = 'GET /index.html HTTP/1.1\r\nhost: web\r\n\r\n'

/** A stream fed by hand; null ends it. */
class Fed extends Duplex {
  constructor() {
    super({ allowHalfOpen: true })
  }
  override _read(): void {
    return undefined
  }
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done()
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function begin(
  stream: Duplex,
  options: Partial<ClassifyOptions> = {},
): { clock: ManualClock; result: Promise<Classified>; calls: () => number } {
  const clock = new ManualClock()
  let calls = 0
  const result = new Promise<Classified>((resolve) =>
    classify(stream, { tls: true, http: true, deadlineMs: 0, clock, ...options }, (found) => {
      calls += 1
      resolve(found)
    }),
  )
  return { clock, result, calls: () => calls }
}

/** What the next step would read, to the stream's end. */
async function rest(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = new Promise((resolve) => stream.once('end', resolve))
  stream.push(null)
  stream.resume()
  await ended
  return Buffer.concat(chunks)
}

/** The first flight of a real client. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Fed()
    wire._write = (chunk: unknown, _encoding: string, done: () => void) => {
      resolve(chunk as Buffer)
      done()
    }
    const client = connectTls({ socket: wire, servername: 'web.test', ALPNProtocols: ['istio', 'h2'] })
    client.on('error', () => undefined)
  })
}

test('a request line is told at every split point, and every byte is handed back', { timeout }, async () => {
  for (let split = 1; split < request.length; split += 1) {
    const stream = new Fed()
    const { result, clock } = begin(stream)
    stream.push(request.slice(0, split))
    await turn()
    stream.push(request.slice(split))
    const found = await result
    assert.deepEqual(found, { kind: 'known', hello: null, http: 'http1', timedOut: false })
    assert.equal((await rest(stream)).toString(), request, `split at ${split}`)
    assert.equal(clock.pending, 0)
  }
})

test(
  'a ClientHello is told at every split point, with its name and offers',
  { timeout: 20_000 },
  async () => {
    const hello = await clientHello()
    for (let split = 1; split < hello.length; split += 1) {
      const stream = new Fed()
      const { result } = begin(stream)
      stream.push(hello.subarray(0, split))
      await turn()
      stream.push(hello.subarray(split))
      const found = await result
      assert.ok(found.kind === 'known' && found.hello !== null, `split at ${split}`)
      assert.equal(found.hello.sni, 'web.test')
      assert.deepEqual(found.hello.alpn, ['istio', 'h2'])
      assert.ok((await rest(stream)).equals(hello))
    }
  },
)

test('the deadline decides for opaque, and what came is handed back', { timeout }, async () => {
  const stream = new Fed()
  const { result, clock } = begin(stream, { deadlineMs: 100 })
  stream.push(Buffer.from([0x16, 3, 1]))
  await turn()
  clock.advance(99)
  stream.push(Buffer.from([1]))
  await turn()
  clock.advance(1)
  assert.deepEqual(await result, { kind: 'known', hello: null, http: 'not-http', timedOut: true })
  assert.ok((await rest(stream)).equals(Buffer.from([0x16, 3, 1, 1])))
  assert.equal(clock.pending, 0)
})

test(
  'a silent client past the deadline is known, and what it says later still arrives',
  { timeout },
  async () => {
    const stream = new Fed()
    const { result, clock } = begin(stream, { deadlineMs: 100 })
    await turn()
    clock.advance(100)
    assert.deepEqual(await result, { kind: 'known', hello: null, http: 'not-http', timedOut: true })
    stream.push('later')
    assert.equal((await rest(stream)).toString(), 'later')
  },
)

test(
  'a client that ends or breaks before it says anything is gone, once, and its timer with it',
  { timeout },
  async () => {
    const ended = new Fed()
    const one = begin(ended, { deadlineMs: 100 })
    ended.push(null)
    assert.deepEqual(await one.result, { kind: 'gone' })
    const broken = new Fed()
    broken.on('error', () => undefined)
    const two = begin(broken, { deadlineMs: 100 })
    await turn()
    broken.destroy(new Error('reset'))
    assert.deepEqual(await two.result, { kind: 'gone' })
    for (const { clock, calls } of [one, two]) {
      clock.advance(1000)
      await turn()
      assert.equal(calls(), 1)
      assert.equal(clock.pending, 0)
    }
  },
)

async function pair(t: TestContext): Promise<{ client: WirePeer; server: Socket }> {
  const accepted = Promise.withResolvers<Socket>()
  const address = { address: '127.0.0.1', port: 0 }
  const listener = await Listener.bind({ address, reusePort: false, maxConnections: 10 }, accepted.resolve)
  t.after(() => listener.close())
  const client = await dialWire(t, listener.address.port)
  const server = await accepted.promise
  t.after(() => server.destroy())
  return { client, server }
}

test(
  'a client that says less than it takes to tell and half-closes is opaque, and nothing of it is lost',
  { timeout },
  async (t) => {
    const { client, server } = await pair(t)
    const { result } = begin(server)
    client.send('GE').end()
    assert.deepEqual(await result, { kind: 'known', hello: null, http: 'not-http', timedOut: false })
    const chunks: Buffer[] = []
    server.on('data', (chunk: Buffer) => chunks.push(chunk))
    const ended = new Promise((resolve) => server.once('end', resolve))
    server.resume()
    await ended
    assert.equal(Buffer.concat(chunks).toString(), 'GE')
    server.end('answer after the half-close')
    assert.equal(await client.over(), 'answer after the half-close')
  },
)

test(
  'bytes and their end in one packet are told and handed back, the end after them',
  { timeout },
  async () => {
    const stream = new Fed()
    const { result } = begin(stream)
    stream.push(request)
    stream.push(null)
    const found = await result
    assert.ok(found.kind === 'known' && found.http === 'http1')
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    const ended = new Promise((resolve) => stream.once('end', resolve))
    stream.resume()
    await ended
    assert.equal(Buffer.concat(chunks).toString(), request)
  },
)

test(
  'a client that dribbles a request line one byte a packet is refused before it costs more than some ms',
  { timeout },
  async () => {
    const stream = new Fed()
    const { result } = begin(stream)
    let found: Classified | null = null
    void result.then((value) => (found = value))
    stream.push('GET /')
    let sent = 0
    while (found === null && sent < 65_536) {
      stream.push('a')
      sent += 1
      await turn()
    }
    assert.deepEqual(found, { kind: 'endless' })
    assert.ok(sent < 3000, `refused after ${sent} packets`)
  },
)

test('a request line of 8 KiB in ordinary packets is no reason to refuse', { timeout }, async () => {
  const stream = new Fed()
  const { result } = begin(stream)
  const long = `GET /${'a'.repeat(8 * 1024)} HTTP/1.1\r\n\r\n`
  for (let at = 0; at < long.length; at += 1460) {
    stream.push(long.slice(at, at + 1460))
    await turn()
  }
  assert.ok(((await result) as { http?: string }).http === 'http1')
})

test('more than 64 KiB without a decision are refused', { timeout }, async () => {
  const stream = new Fed()
  const { result } = begin(stream)
  stream.push(Buffer.from(`GET /${'a'.repeat(70_000)}`))
  const found = await result
  assert.ok(found.kind === 'endless' || (found.kind === 'known' && found.http === 'not-http'))
})

test('nothing to look for is answered at once, without reading', () => {
  const stream = new Fed()
  let found: Classified | null = null
  classify(
    stream,
    { tls: false, http: false, deadlineMs: 0, clock: new ManualClock() },
    (value) => (found = value),
  )
  assert.deepEqual(found, { kind: 'known', hello: null, http: 'not-http', timedOut: false })
})
