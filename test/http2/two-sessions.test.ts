/**
 * Sessions of ours under random conditions: two that talk through a network which cuts and delays as it likes deliver every
 * body whole and in order within their windows, and one that is fed rubbish faults and never throws.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { BodySender } from '../../src/http2/body-sender.ts'
import { ByteWriter } from '../../src/http2/byte-writer.ts'
import { defaultHttp2Limits } from '../../src/http2/frame.ts'
import type { Http2Limits } from '../../src/http2/frame.ts'
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts'
import { Http2Session } from '../../src/http2/session.ts'
import { Http2Stream } from '../../src/http2/stream.ts'
import type { StreamEvents } from '../../src/http2/stream.ts'
import { frame, preface, read, settings } from './frames.ts'
import { randomFrom } from './random.ts'
import type { Random } from './random.ts'

const seeds = Number(process.env['SALLYPORT_ROUNDS'] ?? 60)
const quiet = { onGoAway: () => undefined, onRoom: () => undefined, onPong: () => undefined }

function bytesOf(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i += 1) bytes[i] = random(256)
  return bytes
}

/** One direction of one request: what is to arrive, what has, and what is still to be said. */
class Message {
  readonly body: Buffer
  readonly trailers: string[] | null
  said = 0
  done = false
  heard: Buffer[] = []
  heads: string[][] = []
  ended = 0

  constructor(random: Random, trailers: boolean) {
    const size = random(4) === 0 ? random(300_000) : random(2000)
    this.body = bytesOf(random, size)
    this.trailers = trailers && random(3) === 0 ? ['x-t', String(size)] : null
  }

  /** Says a little more; the head is said. */
  speak(session: Http2Session, stream: Http2Stream, random: Random): void {
    if (this.done) return
    const size = Math.min(this.body.length - this.said, random(40_000))
    const chunk = Buffer.from(this.body.subarray(this.said, this.said + size))
    this.said += size
    const last = this.said === this.body.length
    if (last && this.trailers === null && random(2) === 0) {
      session.data(stream, chunk, true)
      this.done = true
    } else {
      if (size > 0) session.data(stream, chunk, false)
      if (last) {
        session.end(stream, this.trailers)
        this.done = true
      }
    }
    // Chunks are views into what others go on using.
    chunk.fill(0xee)
  }

  whole(what: string): void {
    assert.equal(this.ended, 1, `${what} ended ${this.ended} times`)
    assert.ok(Buffer.concat(this.heard).equals(this.body), `${what} arrived changed`)
    if (this.trailers !== null) assert.deepEqual(this.heads.at(-1), this.trailers, what)
  }
}

function listener(message: Message): StreamEvents {
  return {
    onFields(fields, end) {
      message.heads.push(fields as string[])
      if (end) message.ended += 1
    },
    onData(chunk, end) {
      message.heard.push(Buffer.from(chunk))
      if (end) message.ended += 1
    },
    onReset: (code) => assert.fail(`reset ${code}`),
    onHalfClose: () => undefined,
    onWritable: () => undefined,
  }
}

function talk(seed: number): void {
  const random = randomFrom(seed)
  const limitsOf = (windows: readonly number[]): Http2Limits => ({
    ...defaultHttp2Limits,
    streamWindowBytes: windows[random(windows.length)] as number,
    connectionWindowBytes: [65_535, 100_000, 1 << 22][random(3)] as number,
  })
  const served: { stream: Http2Stream; answer: Message; begun: boolean; request: Message }[] = []
  const requests = Array.from({ length: 1 + random(20) }, () => new Message(random, true))
  const answers = requests.map(() => new Message(random, true))
  const server: Http2Session = new Http2Session('server', limitsOf([65_535, 100_000, 256 * 1024]), {
    ...quiet,
    onStream(stream) {
      const request = new Message(random, false)
      served.push({ stream, answer: answers[served.length] as Message, begun: false, request })
      stream.events = listener(request)
    },
  })
  const client = new Http2Session('client', limitsOf([100, 1000, 20_000, 256 * 1024]), {
    ...quiet,
    onStream: () => undefined,
  })
  const opened: { stream: Http2Stream; request: Message; answer: Message }[] = []
  const wires = [Buffer.alloc(0), Buffer.alloc(0)] as [Buffer, Buffer]
  const carry = (from: Http2Session, to: Http2Session, which: 0 | 1): void => {
    wires[which] = Buffer.concat([wires[which], from.out.take()])
    const size = Math.min(wires[which].length, random(4) === 0 ? random(20) : random(50_000))
    // The network's buffer is used again at once.
    const piece = Buffer.from(wires[which].subarray(0, size))
    wires[which] = wires[which].subarray(size)
    to.execute(piece)
    piece.fill(0xdd)
  }
  const paused = new Set<Http2Stream>()
  for (let step = 0; step < 200_000; step += 1) {
    if (opened.length < requests.length && random(3) === 0) {
      const stream = client.openStream()
      if (stream !== null) {
        const request = requests[opened.length] as Message
        const answer = answers[opened.length] as Message
        const heard = new Message(random, false)
        stream.events = listener(heard)
        opened.push({ stream, request, answer: heard })
        client.headers(
          stream,
          [':method', 'POST', 'x-n', String(opened.length), ...answer.heads.flat()],
          false,
        )
      }
    }
    const one = opened[random(Math.max(opened.length, 1))]
    if (one !== undefined && !one.stream.blocked) one.request.speak(client, one.stream, random)
    const other = served[random(Math.max(served.length, 1))]
    if (other !== undefined && !other.stream.blocked) {
      if (!other.begun) server.headers(other.stream, [':status', '200'], false)
      other.begun = true
      other.answer.speak(server, other.stream, random)
    }
    const readers: [Http2Session, Http2Stream | undefined][] = [
      [client, one?.stream],
      [server, other?.stream],
    ]
    for (const [session, stream] of readers) {
      if (stream === undefined) continue
      if (paused.has(stream)) {
        if (random(3) === 0) {
          paused.delete(stream)
          session.resume(stream)
        }
      } else if (random(6) === 0) {
        paused.add(stream)
        session.pause(stream)
      }
    }
    carry(client, server, 0)
    carry(server, client, 1)
    assert.equal(client.fault, null, JSON.stringify(client.fault))
    assert.equal(server.fault, null, JSON.stringify(server.fault))
    const over =
      opened.length === requests.length && opened.every(({ stream }) => !stream.live) && server.open === 0
    if (!over) continue
    assert.equal(client.open, 0)
    for (const [i, { request, answer }] of opened.entries()) {
      const there = served[i]
      assert.ok(there !== undefined)
      const arrived = Object.assign(there.request, { body: request.body, trailers: request.trailers })
      arrived.whole(`seed ${seed}, request ${i}`)
      Object.assign(answer, { body: there.answer.body, trailers: there.answer.trailers })
      answer.whole(`seed ${seed}, answer ${i}`)
    }
    return
  }
  assert.fail(`seed ${seed} is stuck: ${client.open} and ${server.open} streams are open`)
}

test(
  `two sessions deliver every body whole through any cuts, delays and pauses (${seeds} seeds)`,
  { timeout: 120_000 },
  () => {
    for (let seed = 1; seed <= seeds; seed += 1) talk(seed)
  },
)

test('a sender keeps to the windows at every moment, and nothing waits that may leave', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = randomFrom(seed)
    const out = new ByteWriter()
    const ended: number[] = []
    const sender = new BodySender(out, new HpackEncoder({ maxTableBytes: 0 }), (stream) => {
      stream.localOpen = false
      ended.push(stream.id)
    })
    const streams = [1, 3, 5].map((id) => new Http2Stream(id, random(500), 0))
    const left = new Map(streams.map((stream) => [stream, stream.sendWindow]))
    let connection = 65_535
    const said = new Map(streams.map(({ id }) => [id, Buffer.alloc(0)]))
    const over = new Set<Http2Stream>()
    for (let step = 0; step < 200; step += 1) {
      const stream = streams[random(3)] as Http2Stream
      const act = random(5)
      if (act < 2 && !over.has(stream)) {
        const chunk = bytesOf(random, random(8) === 0 ? 0 : random(40_000))
        const end = random(10) === 0
        said.set(stream.id, Buffer.concat([said.get(stream.id) as Buffer, chunk]))
        if (chunk.length > 0 || end) sender.data(stream, chunk, end)
        if (end) over.add(stream)
      } else if (act === 2) {
        const more = random(40_000)
        connection += more
        assert.equal(sender.grow(more), true)
      } else {
        // Settings may take window away: below nothing, too.
        const more = random(20_000) - (random(3) === 0 ? 15_000 : 0)
        left.set(stream, (left.get(stream) as number) + more)
        assert.equal(sender.growStream(stream, more), true)
      }
      const { words, data } = read(Buffer.concat([preface, settings, out.view()]))
      assert.ok(words.length > 0)
      let sent = 0
      for (const [i, one] of streams.entries()) {
        assert.ok(one.sendWindow <= (left.get(one) as number), `stream ${i}`)
        const mine = (left.get(one) as number) - one.sendWindow
        sent += mine
        assert.ok(mine <= (said.get(one.id) as Buffer).length)
        const waits = (said.get(one.id) as Buffer).length - mine
        assert.equal(
          one.blocked,
          waits > 0 || (one.blocked && over.has(one)),
          `seed ${seed}: ${waits} bytes of ${one.id}`,
        )
      }
      assert.equal(sent, data.length)
      assert.ok(sent <= connection)
      for (const one of streams)
        if (one.blocked)
          assert.ok(one.sendWindow <= 0 || sent === connection, `seed ${seed}: ${one.id} waits for nothing`)
    }
    // With room enough everything leaves, in order, and each end is said once.
    assert.equal(sender.grow(10_000_000), true)
    for (const stream of streams) sender.growStream(stream, 10_000_000)
    assert.deepEqual(ended.toSorted(), [...over].map(({ id }) => id).toSorted())
    const bytes = out.take()
    for (const { id } of streams)
      assert.ok(bodyOf(bytes, id).equals(said.get(id) as Buffer), `seed ${seed}: ${id}`)
  }
})

function bodyOf(bytes: Buffer, id: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUIntBE(at, 3)
    if (bytes[at + 3] === 0 && bytes.readUInt32BE(at + 5) === id)
      parts.push(bytes.subarray(at + 9, at + 9 + length))
    at += 9 + length
  }
  return Buffer.concat(parts)
}

test('three bodies that wait for one window take turns', () => {
  const out = new ByteWriter()
  const sender = new BodySender(out, new HpackEncoder({ maxTableBytes: 0 }), () => undefined)
  const streams = [1, 3, 5].map((id) => new Http2Stream(id, 1 << 30, 0))
  sender.data(streams[0] as Http2Stream, Buffer.alloc(65_535), false)
  for (const stream of streams) sender.data(stream, Buffer.alloc(1 << 20), false)
  out.take()
  for (let i = 0; i < 30; i += 1) sender.grow(10_000)
  const bytes = out.take()
  for (const { id } of streams)
    assert.ok(bodyOf(bytes, id).length >= 50_000, `${id} got ${bodyOf(bytes, id).length}`)
})

const types = [0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 0xe5, 0x20]
/** A frame that is mostly plausible. */
function anyFrame(random: Random, last: number): Buffer {
  const type = types[random(types.length)] as number
  const stream = random(6) === 0 ? random(20) : 1 + 2 * random(Math.max(last, 1))
  const flags = random(5) === 0 ? random(256) : ([0, 1, 4, 5][random(4)] as number)
  const block = Buffer.from([0x82, 0x87, 0x84, 0x41, 0x01, 0x61])
  const size = { 2: 5, 3: 4, 4: 6 * random(4), 6: 8, 7: 8, 8: 4 }[type]
  let payload = bytesOf(random, size ?? random(random(10) === 0 ? 17_000 : 60))
  if (type === 1 && random(4) > 0) payload = block
  if (type === 4) for (let at = 0; at < payload.length; at += 6) payload.writeUInt16BE(1 + random(6), at)
  if (type === 8 && random(3) > 0) payload.writeUInt32BE(1 + random(100_000), 0)
  const connection = type === 4 || type === 6 || type === 7
  return frame(type, flags, connection && random(10) > 0 ? 0 : stream, payload)
}

for (const role of ['server', 'client'] as const)
  test(
    `a ${role} that is fed random frames never throws, and keeps count of its streams`,
    { timeout: 60_000 },
    () => {
      for (let seed = 1; seed <= 10_000; seed += 1) {
        const random = randomFrom(seed)
        const live = new Set<Http2Stream>()
        const session: Http2Session = new Http2Session(role, defaultHttp2Limits, {
          ...quiet,
          onStream: (stream) => take(stream),
        })
        const take = (stream: Http2Stream): void => {
          live.add(stream)
          let cut = false
          const heard = (what: string): void =>
            assert.equal(cut, false, `${what} after the reset (seed ${seed})`)
          stream.events = {
            onFields: () => heard('fields'),
            onData(chunk) {
              heard('data')
              // Whoever hears may do anything from inside.
              const act = random(12)
              if (act === 0) session.reset(stream, 8)
              else if (act === 1) session.pause(stream)
              else if (act === 2) session.headers(stream, [':status', '200'], true)
              else if (act === 3) session.data(stream, Buffer.from(chunk), random(2) === 0)
              else if (act === 4) for (const other of live) session.reset(other, 8)
            },
            onReset: () => (cut = true),
            onHalfClose: () => heard('half-close'),
            onWritable: () => undefined,
          }
        }
        const open = (): void => {
          const stream = session.openStream()
          if (stream === null) return
          take(stream)
          session.headers(stream, [':method', 'GET'], random(2) === 0)
        }
        if (role === 'client') for (let i = random(6); i > 0; i -= 1) open()
        const start = role === 'server' ? [preface, settings] : [settings]
        for (const piece of start) session.execute(piece)
        for (let i = 0; i < 60 && session.fault === null; i += 1) {
          const bytes = anyFrame(random, i)
          const cutAt = random(bytes.length + 1)
          session.execute(bytes.subarray(0, cutAt))
          session.execute(bytes.subarray(cutAt))
          if (random(10) === 0 && role === 'client') open()
          if (random(10) === 0) for (const stream of live) session.resume(stream)
          session.out.take()
          const counted = [...live].filter((stream) => stream.live).length
          assert.equal(session.open, counted, `seed ${seed}`)
          for (const stream of live) if (!stream.live) assert.equal(stream.waiting.length, 0, `seed ${seed}`)
        }
        session.lost()
        assert.equal(session.open, 0)
        assert.ok([...live].every((stream) => !stream.live))
      }
    },
  )
