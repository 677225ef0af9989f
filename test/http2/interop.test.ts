/** Our sessions against Node's own HTTP/2, over real sockets: neither side may misread the other. */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { connect as connectHttp2, createServer as createHttp2 } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import { defaultHttp2Limits } from '../../src/http2/frame.ts'
import { Http2Session } from '../../src/http2/session.ts'
import type { SessionOwner } from '../../src/http2/session-owner.ts'
import type { Http2Stream, StreamEvents } from '../../src/http2/stream.ts'
import { seededRandom } from '../support/random-policies.ts'

class Collected implements StreamEvents {
  readonly lists: string[][] = []
  readonly chunks: Buffer[] = []
  resetCode = -1
  #done: () => void = () => undefined
  readonly done = new Promise<void>((resolve) => (this.#done = resolve))
  readonly onEnd: () => void

  constructor(onEnd: () => void = () => undefined) {
    this.onEnd = onEnd
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  onFields(fields: string[] | null, end: boolean): void {
    this.lists.push(fields ?? ['too large', ''])
    if (end) this.#finish()
  }

  onData(chunk: Buffer, end: boolean): void {
    this.chunks.push(Buffer.from(chunk))
    if (end) this.#finish()
  }

  onReset(code: number): void {
    this.resetCode = code
    this.#done()
  }

  onHalfClose(): void {
    return undefined
  }

  onWritable(): void {
    return undefined
  }

  #finish(): void {
    this.onEnd()
    this.#done()
  }
}

const quiet: SessionOwner = {
  onStream: () => undefined,
  onGoAway: () => undefined,
  onRoom: () => undefined,
  onPong: () => undefined,
}

function drive(socket: Socket, session: Http2Session): () => void {
  const flush = (): void => {
    if (session.out.length > 0 && !socket.destroyed) socket.write(session.out.take())
  }
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    session.execute(chunk as Buffer)
    flush()
  })
  flush()
  return flush
}

/** Our server: answers with the request's fields and body said back. */
async function ourServer(t: TestContext): Promise<{ port: number; requests: Collected[] }> {
  const requests: Collected[] = []
  const server = createServer((socket) => {
    let flush: () => void = () => undefined
    const session: Http2Session = new Http2Session('server', defaultHttp2Limits, {
      ...quiet,
      onStream(stream: Http2Stream) {
        const request = new Collected(() => {
          session.headers(
            stream,
            [':status', '200', 'x-seen', String(request.lists.length), 'set-cookie', 'a=b'],
            false,
          )
          session.data(stream, Buffer.from(request.body, 'latin1'), false)
          session.end(stream, ['x-trailer', 'end'])
          queueMicrotask(() => flush())
        })
        stream.events = request
        requests.push(request)
      },
    })
    flush = drive(socket, session)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { port: (server.address() as AddressInfo).port, requests }
}

const names = [
  'x-a',
  'x-long-name-of-a-header-field',
  'accept',
  'user-agent',
  'cookie',
  'authorization',
  'x-request-id',
  'content-type',
]
const letters = 'abcdefghijklmnopqrstuvwxyz0123456789 ;,=/%"\\~|{}ABCXYZ\xe9\xff'

function someFields(next: () => number): [string, string][] {
  const seen = new Set<string>()
  return Array.from({ length: Math.floor(next() * 8) }, (): [string, string] => {
    const name = names[Math.floor(next() * names.length)] as string
    // Often the same value again, now and then one too large to be remembered.
    const length = next() < 0.05 ? 3000 : Math.floor(next() * 12)
    const value =
      next() < 0.5
        ? 'same'
        : Array.from({ length }, () => letters[Math.floor(next() * letters.length)]).join('')
    return [name, value.trim()]
  }).filter(([name]) => !seen.has(name) && seen.add(name))
}

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

test(
  'Node’s client is understood by our server: hundreds of random lists, bodies and trailers',
  { timeout: 20_000 },
  async (t) => {
    t.diagnostic(`seed ${seed}`)
    const next = seededRandom(seed)
    const { port, requests } = await ourServer(t)
    const client = connectHttp2(`http://127.0.0.1:${port}`)
    t.after(() => client.destroy())
    for (let i = 0; i < 300; i += 1) {
      const fields = someFields(next)
      const body = next() < 0.5 ? '' : 'b'.repeat(Math.floor(next() * 40_000))
      const request = client.request({ ':method': 'POST', ':path': `/${i}`, ...Object.fromEntries(fields) })
      let headers: IncomingHttpHeaders = {}
      let trailers: IncomingHttpHeaders = {}
      let answer = ''
      request.setEncoding('latin1')
      request.on('response', (got) => (headers = got))
      request.on('trailers', (got) => (trailers = got))
      request.on('data', (text: string) => (answer += text))
      request.end(body)
      await once(request, 'close')
      assert.equal(request.rstCode, 0)
      assert.equal(headers[':status'], 200)
      assert.deepEqual(headers['set-cookie'], ['a=b'])
      assert.equal(trailers['x-trailer'], 'end')
      assert.equal(answer, body, `body ${i}`)
      const list = requests[i]?.lists[0] ?? []
      const seen = Object.fromEntries(
        Array.from({ length: list.length / 2 }, (_, at) => [list[at * 2], list[at * 2 + 1]]),
      )
      assert.equal(seen[':path'], `/${i}`)
      for (const [name, value] of fields) {
        const wanted = Buffer.from(value, 'utf8').toString('latin1')
        assert.ok(seen[name] === wanted || seen[name] === value, `${name}: ${seen[name]} is not ${value}`)
      }
    }
  },
)

test('our client is understood by Node’s server, streams side by side', { timeout: 20_000 }, async (t) => {
  t.diagnostic(`seed ${seed}`)
  const next = seededRandom(seed)
  const server = createHttp2((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      response.writeHead(200, { 'x-fields': Buffer.from(JSON.stringify(request.headers)).toString('base64') })
      response.end(Buffer.concat(parts))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  t.after(() => socket.destroy())
  const session = new Http2Session('client', defaultHttp2Limits, quiet)
  const flush = drive(socket, session)
  for (let round = 0; round < 40; round += 1) {
    const asked = Array.from({ length: 10 }, (_, i) => {
      const fields = someFields(next)
      const body = Buffer.alloc(next() < 0.3 ? 0 : Math.floor(next() * 100_000), 'z')
      const stream = session.openStream() as Http2Stream
      const answer = new Collected()
      stream.events = answer
      const list = [':method', 'POST', ':scheme', 'http', ':authority', 'a.b', ':path', `/${round}/${i}`]
      session.headers(stream, [...list, ...fields.flat()], body.length === 0)
      if (body.length > 0) session.data(stream, body, true)
      return { fields, body, answer }
    })
    flush()
    for (const { fields, body, answer } of asked) {
      await answer.done
      assert.equal(answer.resetCode, -1)
      const [head = []] = answer.lists
      assert.deepEqual(head.slice(0, 2), [':status', '200'])
      const at = head.indexOf('x-fields')
      const seen = JSON.parse(Buffer.from(head[at + 1] ?? '', 'base64').toString()) as Record<string, string>
      assert.equal(seen[':authority'], 'a.b')
      for (const [name, value] of fields)
        assert.equal(Buffer.from(seen[name] ?? '', 'latin1').toString('latin1'), value, name)
      assert.ok(Buffer.concat(answer.chunks).equals(body), 'the body came back changed')
    }
  }
  assert.equal(session.fault, null)
})
