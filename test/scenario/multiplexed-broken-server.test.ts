/**
 * A server that agrees on `sallyport/1` and then breaks it, or goes away at a bad moment: each request ends with an answer
 * that says whose fault it was, is sent again only where that is safe, and no connection is poisoned.
 */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:tls'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Flag, FrameType } from '../../src/http2/frame.ts'
import { endpoint, service } from '../cluster/mesh.ts'
import { frame, settings } from '../http2/frames.ts'
import { Harness } from '../support/data-plane-harness.ts'
import { data, FramePeer, goAway, reset, setting, windowUpdate } from '../support/frame-peer.ts'
import type { SeenFrame } from '../support/frame-peer.ts'
import { appIdentity, pairCa, webIdentity } from '../support/sidecar-pair.ts'
import { dialWire, WirePeer } from '../support/wire-client.ts'

const timeout = 10_000
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: api.ns2\r\n\r\n`
const post = (path: string, body = ''): string =>
  `POST ${path} HTTP/1.1\r\nhost: api.ns2\r\ncontent-length: ${body.length}\r\n\r\n${body}`
const ok = [':status', '200', 'content-length', '2']

interface Stage {
  readonly outbound: Harness
  /** Connections of the proxy, in order, with what was said on them. */
  readonly legs: FramePeer[]
  /** What the server takes from now on. */
  speaks: string
  /** Connections that come are cut before they say anything. */
  refuses: boolean
  client(): Promise<WirePeer>
  /** Waits for leg `i` to exist and to have heard so many requests; gives their heads. */
  asked(leg: number, requests?: number): Promise<SeenFrame[]>
  until(condition: () => boolean, what: string): Promise<void>
}

async function stage(t: TestContext, first: Buffer = settings): Promise<Stage> {
  const legs: FramePeer[] = []
  const sockets = new Set<Socket>()
  const server = createServer({
    cert: appIdentity.certificateChain,
    key: appIdentity.privateKey,
    allowHalfOpen: true,
    ALPNCallback: ({ protocols }) => (protocols.includes(self.speaks) ? self.speaks : protocols.at(-1)),
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    if (self.refuses) socket.destroy()
  })
  server.on('tlsClientError', () => undefined)
  server.on('secureConnection', (stream: TLSSocket) => {
    const wire = new WirePeer(stream)
    if (stream.alpnProtocol !== 'sallyport/1') {
      stream.on('data', () => stream.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhttp1'))
      return
    }
    legs.push(new FramePeer(wire, 24))
    if (first.length > 0) wire.send(first)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const outbound = await Harness.start({ outbound: true })
  outbound.identity(webIdentity, { 'cluster.local': pairCa.rootPem })
  outbound.apply({
    services: [service('api', { endpoints: [endpoint('127.0.0.1', { ports: { 80: port } })] })],
  })
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await outbound.stop()
  })
  const until = async (condition: () => boolean, what: string): Promise<void> => {
    for (let turn = 0; turn < 20_000; turn += 1) {
      if (condition()) return
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.fail(what)
  }
  const heads = (frames: readonly SeenFrame[]): SeenFrame[] =>
    frames.filter(({ fields }) => fields[0] === ':method')
  const self: Stage = {
    outbound,
    legs,
    speaks: 'sallyport/1',
    refuses: false,
    client: () => dialWire(t, outbound.proxy),
    until,
    async asked(leg, requests = 1) {
      await until(() => legs.length > leg, `connection ${leg} did not come`)
      const peer = legs[leg] as FramePeer
      return heads(await peer.until((frames) => heads(frames).length >= requests))
    },
  }
  return self
}

const pathOf = ({ fields }: SeenFrame): string => fields[fields.indexOf(':path') + 1] ?? ''

const broken: readonly [what: string, frames: (leg: FramePeer, id: number) => Buffer, reason: string][] = [
  ['a body before its head', (_, id) => data(id, 'x', true), 'body_before_head'],
  ['no status', (leg, id) => leg.headers(id, ['x-a', '1']), 'bad_response_fields'],
  ['a status that is none', (leg, id) => leg.headers(id, [':status', '2000']), 'bad_response_fields'],
  ['two statuses', (leg, id) => leg.headers(id, [':status', '200', ':status', '200']), 'bad_response_fields'],
  ['a 101', (leg, id) => leg.headers(id, [':status', '101'], false), 'bad_response_fields'],
  ['an interim head as the end', (leg, id) => leg.headers(id, [':status', '100']), 'bad_response_fields'],
  [
    'a pseudo-field of requests',
    (leg, id) => leg.headers(id, [':status', '200', ':path', '/']),
    'bad_response_fields',
  ],
  [
    'a status behind fields',
    (leg, id) => leg.headers(id, ['x-a', '1', ':status', '200']),
    'bad_response_fields',
  ],
  [
    'a line in a value',
    (leg, id) => leg.headers(id, [':status', '200', 'x-a', 'b\r\nset-cookie: c']),
    'bad_response_fields',
  ],
  [
    'a line in the reason',
    (leg, id) => leg.headers(id, [':status', '200', ':reason', 'OK\r\nx: y']),
    'bad_response_fields',
  ],
  ['an upper-case name', (leg, id) => leg.headers(id, [':status', '200', 'X-A', 'b']), 'bad_response_fields'],
  [
    'connection',
    (leg, id) => leg.headers(id, [':status', '200', 'connection', 'close']),
    'bad_response_fields',
  ],
  [
    'transfer-encoding',
    (leg, id) => leg.headers(id, [':status', '200', 'transfer-encoding', 'chunked']),
    'bad_response_fields',
  ],
  [
    'two lengths',
    (leg, id) => leg.headers(id, [':status', '200', 'content-length', '0', 'content-length', '0']),
    'bad_response_fields',
  ],
  ['a length of which nothing comes', (leg, id) => leg.headers(id, ok), 'bad_response_fields'],
  [
    'a head too large',
    (leg, id) =>
      leg.headers(id, [':status', '200', ...Array.from({ length: 120 }, (_, i) => [`x-${i}`, '1']).flat()]),
    'head_too_large',
  ],
  [
    'interim heads without end',
    (leg, id) =>
      Buffer.concat(
        Array.from({ length: 500 }, () => leg.headers(id, [':status', '103', 'link', '</x>'], false)),
      ),
    'too_many_interim_heads',
  ],
]
test(
  'a malformed answer is a 502 of its request alone, and the connection serves the next',
  { timeout },
  async (t) => {
    const { client, asked, legs, outbound } = await stage(t)
    let requests = 0
    for (const [what, frames, reason] of broken) {
      const peer = await client()
      peer.send(get(`/${requests}`))
      requests += 1
      const { stream } = (await asked(0, requests)).at(-1) as SeenFrame
      const leg = legs[0] as FramePeer
      leg.send(frames(leg, stream))
      await peer.until(({ text }) => text.includes('malformed HTTP'))
      assert.match(peer.text, /HTTP\/1\.1 502 /, what)
      const record = await outbound.record()
      assert.deepEqual(
        [record['response_flags'], record['upstream_transport_failure_reason']],
        ['UPE', reason],
        what,
      )
      peer.stream.destroy()
    }
    assert.equal(legs.length, 1)
  },
)

for (const [what, status, method] of [
  ['HEAD', '200', 'HEAD'],
  ['204', '204', 'GET'],
  ['304', '304', 'GET'],
] as const)
  test(
    `bytes behind an answer without body (${what}) never pass for the next answer`,
    { timeout },
    async (t) => {
      const { client, asked, legs } = await stage(t)
      const peer = await client()
      peer.send(get('/').replace('GET', method))
      const { stream } = (await asked(0))[0] as SeenFrame
      const leg = legs[0] as FramePeer
      const poison = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison'
      leg.send(leg.headers(stream, [':status', status], false), data(stream, poison, true))
      await peer.over()
      assert.doesNotMatch(peer.text, /poison/)
    },
  )

for (const [what, frames] of [
  [
    'more than declared',
    (leg: FramePeer, id: number) => Buffer.concat([leg.headers(id, ok, false), data(id, 'abcdef', true)]),
  ],
  [
    'less than declared',
    (leg: FramePeer, id: number) => Buffer.concat([leg.headers(id, ok, false), data(id, 'a', true)]),
  ],
  [
    'trailers that frame',
    (leg: FramePeer, id: number) =>
      Buffer.concat([
        leg.headers(id, [':status', '200'], false),
        data(id, 'a'),
        leg.headers(id, ['content-length', '1']),
      ]),
  ],
  [
    'a second head',
    (leg: FramePeer, id: number) =>
      Buffer.concat([
        leg.headers(id, [':status', '200'], false),
        data(id, 'a'),
        leg.headers(id, [':status', '200'], false),
      ]),
  ],
  [
    'a reset',
    (leg: FramePeer, id: number) => Buffer.concat([leg.headers(id, ok, false), data(id, 'a'), reset(id)]),
  ],
] as const)
  test(
    `an answer that breaks in its middle (${what}) is cut visibly, and no other is`,
    { timeout },
    async (t) => {
      const { client, asked, legs } = await stage(t)
      const [one, other] = [await client(), await client()]
      one.send(get('/one'))
      other.send(get('/other'))
      const heads = await asked(0, 2)
      const leg = legs[0] as FramePeer
      const of = (path: string): number => heads.find((head) => pathOf(head) === path)?.stream ?? 0
      leg.send(frames(leg, of('/one')))
      await one.over()
      assert.equal(one.ending, 'reset')
      assert.doesNotMatch(one.text, /abc/)
      leg.send(leg.headers(of('/other'), ok, false), data(of('/other'), 'ok', true))
      assert.equal((await other.response()).body, 'ok')
      assert.equal(legs.length, 1)
    },
  )

test(
  'a stream refused as unprocessed is sent once more, whatever its method, unless its body has left',
  { timeout },
  async (t) => {
    const { client, asked, legs } = await stage(t)
    const [bare, loaded] = [await client(), await client()]
    bare.send(post('/bare'))
    const [first] = await asked(0)
    const leg = legs[0] as FramePeer
    leg.send(reset(first?.stream ?? 0, 7))
    const again = (await asked(1))[0] as SeenFrame
    assert.equal(pathOf(again), '/bare')
    const second = legs[1] as FramePeer
    second.send(reset(again.stream, 7))
    assert.equal((await bare.response()).status, 503)
    loaded.send(post('/loaded', 'body'))
    const third = (await asked(1, 2)).at(-1) as SeenFrame
    assert.equal(pathOf(third), '/loaded')
    second.send(reset(third.stream, 7))
    assert.equal((await loaded.response()).status, 503)
    assert.equal(legs.length, 2)
  },
)

test(
  'GOAWAY: what is above its last stream is sent again, what is not is waited for, and the connection ends',
  { timeout },
  async (t) => {
    const { client, asked, legs } = await stage(t)
    const peers = await Promise.all(Array.from({ length: 4 }, () => client()))
    for (const [i, peer] of peers.entries()) {
      peer.send(i % 2 === 0 ? get(`/${i}`) : post(`/${i}`))
      await asked(0, i + 1)
    }
    const leg = legs[0] as FramePeer
    leg.send(goAway(3))
    const again = await asked(1, 2)
    assert.deepEqual(again.map(pathOf).toSorted(), ['/2', '/3'])
    const second = legs[1] as FramePeer
    for (const { stream } of again) second.send(second.headers(stream, ok, false), data(stream, 'ok', true))
    for (const id of [1, 3]) leg.send(leg.headers(id, ok, false), data(id, 'ok', true))
    for (const peer of peers) assert.equal((await peer.response()).status, 200)
    await leg.wire.over()
    const late = await client()
    late.send(get('/late'))
    const heads = await asked(1, 3)
    assert.equal(pathOf(heads.at(-1) as SeenFrame), '/late')
  },
)

test(
  'GOAWAY and the end at once: what was not processed is sent again, what may have been is told so',
  { timeout },
  async (t) => {
    const { client, asked, legs } = await stage(t)
    const [done, notDone] = [await client(), await client()]
    done.send(post('/first', 'x'))
    await asked(0, 1)
    notDone.send(post('/second'))
    await asked(0, 2)
    const leg = legs[0] as FramePeer
    leg.send(goAway(1))
    leg.wire.end()
    assert.equal((await done.response()).status, 503)
    const again = (await asked(1))[0] as SeenFrame
    assert.equal(pathOf(again), '/second')
    const second = legs[1] as FramePeer
    second.send(second.headers(again.stream, ok, false), data(again.stream, 'ok', true))
    assert.equal((await notDone.response()).status, 200)
  },
)

test(
  'a connection cut under thirty requests is replaced by one, and those that may be are sent again on it',
  { timeout },
  async (t) => {
    const { client, asked, legs } = await stage(t)
    const warm = await client()
    warm.send(get('/warm'))
    await asked(0)
    const leg = legs[0] as FramePeer
    leg.send(leg.headers(1, ok, false), data(1, 'ok', true))
    await warm.response()
    const peers = await Promise.all(Array.from({ length: 30 }, () => client()))
    for (const [i, peer] of peers.entries()) peer.send(i % 3 === 0 ? post(`/${i}`, 'x') : get(`/${i}`))
    await asked(0, 31)
    leg.wire.stream.destroy()
    const again = await asked(1, 20)
    const second = legs[1] as FramePeer
    for (const { stream } of again) second.send(second.headers(stream, ok, false), data(stream, 'ok', true))
    const statuses = await Promise.all(peers.map(async (peer) => (await peer.response()).status))
    assert.deepEqual(
      statuses,
      peers.map((_, i) => (i % 3 === 0 ? 503 : 200)),
    )
    assert.equal(legs.length, 2)
  },
)

test(
  'a server that says nothing is asked after ten seconds and given up after ten more',
  { timeout },
  async (t) => {
    const { client, asked, legs, outbound } = await stage(t)
    const peer = await client()
    peer.send(post('/x', 'x'))
    await asked(0)
    const leg = legs[0] as FramePeer
    const acknowledged = ({ type, flags }: SeenFrame): boolean =>
      type === FrameType.Settings && flags === Flag.Ack
    await leg.until((frames) => frames.some(acknowledged))
    const pinged = (): boolean =>
      leg.read().some(({ type, flags }) => type === FrameType.Ping && (flags & Flag.Ack) === 0)
    outbound.clock.advance(9000)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(pinged(), false)
    outbound.clock.advance(2500)
    await leg.until(pinged)
    outbound.clock.advance(9000)
    assert.equal(peer.text, '')
    outbound.clock.advance(2500)
    assert.equal((await peer.response()).status, 503)
    await leg.wire.over()
    assert.equal((await outbound.record())['upstream_transport_failure_reason'], 'peer_is_silent')
  },
)

test(
  'windows that shrink below nothing hold a body back, and it arrives whole when they grow',
  { timeout },
  async (t) => {
    const { client, asked, legs } = await stage(t, setting([4, 1000]))
    const peer = await client()
    const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251))
    peer.send(`POST / HTTP/1.1\r\nhost: api.ns2\r\ncontent-length: ${body.length}\r\n\r\n`).send(body)
    await asked(0)
    const leg = legs[0] as FramePeer
    const got = (): Buffer =>
      Buffer.concat(
        leg
          .read()
          .filter(({ type }) => type === FrameType.Data)
          .map(({ payload }) => payload),
      )
    await leg.until(() => got().length >= 1000)
    const before = got().length
    leg.send(setting([4, 0]))
    await leg.until(
      (frames) =>
        frames.filter(({ type, flags }) => type === FrameType.Settings && flags === Flag.Ack).length >= 2,
    )
    const after = got().length
    leg.send(windowUpdate(1, after), windowUpdate(0, 1 << 20), frame(FrameType.Ping, 0, 0, Buffer.alloc(8)))
    await leg.until((frames) =>
      frames.some(({ type, flags }) => type === FrameType.Ping && flags === Flag.Ack),
    )
    assert.ok(before <= 65_535 && got().length <= 65_535 + after, `${before}, ${got().length}`)
    leg.send(setting([4, 1 << 20]))
    await leg.until(() => got().length >= body.length)
    assert.ok(got().equals(body))
    leg.send(leg.headers(1, ok, false), data(1, 'ok', true))
    assert.equal((await peer.response()).status, 200)
  },
)

for (const [most, expected] of [
  [1, 5],
  [0, 0],
] as const)
  test(
    `a server that takes ${most} streams at once serves ${expected} of five, and none is left waiting`,
    { timeout },
    async (t) => {
      const { client, legs, until } = await stage(t, setting([3, most]))
      const peers: WirePeer[] = []
      let stopped = false
      const serve = (async (): Promise<void> => {
        const served = new Map<FramePeer, number>()
        while (!stopped) {
          for (const leg of legs) {
            const heads = leg.read().filter(({ fields }) => fields[0] === ':method')
            const from = served.get(leg) ?? 0
            served.set(leg, heads.length)
            for (const [i, { stream }] of heads.slice(from).entries())
              if (i < most) leg.send(leg.headers(stream, ok, false), data(stream, 'ok', true))
              else leg.send(reset(stream, 7))
          }
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      for (let i = 0; i < 5; i += 1) {
        const peer = await client()
        peers.push(peer)
        peer.send(get(`/${i}`))
        // One after the other, so that it is the limit as announced that counts.
        await until(() => peer.text.includes('\r\n\r\n'), `request ${i} waits for ever`)
      }
      const statuses = await Promise.all(peers.map(async (peer) => (await peer.response()).status))
      stopped = true
      await serve
      assert.equal(statuses.filter((status) => status === 200).length, expected)
      assert.ok(statuses.every((status) => status === 200 || status === 503))
    },
  )

test(
  'a server that takes HTTP/1.1 is remembered for a minute and then offered more again',
  { timeout },
  async (t) => {
    const self = await stage(t)
    self.speaks = 'istio-http/1.1'
    const peer = await self.client()
    peer.send(get('/1'))
    assert.equal((await peer.response()).body, 'http1')
    self.speaks = 'sallyport/1'
    peer.send(get('/2'))
    assert.equal((await peer.response()).body, 'http1')
    assert.equal(self.legs.length, 0)
  },
)

test(
  'a server that falls back to HTTP/1.1 when its connection was lost serves those who wait',
  { timeout },
  async (t) => {
    const self = await stage(t)
    const peers = await Promise.all(Array.from({ length: 5 }, () => self.client()))
    for (const peer of peers) peer.send(get('/1'))
    const heads = await self.asked(0, 5)
    const leg = self.legs[0] as FramePeer
    for (const { stream } of heads) leg.send(leg.headers(stream, ok, false), data(stream, 'ok', true))
    for (const peer of peers) assert.equal((await peer.response()).body, 'ok')
    for (const peer of peers) peer.send(get('/2'))
    await self.asked(0, 10)
    self.speaks = 'istio-http/1.1'
    leg.wire.stream.destroy()
    for (const peer of peers) assert.equal((await peer.response()).body, 'http1')
  },
)

test(
  'a dial that fails is shared by all who wait for it, and the next request dials again',
  { timeout },
  async (t) => {
    const self = await stage(t)
    self.refuses = true
    const peers = await Promise.all(Array.from({ length: 5 }, () => self.client()))
    for (const peer of peers) peer.send(get('/'))
    for (const peer of peers) assert.equal((await peer.response()).status, 503)
    self.refuses = false
    peers[0]?.send(get('/'))
    const [head] = await self.asked(0)
    const leg = self.legs[0] as FramePeer
    leg.send(leg.headers(head?.stream ?? 0, ok, false), data(head?.stream ?? 0, 'ok', true))
    assert.equal((await peers[0]?.response())?.status, 200)
  },
)

for (const [when, ready] of [
  ['before the server has spoken', false],
  ['with requests under way', true],
] as const)
  test(
    `the proxy stops ${when}: every request is answered or cut, and nothing is left`,
    { timeout },
    async (t) => {
      const { client, asked, outbound, legs, until } = await stage(t, ready ? settings : Buffer.alloc(0))
      const peers = await Promise.all(Array.from({ length: 3 }, () => client()))
      for (const peer of peers) peer.send(post('/', 'abc'))
      await asked(0, 3)
      outbound.identity(await pairCa.svid('shop', 'web'), { 'cluster.local': pairCa.rootPem })
      outbound.thread.hear({ type: 'close' })
      for (const peer of peers) await peer.over()
      await until(() => legs.every(({ wire }) => wire.ending !== 'open'), 'the leg stays open')
    },
  )

test(
  'a server that breaks the framing is told why, and its requests fail as its fault',
  { timeout },
  async (t) => {
    const { client, asked, legs, outbound } = await stage(t)
    const peer = await client()
    peer.send(post('/', 'abc'))
    await asked(0)
    const leg = legs[0] as FramePeer
    leg.send(frame(FrameType.PushPromise, 4, 1, Buffer.alloc(4)))
    assert.equal((await peer.response()).status, 502)
    assert.equal(await leg.goneWith(), 1)
    assert.equal((await outbound.record())['upstream_transport_failure_reason'], 'push_not_enabled')
  },
)
