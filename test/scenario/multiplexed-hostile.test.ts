/**
 * An authenticated client that agrees on `sallyport/1` and then plays foul: each attack ends in a refusal of one request or
 * of the connection, costs little, and never reaches the application.
 */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { Flag, FrameType } from '../../src/http2/frame.ts'
import { frame, settings } from '../http2/frames.ts'
import { httpApplication } from '../support/applications.ts'
import type { HttpApplication } from '../support/applications.ts'
import { Harness, inboundPort, policy } from '../support/data-plane-harness.ts'
import type { SnapshotParts } from '../support/data-plane-harness.ts'
import { data, FramePeer, number32, request, reset, setting, windowUpdate } from '../support/frame-peer.ts'
import { appIdentity, pairCa, webIdentity } from '../support/sidecar-pair.ts'
import { dialTls } from '../support/wire-client.ts'

const timeout = 10_000
const calm = 11

interface Stage {
  readonly application: HttpApplication
  readonly harness: Harness
  apply(parts?: SnapshotParts): void
  /** Another connection of the same client. */
  client(first?: Buffer): Promise<FramePeer>
  /** The thread still serves. */
  wellAfter(): Promise<void>
}

async function stage(t: TestContext, answer: Parameters<typeof httpApplication>[1] = null): Promise<Stage> {
  const application = await httpApplication(t, answer)
  const harness = await Harness.start({ applications: [application.port] })
  harness.identity(appIdentity, { 'cluster.local': pairCa.rootPem })
  const apply = (parts: SnapshotParts = {}): void =>
    harness.apply({ inboundPorts: [inboundPort(harness.port, 'http', 'STRICT')], ...parts })
  apply()
  const peers: FramePeer[] = []
  t.after(async () => {
    for (const { wire } of peers) wire.stream.destroy()
    await harness.quiet()
    await harness.stop()
  })
  const client = async (first: Buffer = settings): Promise<FramePeer> => {
    const wire = await dialTls(t, harness.port, { identity: webIdentity, alpn: ['sallyport/1'] })
    const peer = FramePeer.client(wire, first)
    peers.push(peer)
    return peer
  }
  const wellAfter = async (): Promise<void> => {
    const peer = await client()
    peer.send(peer.headers(1, request('/well')))
    assert.equal((await peer.answer(1)).status, 200)
  }
  return { application, harness, apply, client, wellAfter }
}

const never: Parameters<typeof httpApplication>[1] = (message, response) => {
  if (message.url === '/well') response.end()
}

const repeated = (count: number, one: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => one(i)))

test('streams opened only to be reset end the connection (CVE-2023-44487)', { timeout }, async (t) => {
  const { application, client, wellAfter } = await stage(t, never)
  const peer = await client()
  peer.send(repeated(1000, (i) => Buffer.concat([peer.headers(2 * i + 1, request('/x')), reset(2 * i + 1)])))
  assert.equal(await peer.goneWith(), calm)
  assert.ok(application.requests.length <= 300, `${application.requests.length} reached the application`)
  await wellAfter()
})

for (const [what, offence] of [
  ['an empty window update', (id: number) => windowUpdate(id, 0)],
  ['a window beyond what there is', (id: number) => windowUpdate(id, 0x7fffffff)],
  ['data behind the end', (id: number) => data(id, 'x')],
  ['a second head behind the end', null],
] as const)
  test(
    `making us reset streams by ${what} is counted like resetting them (CVE-2025-8671)`,
    { timeout },
    async (t) => {
      const { application, client, wellAfter } = await stage(t, never)
      const peer = await client()
      peer.send(
        repeated(1000, (i) => {
          const id = 2 * i + 1
          const head = peer.headers(id, request('/x'))
          return Buffer.concat([head, offence === null ? peer.headers(id, request('/x')) : offence(id)])
        }),
      )
      assert.equal(await peer.goneWith(), calm)
      assert.ok(application.requests.length <= 300, `${application.requests.length} reached the application`)
      await wellAfter()
    },
  )

test('a client that gives up on slow answers now and then is no attacker', { timeout: 30_000 }, async (t) => {
  const { client } = await stage(t, (message, response) => {
    if (message.url === '/slow') response.write('begun')
    else response.end('ok')
  })
  const peer = await client()
  for (let i = 0; i < 300; i += 1) {
    const id = 2 * i + 1
    peer.send(peer.headers(id, request('/slow')))
    await peer.until((frames) =>
      frames.some(({ stream, type }) => stream === id && type === FrameType.Headers),
    )
    peer.send(reset(id))
  }
  peer.send(peer.headers(1001, request('/fine')))
  assert.equal((await peer.answer(1001)).body, 'ok')
})

const open = (peer: FramePeer): Buffer => peer.headers(1, request('/x', [], 'POST'), false)
const floods: readonly [what: string, before: (peer: FramePeer) => Buffer, one: Buffer][] = [
  ['PING', () => Buffer.alloc(0), frame(FrameType.Ping, 0, 0, Buffer.alloc(8))],
  ['PING answers', () => Buffer.alloc(0), frame(FrameType.Ping, Flag.Ack, 0, Buffer.from('sallypng'))],
  ['SETTINGS', () => Buffer.alloc(0), settings],
  ['SETTINGS answers', () => Buffer.alloc(0), frame(FrameType.Settings, Flag.Ack, 0)],
  ['PRIORITY', () => Buffer.alloc(0), frame(FrameType.Priority, 0, 3, Buffer.alloc(5))],
  ['unknown frames', () => Buffer.alloc(0), frame(0x77, 0, 0, Buffer.from('x'))],
  ['GOAWAY', () => Buffer.alloc(0), frame(FrameType.GoAway, 0, 0, Buffer.alloc(8))],
  ['WINDOW_UPDATE of the connection', () => Buffer.alloc(0), windowUpdate(0, 1)],
  ['WINDOW_UPDATE of a stream', open, windowUpdate(1, 1)],
  [
    'WINDOW_UPDATE of a stream that is over',
    (peer) => Buffer.concat([open(peer), reset(1)]),
    windowUpdate(1, 1),
  ],
  ['RST_STREAM of a stream that is over', (peer) => Buffer.concat([open(peer), reset(1)]), reset(1)],
  ['empty DATA', open, data(1, '')],
  ['DATA of padding alone', open, frame(FrameType.Data, Flag.Padded, 1, Buffer.from([3, 0, 0, 0]))],
  ['half-close', open, frame(FrameType.HalfClose, 0, 1)],
  ['half-close of nothing', () => Buffer.alloc(0), frame(FrameType.HalfClose, 0, 99)],
]
for (const [what, before, one] of floods)
  test(`a flood of ${what} ends the connection`, { timeout }, async (t) => {
    const { client, wellAfter } = await stage(t, never)
    const peer = await client()
    peer.send(
      before(peer),
      repeated(3000, () => one),
    )
    assert.equal(await peer.goneWith(), calm)
    await wellAfter()
  })

test('settings by the thousand in one frame are counted one by one', { timeout }, async (t) => {
  const { client, wellAfter } = await stage(t, never)
  const peer = await client()
  const many = setting(...Array.from({ length: 2000 }, (_, i) => [4, 1000 + i] as const))
  peer.send(many)
  assert.equal(await peer.goneWith(), calm)
  await wellAfter()
})

test(
  'a header block without end is cut at its limit, and an empty CONTINUATION at once',
  { timeout },
  async (t) => {
    const { client, application, wellAfter } = await stage(t, never)
    const start = frame(FrameType.Headers, Flag.EndStream, 1, Buffer.from([0x82]))
    const long = await client()
    long.send(
      start,
      repeated(100, () => frame(FrameType.Continuation, 0, 1, Buffer.alloc(1024, 0x82))),
    )
    assert.equal(await long.goneWith(), calm)
    const tiny = await client()
    tiny.send(
      start,
      repeated(100, () => frame(FrameType.Continuation, 0, 1, Buffer.from([0x82]))),
    )
    assert.equal(await tiny.goneWith(), calm)
    const empty = await client()
    empty.send(start, frame(FrameType.Continuation, 0, 1))
    assert.equal(await empty.goneWith(), calm)
    assert.equal(application.requests.length, 0)
    await wellAfter()
  },
)

const foul: readonly [what: string, code: number, frames: (peer: FramePeer) => Buffer][] = [
  ['an even stream number', 1, (peer) => peer.headers(2, request('/x'))],
  ['DATA on a stream nobody opened', 1, () => data(5, 'x')],
  ['RST_STREAM of a stream nobody opened', 1, () => reset(5)],
  ['WINDOW_UPDATE of a stream nobody opened', 1, () => windowUpdate(5, 1)],
  ['a connection window beyond what there is', 3, () => windowUpdate(0, 0x7fffffff)],
  ['an empty connection window update', 1, () => windowUpdate(0, 0)],
  ['an initial window beyond what there is', 3, () => setting([4, 0x80000000])],
  ['a frame size below the least', 1, () => setting([5, 100])],
  ['a push setting that is no switch', 1, () => setting([2, 2])],
  ['PUSH_PROMISE', 1, () => frame(FrameType.PushPromise, 4, 1, number32(2))],
  ['a frame beyond the size we take', 6, () => frame(0x77, 0, 0, Buffer.alloc(16_385))],
  [
    'a header block that is no HPACK',
    9,
    () => frame(FrameType.Headers, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
  ],
  [
    'another frame inside a header block',
    1,
    () => Buffer.concat([frame(FrameType.Headers, 1, 1, Buffer.from([0x82])), settings]),
  ],
]
for (const [what, code, frames] of foul)
  test(`${what} ends the connection and is answered by nobody`, { timeout }, async (t) => {
    const { application, client, wellAfter } = await stage(t)
    const peer = await client()
    peer.send(frames(peer))
    assert.equal(await peer.goneWith(), code)
    assert.equal(application.requests.length, 0)
    await wellAfter()
  })

test('numbers that go backwards or come again open nothing', { timeout }, async (t) => {
  const { application, client } = await stage(t)
  const peer = await client()
  peer.send(peer.headers(9, request('/nine')))
  assert.equal((await peer.answer(9)).status, 200)
  peer.send(
    peer.headers(3, request('/three')),
    peer.headers(9, request('/nine-again')),
    peer.headers(11, request('/eleven')),
  )
  assert.equal((await peer.answer(11)).status, 200)
  assert.deepEqual(
    application.requests.map(({ url }) => url),
    ['/nine', '/eleven'],
  )
})

test(
  'streams beyond the limit are refused as unprocessed, and those within it are served',
  { timeout },
  async (t) => {
    const held: (() => void)[] = []
    const { application, client } = await stage(
      t,
      (_message, response) => void held.push(() => response.end('ok')),
    )
    const peer = await client()
    peer.send(repeated(260, (i) => peer.headers(2 * i + 1, request(`/${i}`))))
    for (let i = 250; i < 260; i += 1) assert.equal((await peer.answer(2 * i + 1)).reset, 7)
    while (held.length < 250) await new Promise((resolve) => setImmediate(resolve))
    for (const release of held) release()
    for (let i = 0; i < 250; i += 1) assert.equal((await peer.answer(2 * i + 1)).status, 200)
    assert.equal(application.requests.length, 250)
  },
)

test(
  'more body than the stream window admits is refused, and more than the connection admits ends it',
  { timeout },
  async (t) => {
    const { client, wellAfter } = await stage(t, (message, response) => {
      if (message.url === '/well') response.end()
    })
    const peer = await client()
    peer.send(peer.headers(1, request('/x', [], 'POST'), false))
    const piece = Buffer.alloc(16_384)
    for (let sent = 0; sent < 24 << 20 && peer.wire.ending === 'open'; sent += 32 * piece.length) {
      peer.send(repeated(32, () => data(1, piece)))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const answer = await peer.answer(1)
    assert.equal(answer.reset, 3)
    await wellAfter()
  },
)

const latin = (code: number): string => String.fromCharCode(code)
const pseudo = (changes: Record<string, string | null>): string[] =>
  Object.entries({
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': 'web',
    ':path': '/',
    ...changes,
  }).flatMap(([name, value]) => (value === null ? [] : [name, value]))
const malformed: readonly [what: string, fields: string[], status?: number][] = [
  ['an upper-case name', request('/', ['X-Upper', '1'])],
  ['a name that is no token', request('/', ['x y', '1'])],
  ['an empty name', request('/', ['', '1'])],
  ['connection', request('/', ['connection', 'x-a'])],
  ['keep-alive', request('/', ['keep-alive', 'timeout=5'])],
  ['proxy-connection', request('/', ['proxy-connection', 'close'])],
  ['transfer-encoding', request('/', ['transfer-encoding', 'chunked'])],
  ['upgrade', request('/', ['upgrade', 'websocket'])],
  ['te beyond trailers', request('/', ['te', 'gzip'])],
  ['host', request('/', ['host', 'web'])],
  ['a pseudo-field behind fields', [...pseudo({ ':path': null }), 'x-a', '1', ':path', '/']],
  ['a second :path', [...pseudo({}), ':path', '/other']],
  ['a second :authority', [...pseudo({}), ':authority', 'other']],
  ['a second :method', [...pseudo({}), ':method', 'POST']],
  ['a pseudo-field of responses', [...pseudo({}), ':status', '200']],
  ['an unknown pseudo-field', [...pseudo({}), ':protocol', 'websocket']],
  ['no :method', pseudo({ ':method': null })],
  ['no :scheme', pseudo({ ':scheme': null })],
  ['no :authority', pseudo({ ':authority': null })],
  ['no :path', pseudo({ ':path': null })],
  ['an empty :path', pseudo({ ':path': '' })],
  ['a :path without slash', pseudo({ ':path': 'x' })],
  ['an absolute :path', pseudo({ ':path': 'http://other/' })],
  ['a :path with a blank', pseudo({ ':path': '/a b' })],
  ['a :path with a line', pseudo({ ':path': '/a HTTP/1.1\r\nx: y' })],
  ['a :path with a fragment', pseudo({ ':path': '/a#b' })],
  ['a :path with raw high bytes', pseudo({ ':path': '/\xe9' })],
  ['* for GET', pseudo({ ':path': '*' })],
  ['a :method that is no token', pseudo({ ':method': 'GE T' })],
  ['a :method with a line', pseudo({ ':method': 'GET\r\n' })],
  ['a :scheme that is none', pseudo({ ':scheme': 'ftp' })],
  ['userinfo in :authority', pseudo({ ':authority': 'user@web' })],
  ['a list in :authority', pseudo({ ':authority': 'web,other' })],
  ['a path in :authority', pseudo({ ':authority': 'web/x' })],
  ['a port out of range in :authority', pseudo({ ':authority': 'web:70000' })],
  ['CONNECT', pseudo({ ':method': 'CONNECT' }), 501],
  ['two equal lengths', request('/', ['content-length', '0', 'content-length', '0'], 'POST')],
  ['a list of lengths', request('/', ['content-length', '0, 0'], 'POST')],
  ['a signed length', request('/', ['content-length', '+1'], 'POST')],
  ['a length of which nothing comes', request('/', ['content-length', '1'], 'POST')],
  ['an expectation nobody meets', request('/', ['expect', 'miracles'], 'POST'), 417],
  ...[0, 1, 8, 10, 11, 12, 13, 31, 127].map((code): [string, string[]] => [
    `byte ${code} in a value`,
    request('/', ['x-a', `a${latin(code)}b`]),
  ]),
  ['a blank before a value', request('/', ['x-a', ' a'])],
  ['a tab behind a value', request('/', ['x-a', 'a\t'])],
]
test(
  'every malformed head is refused by itself, and none reaches the application',
  { timeout },
  async (t) => {
    const { application, client, harness } = await stage(t)
    for (const [what, fields, status = 400] of malformed) {
      const peer = await client()
      peer.send(peer.headers(1, fields), peer.headers(3, request('/well')))
      const answer = await peer.answer(1)
      assert.equal(answer.status, status, what)
      assert.equal((await peer.answer(3)).status, 200, what)
      const record = [await harness.record(), await harness.record()].find(
        (one) => one['response_code'] === status,
      )
      assert.equal(record?.['response_flags'], 'DPE', what)
      peer.wire.stream.destroy()
    }
    assert.equal(application.requests.length, malformed.length)
    assert.ok(application.requests.every(({ url }) => url === '/well'))
  },
)

const bodies: readonly [what: string, frames: (peer: FramePeer) => Buffer][] = [
  [
    'less than declared',
    (p) =>
      Buffer.concat([
        p.headers(1, request('/b', ['content-length', '5'], 'POST'), false),
        data(1, 'abc', true),
      ]),
  ],
  [
    'more than declared',
    (p) =>
      Buffer.concat([
        p.headers(1, request('/b', ['content-length', '2'], 'POST'), false),
        data(1, 'abc', true),
      ]),
  ],
  [
    'more than nothing',
    (p) =>
      Buffer.concat([
        p.headers(1, request('/b', ['content-length', '0'], 'POST'), false),
        data(1, 'abc', true),
      ]),
  ],
  [
    'trailers before the declared end',
    (p) =>
      Buffer.concat([
        p.headers(1, request('/b', ['content-length', '5'], 'POST'), false),
        data(1, 'abc'),
        p.headers(1, ['x-t', '1']),
      ]),
  ],
  ...(
    [
      ['framing', ['content-length', '3']],
      ['framing', ['transfer-encoding', 'chunked']],
      ['routing', ['host', 'other']],
      ['a pseudo-field', [':path', '/other']],
      ['a line', ['x-t', 'a\r\nb']],
      ['an upper-case name', ['X-T', 'a']],
    ] as const
  ).map(([kind, fields]): [string, (p: FramePeer) => Buffer] => [
    `trailers with ${kind} (${fields[0]})`,
    (p) =>
      Buffer.concat([p.headers(1, request('/b', [], 'POST'), false), data(1, 'abc'), p.headers(1, fields)]),
  ]),
  [
    'trailers without the end',
    (p) =>
      Buffer.concat([
        p.headers(1, request('/b', [], 'POST'), false),
        data(1, 'abc'),
        p.headers(1, ['x-t', '1'], false),
      ]),
  ],
]
for (const [what, frames] of bodies)
  test(`a body with ${what} is never whole to the application`, { timeout }, async (t) => {
    let whole = 0
    let seen = ''
    const { client, wellAfter } = await stage(t, (message, response) => {
      if (message.url === '/well') return void response.end()
      message.on('data', (chunk: Buffer) => (seen += chunk.toString()))
      message.on('end', () => {
        whole += 1
        response.end('whole')
      })
    })
    const peer = await client()
    peer.send(frames(peer))
    const answer = await peer.answer(1)
    assert.equal(answer.status, 400)
    await wellAfter()
    assert.equal(whole, 0)
    assert.ok(seen.length <= 3, seen)
  })

test(
  'trailers behind a body of declared length do not become bytes of the connection to the application',
  { timeout },
  async (t) => {
    const { application, client } = await stage(t, (message, response) => {
      message.resume().on('end', () => response.end(`${message.method} ${JSON.stringify(message.trailers)}`))
    })
    const peer = await client()
    for (const id of [1, 5]) {
      const head = request(`/${id}`, ['content-length', '3'], 'POST')
      peer.send(peer.headers(id, head, false), data(id, 'abc'), peer.headers(id, ['x-t', '1']))
      assert.equal((await peer.answer(id)).body, 'POST {}')
    }
    assert.equal(application.accepted(), 1)
  },
)

test(
  'a client that reads nothing is cut before it costs much, and a stalled one holds no more than its windows',
  { timeout: 60_000 },
  async (t) => {
    let written = 0
    const { application, client, harness, wellAfter } = await stage(t, (message, response) => {
      if (message.url === '/well') return void response.end()
      const chunk = Buffer.alloc(64 * 1024)
      const more = (): void => {
        for (;;) {
          written += chunk.length
          if (!response.write(chunk)) break
        }
        response.once('drain', more)
      }
      more()
    })
    // Windows as large as they get: nothing but the transport holds it back.
    const peer = await client(setting([4, 0x7fffffff]))
    peer.send(windowUpdate(0, 0x7fff0000 - 65_535))
    peer.wire.stream.pause()
    peer.send(repeated(8, (i) => peer.headers(2 * i + 1, request('/endless'))))
    let last = -1
    for (let still = 0; still < 20;) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      still = written === last && application.requests.length >= 8 ? still + 1 : 0
      last = written
    }
    assert.ok(written < 96 << 20, `${written} bytes were taken from the application`)
    await wellAfter()
    peer.wire.stream.destroy()
    while (harness.metrics().connections.inbound > 1) await new Promise((resolve) => setImmediate(resolve))
  },
)

test(
  'no spelling of a forged identity or of the proxies’ own headers passes, and a DENY sees every value',
  { timeout },
  async (t) => {
    const { application, apply, client } = await stage(t)
    apply({
      authorizationPolicies: policy(
        'DENY',
        '[{when: [{key: "request.headers[x-role]", values: ["admin"]}]}, {to: [{operation: {paths: ["/admin*"]}}]}]',
      ),
    })
    const peer = await client()
    peer.send(
      peer.headers(
        1,
        request('/', [
          ...['x_forwarded_client_cert', 'By=forged', 'x-forwarded_client-cert', 'By=forged2'],
          ...['x-envoy-original-path', '/admin', 'x-envoy-upstream-rq-timeout-ms', '1', 'x-role', 'user'],
        ]),
      ),
    )
    assert.equal((await peer.answer(1)).status, 200)
    const seen = application.requests[0]?.headers ?? {}
    assert.match(
      String(seen['x-forwarded-client-cert']),
      /^By=spiffe:[^,]*URI=spiffe:\/\/cluster.local\/ns\/shop\/sa\/web$/,
    )
    assert.doesNotMatch(JSON.stringify(seen), /forged|x-envoy/)
    const bypasses: [string, string[]][] = [
      ['/', ['x-role', 'user', 'x-role', 'admin']],
      ['/', ['x-role', 'admin', 'x-role', 'user']],
      ['/admin', []],
      ['/x/../admin', []],
      ['/./admin?a', []],
      ['/%61dmin', []],
      ['/x/%2e%2e/admin', []],
    ]
    for (const [i, [path, fields]] of bypasses.entries()) {
      peer.send(peer.headers(2 * i + 3, request(path, fields)))
      assert.equal((await peer.answer(2 * i + 3)).status, 403, path)
    }
    assert.equal(application.requests.length, 1)
  },
)

test('frames in single bytes are as good as whole ones', { timeout }, async (t) => {
  const { client } = await stage(t, (message, response) => void message.pipe(response))
  const peer = await client()
  const bytes = Buffer.concat([
    peer.headers(1, request('/', ['content-length', '4'], 'POST'), false),
    data(1, 'ab'),
    frame(FrameType.Data, Flag.Padded | Flag.EndStream, 1, Buffer.from([2, 0x63, 0x64, 0, 0])),
  ])
  for (const byte of bytes) {
    peer.send(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal((await peer.answer(1)).body, 'abcd')
})

test('a client that is cut in the middle leaves nothing behind', { timeout }, async (t) => {
  const { client, harness } = await stage(t, () => undefined)
  for (const last of [0, 3, 9, 12, 40]) {
    const peer = await client()
    peer.send(peer.headers(1, request('/x', [], 'POST'), false), data(1, 'abc').subarray(0, last))
    await peer.until((frames) => frames.length > 0)
    peer.wire.stream.destroy()
  }
  await harness.quiet()
})
