/**
 * The same random request on an HTTP/1.1 leg and as a stream of `sallyport/1`: the application gets the same, and so does
 * the client, whether it is served, refused by policy or malformed.
 */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { frame, settings } from '../http2/frames.ts'
import { httpApplication, tcpApplication } from '../support/applications.ts'
import { Harness, inboundPort, policy } from '../support/data-plane-harness.ts'
import { data, FramePeer, setting, windowUpdate } from '../support/frame-peer.ts'
import { appIdentity, pairCa, startPair, webIdentity } from '../support/sidecar-pair.ts'
import { dialTls, dialWire } from '../support/wire-client.ts'
import type { WirePeer } from '../support/wire-client.ts'

/** A client whose windows hold nothing back. */
const wide = Buffer.concat([setting([4, 0x7fffffff]), windowUpdate(0, 0x7fff0000 - 65_535)])

const seed = Number(process.env['SALLYPORT_SEED'] ?? 1)
const cases = 400

type Random = (below: number) => number

function randomFrom(start: number): Random {
  let state = start >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

interface Plan {
  readonly method: string
  readonly target: string
  readonly authority: string
  /** Flat, without host and framing. */
  readonly fields: readonly string[]
  readonly body: readonly string[] | null
  readonly declared: boolean
  readonly trailers: readonly string[]
}

const one = <T>(random: Random, from: readonly T[]): T => from[random(from.length)] as T

const names =
  'x-a x-b x-role accept cookie authorization x_forwarded_client_cert x-forwarded-client-cert x-envoy-peer-metadata ' +
  'x-forwarded-proto x-forwarded-for x-request-id te user-agent content-type via x-envoy-retry-on traceparent a!#$%&b'
const values = [
  '1',
  'user',
  'admin',
  'a, b',
  '',
  'By=forged;URI=spiffe://x',
  'trailers',
  'h\xe9\xff',
  'a\tb',
  'q="x"',
  'https',
]
const oddValues = ['a\x00b', 'a\x01', 'a\x7fb', 'a\x1f']
const paths = [
  '/',
  '/a',
  '/open/1',
  '/shut',
  '/a/../shut',
  '/%73hut',
  '/a//b',
  '/a%2fb',
  '/x?y=1&z=%20',
  '/.;/a',
  '*',
  '/%zz',
  '/a\\b',
  '/~',
]
const oddPaths = ['/a b', '/a#b', '/\xe9', 'a', '', '/\x01']
const authorities = ['web', 'web:80', 'WEB', '127.0.0.1:9080', '[::1]:80']
const oddAuthorities = ['', 'a,b', 'u@web', 'web:', 'web:99999', 'we b', 'web/x']

function randomPlan(random: Random): Plan {
  const fields: string[] = []
  for (let i = random(6); i > 0; i -= 1) {
    const name = one(random, names.split(' '))
    const value = random(60) === 0 ? one(random, oddValues) : one(random, values)
    // What `te` may say differs by design: HTTP/2 knows `trailers` alone.
    fields.push(name, name === 'te' ? 'trailers' : value)
  }
  const method = one(random, ['GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'x-own'])
  const withBody = random(3) === 0
  const body = withBody ? Array.from({ length: random(4) }, () => 'body'.repeat(1 + random(2000))) : null
  const declared = random(2) === 0
  return {
    method,
    target: random(15) === 0 ? one(random, oddPaths) : one(random, paths),
    authority: random(20) === 0 ? one(random, oddAuthorities) : one(random, authorities),
    fields,
    body,
    declared,
    trailers:
      withBody && !declared && random(2) === 0
        ? ['x-t', '1', 'x-t', '2', 'authorization', 'no', 'x-forwarded-for', 'no']
        : [],
  }
}

const lines = (fields: readonly string[]): string =>
  fields.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('')

function asHttp1({ method, target, authority, fields, body, declared, trailers }: Plan): string {
  const head = `${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n${lines(fields)}`
  if (body === null) return `${head}\r\n`
  const whole = body.join('')
  if (declared) return `${head}content-length: ${whole.length}\r\n\r\n${whole}`
  const chunks = body.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('')
  return `${head}transfer-encoding: chunked\r\n\r\n${chunks}0\r\n${lines(trailers)}\r\n`
}

function asStream(peer: FramePeer, id: number, plan: Plan): Buffer {
  const { method, target, authority, fields, body, declared, trailers } = plan
  const pseudo = [':method', method, ':scheme', 'https', ':authority', authority, ':path', target]
  const whole = (body ?? []).join('')
  const length = body !== null && declared ? ['content-length', String(whole.length)] : []
  const parts = [peer.headers(id, [...pseudo, ...fields, ...length], body === null)]
  if (body !== null) {
    for (const text of body)
      for (let at = 0; at < text.length; at += 16_384) parts.push(data(id, text.slice(at, at + 16_384)))
    parts.push(trailers.length > 0 ? peer.headers(id, trailers) : data(id, '', true))
  }
  return Buffer.concat(parts)
}

/** What an application answers, by the body it got: every framing, odd fields, bodiless statuses. */
function answer(message: IncomingMessage, response: ServerResponse, body: string): void {
  const which = (body.length + (message.url ?? '').length + (message.method ?? '').length) % 8
  const odd = [
    'X-Odd',
    'a',
    'x-odd',
    'b',
    'Set-Cookie',
    'c=1',
    'Set-Cookie',
    'd=2',
    'x-latin',
    'h\xe9',
    'x-envoy-x',
    '1',
    'te',
    'x',
    'host',
    'y',
  ]
  if (which === 0) return void response.writeHead(204, odd).end()
  if (which === 1) return void response.writeHead(304, 'Same As Ever', ['etag', '"a"']).end()
  if (which === 2)
    return void response.writeHead(299, 'Quite Fine', [...odd, 'content-length', '2']).end('hi')
  if (which === 3 && message.method !== 'HEAD') {
    response.writeHead(200, ['trailer', 'x-sum'])
    response.write('begun')
    response.addTrailers({ 'x-sum': '5', 'x-more': 'h' })
    return void response.end()
  }
  if (which === 4)
    return void response.writeHead(500, [...odd, 'connection', 'x-hop, close', 'x-hop', '1']).end('late')
  if (which === 5) return void response.writeHead(200, ['content-length', '0']).end()
  if (which === 6) {
    response.writeEarlyHints({ link: '</x>; rel=preload' })
    return void response.writeHead(200, ['content-length', '3']).end('abc')
  }
  response
    .writeHead(200, ['upgrade', 'h2c', 'keep-alive', 'timeout=5', 'proxy-connection', 'x'])
    .end('z'.repeat(70_000))
}

interface Seen {
  readonly head: string
  fields: readonly string[]
  body: string
  trailers: readonly string[]
}

interface Got {
  readonly status: number
  readonly interim: readonly number[]
  readonly fields: readonly (readonly [string, string])[]
  readonly body: string
  readonly trailers: readonly (readonly [string, string])[]
}

const pairs = (fields: readonly string[]): [string, string][] =>
  Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i] ?? '', fields[2 * i + 1] ?? ''])
/** Fields of the connection, and those that tell the time. */
const passing = (fields: readonly (readonly [string, string])[]): (readonly [string, string])[] =>
  fields.filter(
    ([name]) =>
      ![
        'date',
        'connection',
        'transfer-encoding',
        'x-envoy-upstream-service-time',
        ':status',
        ':reason',
      ].includes(name),
  )

/** Each codec says in its own words why it refuses. */
function settled(got: Got): Got {
  const refused = got.body.startsWith('request refused: ') || (got.body === '' && got.status === 400)
  if (!refused) return got
  return { ...got, body: '', fields: got.fields.filter(([name]) => name !== 'content-length') }
}

/** One whole response off what came; null while it is not whole. */
function readHttp1(text: string, method: string): Got | null {
  const interim: number[] = []
  let rest = text
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return null
    const [line = '', ...heads] = rest.slice(0, end).split('\r\n')
    const status = Number(line.split(' ')[1])
    rest = rest.slice(end + 4)
    if (status < 200) {
      interim.push(status)
      continue
    }
    const fields = heads.map((field): [string, string] => [
      field.slice(0, field.indexOf(':')).toLowerCase(),
      field.slice(field.indexOf(':') + 1).trim(),
    ])
    const of = (name: string): string | undefined => fields.find(([known]) => known === name)?.[1]
    let body = ''
    let trailers: [string, string][] = []
    if (method === 'HEAD' || status === 204 || status === 304) body = ''
    else if (of('transfer-encoding') === 'chunked') {
      for (;;) {
        const at = rest.indexOf('\r\n')
        if (at < 0) return null
        const length = Number.parseInt(rest.slice(0, at), 16)
        if (length === 0) {
          const behind = rest.slice(at + 2)
          const over = behind.startsWith('\r\n') ? 0 : behind.indexOf('\r\n\r\n')
          if (over < 0 || behind === '') return null
          const trailerLines = over === 0 ? [] : behind.slice(0, over).split('\r\n')
          trailers = trailerLines.map((field) => [
            field.slice(0, field.indexOf(':')),
            field.slice(field.indexOf(':') + 2),
          ])
          break
        }
        if (rest.length < at + 4 + length) return null
        body += rest.slice(at + 2, at + 2 + length)
        rest = rest.slice(at + 4 + length)
      }
    } else {
      const length = Number(of('content-length') ?? 0)
      if (rest.length < length) return null
      body = rest.slice(0, length)
    }
    return settled({ status, interim, fields: passing(fields), body, trailers })
  }
}

async function overStream(peer: FramePeer, id: number, bytes: Buffer): Promise<Got> {
  peer.send(bytes)
  const { fields, body, trailers } = await peer.answer(id)
  const heads = peer.frames
    .filter((frame) => frame.stream === id && frame.fields[0] === ':status')
    .map((frame) => Number(frame.fields[1]))
  return settled({
    status: Number(fields[1]),
    interim: heads.filter((status) => status < 200),
    fields: passing(pairs(fields)),
    body,
    trailers: pairs(trailers ?? []),
  })
}

function recording(seen: Seen[]): (message: IncomingMessage, response: ServerResponse) => void {
  return (message, response) => {
    const one: Seen = {
      head: `${message.method} ${message.url}`,
      fields: message.rawHeaders.map((text, i, all) =>
        all[i - 1] === 'x-request-id' && i % 2 === 1 ? '(id)' : text,
      ),
      body: '',
      trailers: [],
    }
    seen.push(one)
    message.setEncoding('latin1').on('data', (text: string) => (one.body += text))
    message.on('end', () => {
      // A body of chunks that is empty is none: HTTP/2 does not tell them apart.
      if (one.body === '' && message.headers['transfer-encoding'] === 'chunked')
        one.fields = one.fields.filter((_, i, all) => all[i - (i % 2)] !== 'transfer-encoding')
      one.trailers = message.rawTrailers
      answer(message, response, one.body)
    })
  }
}

const rules =
  '[{to: [{operation: {paths: ["/shut*"]}}]}, {when: [{key: "request.headers[x-role]", values: [admin]}]}]'

async function stage(t: TestContext) {
  const seen: Seen[] = []
  const application = await httpApplication(t, recording(seen))
  const harness = await Harness.start({ applications: [application.port] })
  harness.identity(appIdentity, { 'cluster.local': pairCa.rootPem })
  const inboundPorts = [inboundPort(harness.port, 'http', 'STRICT')]
  harness.apply({ inboundPorts, authorizationPolicies: policy('DENY', rules) })
  const peers: WirePeer[] = []
  t.after(async () => {
    for (const peer of peers) peer.stream.destroy()
    // The last of them may not be through its handshake yet.
    while (harness.metrics().handshakes > 0) await new Promise((resolve) => setImmediate(resolve))
    await harness.quiet()
    await harness.stop()
  })
  const dial = async (alpn: string): Promise<WirePeer> => {
    const peer = await dialTls(t, harness.port, { identity: webIdentity, alpn: [alpn] })
    peers.push(peer)
    return peer
  }
  return { seen, dial }
}

test(
  `${cases} random requests are the same by HTTP/1.1 and side by side (SALLYPORT_SEED=${seed})`,
  { timeout: 20_000 },
  async (t) => {
    const random = randomFrom(seed)
    const { seen, dial } = await stage(t)
    let frames = FramePeer.client(await dial('sallyport/1'), wide)
    let id = -1
    let http1 = await dial('http/1.1')
    const statuses = new Map<number, number>()
    for (let i = 0; i < cases; i += 1) {
      const plan = randomPlan(random)
      const what = `case ${i}: ${JSON.stringify({ ...plan, body: plan.body?.map(({ length }) => length) })}`
      if (http1.ending !== 'open') http1 = await dial('http/1.1')
      http1.take()
      http1.send(asHttp1(plan))
      await http1.until((peer) => readHttp1(peer.text, plan.method) !== null || peer.ending !== 'open')
      const by1 = readHttp1(http1.text, plan.method)
      assert.ok(by1 !== null, what)
      if (by1.status >= 400 && http1.text.includes('connection: close')) await http1.over()
      const seenBy1 = seen.splice(0)
      id += 2
      const by2 = await overStream(frames, id, asStream(frames, id, plan))
      const seenBy2 = seen.splice(0)
      assert.deepEqual(seenBy2, seenBy1, what)
      // An empty method or target cannot be told apart from the blanks around it in a request line.
      assert.deepEqual(by2, by1, what)
      statuses.set(by1.status, (statuses.get(by1.status) ?? 0) + 1)
      if (i % 50 === 49 && i + 1 < cases) {
        frames = FramePeer.client(await dial('sallyport/1'), wide)
        id = -1
      }
    }
    for (const status of [200, 204, 304, 299, 500, 400, 403])
      assert.ok((statuses.get(status) ?? 0) > 0, `no ${status}`)
  },
)

test(
  `random requests through both sidecars reach the application as by the server's sidecar alone (SALLYPORT_SEED=${seed})`,
  { timeout: 20_000 },
  async (t) => {
    const random = randomFrom(seed + 1)
    const alone = await stage(t)
    const seen: Seen[] = []
    const application = await httpApplication(t, recording(seen))
    const pair = await startPair(t, application.port)
    pair.applyInbound({ authorizationPolicies: policy('DENY', rules) })
    let near = await dialWire(t, pair.outbound.proxy)
    let http1 = await alone.dial('http/1.1')
    const ports = (fields: readonly string[]): string[] =>
      fields.filter((_, i) => {
        const name = fields[i - (i % 2)] as string
        // Whom the outbound side adds or takes off: judged by its own tests.
        return !['x-forwarded-proto', 'x-forwarded-client-cert', 'x-request-id'].includes(name)
      })
    for (let i = 0; i < cases / 2; i += 1) {
      const plan = { ...randomPlan(random), authority: 'api.ns2' }
      const what = `case ${i}: ${JSON.stringify({ ...plan, body: plan.body?.map(({ length }) => length) })}`
      const asked: Got[] = []
      for (const [which, peer] of [near, http1].entries()) {
        peer.take()
        peer.send(asHttp1(plan))
        await peer.until(({ text, ending }) => readHttp1(text, plan.method) !== null || ending !== 'open')
        const got = readHttp1(peer.text, plan.method)
        assert.ok(got !== null, what)
        const fields = got.fields.filter(([name]) => name !== 'server')
        asked.push({ ...got, fields })
        if (!peer.text.includes('connection: close')) continue
        await peer.over()
        if (which === 0) near = await dialWire(t, pair.outbound.proxy)
        else http1 = await alone.dial('http/1.1')
      }
      const [there, here] = [seen.splice(0), alone.seen.splice(0)]
      assert.deepEqual(
        there.map((one) => ({ ...one, fields: ports(one.fields) })),
        here.map((one) => ({ ...one, fields: ports(one.fields) })),
        what,
      )
      assert.deepEqual(asked[0], asked[1], what)
    }
    assert.ok(pair.legs <= 1)
  },
)

test(
  'a head that HTTP/1.1 legs carry is carried side by side as well, up to the byte',
  { timeout: 20_000 },
  async (t) => {
    // Node's own server takes no such head.
    const application = await tcpApplication(t, (socket) => {
      let head = ''
      socket.on('data', (chunk: Buffer) => {
        head += chunk.toString('latin1')
        if (head.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      })
    })
    const harness = await Harness.start({ applications: [application.port] })
    harness.identity(appIdentity, { 'cluster.local': pairCa.rootPem })
    harness.apply({ inboundPorts: [inboundPort(harness.port, 'http', 'STRICT')] })
    const many = Array.from({ length: 90 }, (_, i) => [`x-many-${i}`, 'v'.repeat(660)]).flat()
    const fields = [...pseudoFields, ...many]
    const http1 = await dialTls(t, harness.port, { identity: webIdentity, alpn: ['http/1.1'] })
    http1.send(`GET /a HTTP/1.1\r\nhost: web\r\n${lines(many)}\r\n`)
    assert.equal((await http1.response()).status, 200)
    const frames = FramePeer.client(
      await dialTls(t, harness.port, { identity: webIdentity, alpn: ['sallyport/1'] }),
      settings,
    )
    const block = frames.block(fields)
    assert.ok(block.length > 60_000)
    for (let at = 0; at < block.length; at += 16_384) {
      const last = at + 16_384 >= block.length
      frames.send(
        frame(at === 0 ? 1 : 9, (at === 0 ? 1 : 0) | (last ? 4 : 0), 1, block.subarray(at, at + 16_384)),
      )
    }
    assert.equal((await frames.answer(1)).status, 200)
    for (const peer of [http1, frames.wire]) peer.stream.destroy()
    await harness.quiet()
    await harness.stop()
  },
)

const pseudoFields = [':method', 'GET', ':scheme', 'https', ':authority', 'web', ':path', '/a']
