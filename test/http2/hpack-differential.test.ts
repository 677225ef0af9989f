/**
 * Our HPACK against that of Node (nghttp2), over real connections: what it writes we must read, what we write it must
 * read, and what either refuses the other must refuse. SALLYPORT_CASES and SALLYPORT_SEED enlarge and repeat a run.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import type { ServerHttp2Stream } from 'node:http2'
import { connect as connectHttp2, createServer as createHttp2Server, sensitiveHeaders } from 'node:http2'
import { test } from 'node:test'
import { ByteWriter } from '../../src/http2/byte-writer.ts'
import type { DecodedFields } from '../../src/http2/hpack-decoder.ts'
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts'
import { pick } from '../support/damage.ts'
import { seededRandom } from '../support/random-policies.ts'
import { randomFields, randomText } from './random-fields.ts'
import {
  frame,
  FrameSplitter,
  headers,
  preface,
  RawClient,
  settings,
  settingsAck,
  Type,
} from './raw-http2.ts'

const cases = Number(process.env.SALLYPORT_CASES ?? 160)
const seed = Number(process.env.SALLYPORT_SEED ?? Math.floor(Math.random() * 2 ** 32))

const newDecoder = (maxTableBytes: number): HpackDecoder =>
  new HpackDecoder({ maxTableBytes, maxListBytes: 1 << 20, maxFields: 1000 })

const start = [':method', 'GET', ':scheme', 'http', ':authority', 'h.test', ':path', '/']

/** As an object for Node's writers: a name once, as they refuse some twice. */
function record(fields: readonly string[]): Record<string, string> {
  const all: Record<string, string> = {}
  for (let i = 0; i < fields.length; i += 2) all[fields[i] ?? ''] ??= fields[i + 1] ?? ''
  return all
}

for (const tableBytes of [4096, 0, 500, 65_536])
  test(`we read what Node's client writes, with a table of ${tableBytes} (seed ${seed})`, async (t) => {
    const random = seededRandom(seed)
    const decoder = newDecoder(tableBytes)
    const read: DecodedFields[] = []
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.write(settings([[1, tableBytes]]))
      const splitter = new FrameSplitter(preface.length, ({ type, flags, stream, payload }) => {
        if (type === Type.Settings) {
          if ((flags & 1) === 1) decoder.acknowledged()
          else socket.write(settingsAck)
        }
        if (type !== Type.Headers) return
        read.push(decoder.decode(payload))
        socket.write(headers(stream, Buffer.of(0x88)))
      })
      socket.on('data', (chunk: Buffer) => splitter.feed(chunk))
    })
    t.after(() => server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      maxDeflateDynamicTableSize: 16_384,
    })
    t.after(() => client.destroy())
    await once(client, 'remoteSettings')
    for (let i = 0; i < cases; i++) {
      const sent = { ...record(start), ...record(randomFields(random, false)) }
      const stream = client.request({ ...sent, [sensitiveHeaders]: ['x-tenant'] })
      stream.end()
      stream.resume()
      await once(stream, 'close')
      const result = read.at(-1) ?? assert.fail('no request came')
      assert.ok(result.ok, JSON.stringify(result))
      assert.deepEqual(record(result.fields), sent)
    }
    assert.equal(read.length, cases)
  })

for (const { huffman, tableBytes } of [
  { huffman: false, tableBytes: 4096 },
  { huffman: true, tableBytes: 4096 },
  { huffman: false, tableBytes: 0 },
  { huffman: true, tableBytes: 300 },
  { huffman: false, tableBytes: 65_536 },
])
  test(`Node's server reads what we write and we its answers, with a table of ${tableBytes} and Huffman: ${huffman} (seed ${seed})`, async (t) => {
    const random = seededRandom(seed)
    const seen: string[][] = []
    let answer: Record<string, string> = {}
    const server = createHttp2Server({ settings: { headerTableSize: tableBytes } })
    server.on('stream', (stream: ServerHttp2Stream, _headers, _flags, raw) => {
      seen.push(raw)
      // Known to Node, not to its types.
      const options = { endStream: true, sendDate: false }
      stream.respond(answer, options)
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    t.after(() => server.close())
    const client = await RawClient.open((server.address() as AddressInfo).port, tableBytes)
    t.after(() => client.close())
    assert.equal(client.tableBytes, tableBytes)
    const encoder = new HpackEncoder({ maxTableBytes: 16_384, huffman })
    encoder.setPeerTableSize(client.tableBytes)
    const decoder = newDecoder(tableBytes)
    decoder.acknowledged()
    for (let i = 0; i < cases; i++) {
      const sent = [
        ...start.slice(0, 6),
        ':path',
        `/${randomText(random, 'abc/', 20)}`,
        ...randomFields(random, false),
      ]
      answer = { ':status': pick(random, ['200', '404', '207']), ...record(randomFields(random, false)) }
      const out = new ByteWriter()
      encoder.encode(sent, out)
      const stream = 2 * i + 1
      const answered = client.next((frame) => frame.type === Type.Headers && frame.stream === stream)
      client.socket.write(headers(stream, out.take(), 100))
      const response = (await answered) ?? assert.fail('the connection was ended')
      assert.deepEqual(seen.at(-1), sent)
      const read = decoder.decode(response.payload)
      assert.ok(read.ok, JSON.stringify(read))
      assert.deepEqual(record(read.fields), answer)
    }
  })

/** Where we are stricter: numbers that nobody needs, and more size updates than an encoder has reason for. */
const stricter = ['integer_too_large', 'too_many_size_updates']

test(`what Node refuses we refuse, and the other way (seed ${seed})`, async (t) => {
  const random = seededRandom(seed)
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream) => stream.respond({ ':status': 200 }, { endStream: true }))
  server.on('sessionError', () => undefined)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const verdicts = { both: 0, neither: 0, stricter: 0 }
  for (let i = 0; i < cases; i++) {
    const encoder = new HpackEncoder({ maxTableBytes: 4096, huffman: random() < 0.7 })
    const decoder = newDecoder(4096)
    const client = await RawClient.open(port, 4096)
    t.after(() => client.close())
    let ours: DecodedFields = { ok: true, fields: [] }
    // The table has to be filled before damage can point into it.
    for (let list = 0; list < 3 && ours.ok; list++) {
      const out = new ByteWriter()
      encoder.encode([...start, ...randomFields(random, false)], out)
      const block = list === 0 ? out.take() : damaged(out.take(), random)
      ours = decoder.decode(block)
      client.socket.write(
        Buffer.concat([headers(2 * list + 1, block), frame(Type.Ping, 0, 0, Buffer.alloc(8))]),
      )
      const reply = await client.next(
        ({ type, flags }) => type === Type.GoAway || (type === Type.Ping && flags === 1),
      )
      const theirs = reply?.type === Type.GoAway && reply.payload.readUInt32BE(4) === 9
      const refused = !ours.ok
      if (refused && !theirs && stricter.includes(ours.ok ? '' : ours.reason)) verdicts.stricter++
      else {
        assert.equal(
          refused,
          theirs,
          `${block.toString('hex')}: ours ${JSON.stringify(ours)}, theirs ${theirs}`,
        )
        verdicts[refused ? 'both' : 'neither']++
      }
      // Node ends connections for other reasons, too: malformed requests one after the other.
      if (reply === null || reply.type === Type.GoAway) break
    }
    client.close()
  }
  assert.ok(verdicts.both > cases / 10 && verdicts.neither > cases / 2, JSON.stringify(verdicts))
})

function damaged(block: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * block.length)
  const kind = random()
  if (kind < 0.3) return block.subarray(0, at)
  const changed = Buffer.from(block)
  if (kind < 0.8) changed[at] = Math.floor(random() * 256)
  else if (kind < 0.9)
    return Buffer.concat([changed.subarray(0, at), Buffer.of(0xff, 0xff), changed.subarray(at)])
  else return Buffer.concat([changed.subarray(0, at), changed.subarray(Math.min(at + 1, block.length))])
  return changed
}
