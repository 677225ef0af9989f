/** A thousand random requests: what the client gets through the engine is what it gets from the application directly. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHash } from 'node:crypto'
import { Engine } from './engine.ts'

const seed = 20260102
const count = 1000

/** mulberry32 */
function randomness(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

interface Ask {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string | string[]>
  readonly chunks: Buffer[]
  readonly chunked: boolean
}

function ask(random: () => number): Ask {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const method = pick(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])
  const chunks: Buffer[] = []
  if (method === 'POST' || method === 'PUT' || method === 'PATCH') {
    for (let i = Math.floor(random() * 4); i > 0; i--) {
      chunks.push(Buffer.alloc(Math.floor(random() ** 4 * 100_000) + 1, String.fromCharCode(97 + i)))
    }
  }
  const headers: Record<string, string | string[]> = { 'x-one': 'v'.repeat(Math.floor(random() * 50)) }
  if (random() < 0.3) headers['x-many'] = ['a', 'b, c', 'd']
  if (random() < 0.2) headers['connection'] = 'close'
  const query = `status=${pick([200, 200, 200, 201, 204, 304, 404, 500])}&size=${Math.floor(random() ** 4 * 200_000)}`
  const path = `/${pick(['a', 'b/c', 'd%20e', 'f/../g', '%41'])}?${query}&framing=${pick(['length', 'chunked', 'close'])}`
  return { method, path, headers, chunks, chunked: random() < 0.5 }
}

interface Got {
  readonly status: number
  readonly body: string
  readonly headers: unknown
  readonly trailers: unknown
}

function send(port: number, agent: Agent, { method, path, headers, chunks, chunked }: Ask): Promise<Got> {
  return new Promise((resolve, reject) => {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    const framing =
      chunked && length > 0 ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(length) }
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        agent,
        method,
        path,
        headers: { ...headers, ...(chunks.length > 0 ? framing : {}) },
      },
      (response) => {
        const hash = createHash('sha256')
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          hash.update(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          const kept = Object.entries(response.headersDistinct).filter(([name]) => !ours.has(name))
          const body = `${size} ${hash.digest('hex')}`
          resolve({ status: response.statusCode ?? 0, body, headers: kept, trailers: response.trailers })
        })
      },
    )
    outgoing.on('error', reject)
    for (const chunk of chunks) outgoing.write(chunk)
    outgoing.end()
  })
}

/** Per hop, or told to differ by dataplane §9. */
const ours = new Set(['connection', 'keep-alive', 'transfer-encoding', 'server', 'date'])

test('through the engine every response equals the direct one', async () => {
  const server = createServer((incoming, response) => {
    const hash = createHash('sha256')
    incoming.on('data', (chunk: Buffer) => hash.update(chunk))
    incoming.on('end', () => {
      const url = new URL(incoming.url ?? '/', 'http://a')
      const size = Number(url.searchParams.get('size'))
      const framing = url.searchParams.get('framing')
      response.statusCode = Number(url.searchParams.get('status'))
      response.setHeader('x-digest', hash.digest('hex'))
      response.setHeader(
        'x-seen',
        `${incoming.method} ${decodeURI(url.pathname)} ${incoming.headers['x-one']} ${incoming.headers['x-many']}`,
      )
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      if (framing === 'length' && response.statusCode !== 204) response.setHeader('content-length', size)
      if (framing === 'close') response.shouldKeepAlive = false
      const trailers =
        framing === 'chunked' && incoming.method !== 'HEAD' && ![204, 304].includes(response.statusCode)
      if (trailers) response.setHeader('trailer', 'x-sum')
      const half = Math.floor(size / 2)
      if (half > 0) response.write('x'.repeat(half))
      if (trailers) response.addTrailers({ 'x-sum': String(size) })
      response.end('y'.repeat(size - half))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = (server.address() as AddressInfo).port
  await using engine = await new Engine(port).listen()
  const agents = [
    new Agent({ keepAlive: true, maxSockets: 8 }),
    new Agent({ keepAlive: true, maxSockets: 8 }),
  ] as const
  try {
    const random = randomness(seed)
    for (let i = 0; i < count; i += 20) {
      const asks = Array.from({ length: 20 }, () => ask(random))
      const through = await Promise.all(asks.map((one) => send(engine.port, agents[0], one)))
      const direct = await Promise.all(asks.map((one) => send(port, agents[1], one)))
      for (const [at, one] of asks.entries())
        assert.deepEqual(through[at], direct[at], `${one.method} ${one.path}`)
    }
    assert.equal(engine.finished.length, count)
    assert.ok(engine.finished.every((exchange) => exchange.responseFlags === ''))
  } finally {
    for (const agent of agents) agent.destroy()
    server.closeAllConnections()
    server.close()
  }
})
