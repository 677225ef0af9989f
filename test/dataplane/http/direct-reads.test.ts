/** Sockets that are read into one shared buffer: nothing of what a reader sees may differ from a plain stream's. */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import { directReader, readAsStream, readDirectly } from '../../../src/dataplane/http/direct-reads.ts'
import { disown, own } from '../../../src/dataplane/http/stream-events.ts'
import type { StreamOwner } from '../../../src/dataplane/http/stream-events.ts'
import { Splice } from '../../../src/dataplane/splice.ts'
import { randomFrom } from '../../http2/random.ts'

const timeout = 10_000

async function pairOf(t: TestContext): Promise<[near: Socket, far: Socket]> {
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const far = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true })
  const [near] = (await once(server, 'connection')) as [Socket]
  for (const socket of [near, far]) socket.on('error', () => undefined)
  t.after(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return [near, far]
}

class Reader implements StreamOwner {
  readonly chunks: Buffer[] = []
  ended = false
  losses: string[] = []
  onChunk: () => void = () => undefined
  #changed: () => void = () => undefined

  feed(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.onChunk()
    this.#changed()
  }

  peerEnded(): void {
    this.ended = true
    this.#changed()
  }

  drained(): void {}

  lost(code: string): void {
    this.losses.push(code)
    this.#changed()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#changed = resolve))
  }
}

const pattern = (length: number, from = 0): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i + from) % 253))

test('sockets are read directly here: the inner switches of this Node are found', { timeout }, async (t) => {
  const [near, far] = await pairOf(t)
  const reads: number[] = []
  assert.equal(
    readDirectly(
      near,
      directReader((chunk) => void reads.push(chunk.length)),
    ),
    true,
  )
  near.resume()
  far.write('abc')
  while (reads.length === 0) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(reads, [3])
})

test('a chunk that is kept stays what it was when the next is read', { timeout }, async (t) => {
  const [near, far] = await pairOf(t)
  const [other, otherFar] = await pairOf(t)
  const readers = [new Reader(), new Reader()] as const
  own(near, readers[0])
  own(other, readers[1])
  const bodies = [pattern(300_000), pattern(300_000, 100)] as const
  far.write(bodies[0])
  otherFar.write(bodies[1])
  await readers[0].until(() => readers[0].bytes.length === 300_000)
  await readers[1].until(() => readers[1].bytes.length === 300_000)
  for (const [i, reader] of readers.entries())
    assert.ok(reader.bytes.equals(bodies[i] as Buffer), `reader ${i}`)
})

test('bytes that were read before and put back come first', { timeout }, async (t) => {
  const [near, far] = await pairOf(t)
  far.write('first ')
  const [early] = (await once(near, 'data')) as [Buffer]
  near.pause()
  near.unshift(early)
  far.write('second ')
  const reader = new Reader()
  own(near, reader)
  far.write('third')
  await reader.until(() => reader.bytes.length === 18)
  assert.equal(reader.bytes.toString(), 'first second third')
})

test(
  'pausing and going on at any point loses nothing and keeps the order',
  { timeout: 30_000 },
  async (t) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = randomFrom(seed)
      const [near, far] = await pairOf(t)
      const reader = new Reader()
      own(near, reader)
      reader.onChunk = (): void => {
        if (random(3) > 0) return
        near.pause()
        const goOn = (): void => void near.resume()
        if (random(2) === 0) setImmediate(goOn)
        else process.nextTick(goOn)
      }
      const parts = Array.from({ length: 60 }, (_, i) => pattern(1 + random(20_000), i))
      for (const part of parts) {
        far.write(part)
        if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      far.end()
      await reader.until(() => reader.ended)
      assert.ok(reader.bytes.equals(Buffer.concat(parts)), `seed ${seed}`)
      near.destroy()
    }
  },
)

test(
  'a paused socket takes no more than its buffer, and all of it when it goes on',
  { timeout },
  async (t) => {
    const [near, far] = await pairOf(t)
    const reader = new Reader()
    own(near, reader)
    near.pause()
    const body = pattern(6 << 20)
    far.write(body)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(reader.chunks.length, 0)
    assert.ok(near.readableLength <= 256 * 1024, `${near.readableLength} bytes are held`)
    near.resume()
    await reader.until(() => reader.bytes.length === body.length)
    assert.ok(reader.bytes.equals(body))
  },
)

test(
  'the end comes after the last byte, and a reset is noticed while reading is paused',
  { timeout },
  async (t) => {
    const [near, far] = await pairOf(t)
    const reader = new Reader()
    own(near, reader)
    far.end('last')
    await reader.until(() => reader.ended)
    assert.equal(reader.bytes.toString(), 'last')

    const [paused, gone] = await pairOf(t)
    const other = new Reader()
    own(paused, other)
    paused.pause()
    gone.resetAndDestroy()
    await other.until(() => other.losses.length > 0)
    assert.equal(other.losses[0], 'ECONNRESET')
  },
)

test(
  'handed over in the middle, a socket goes on as a stream and through a splice, byte for byte',
  { timeout },
  async (t) => {
    const [near, far] = await pairOf(t)
    const [there, thereFar] = await pairOf(t)
    const reader = new Reader()
    own(near, reader)
    far.write('head')
    await reader.until(() => reader.bytes.toString() === 'head')
    disown(near)
    near.pause()
    near.unshift(Buffer.from('rest '))
    far.write('more ')
    const got: Buffer[] = []
    thereFar.on('data', (chunk: Buffer) => got.push(chunk))
    new Splice(near, there, { onEnd: () => undefined })
    const body = pattern(500_000)
    far.end(body)
    await once(thereFar, 'end')
    assert.ok(Buffer.concat(got).equals(Buffer.concat([Buffer.from('rest more '), body])))
    assert.equal(reader.bytes.toString(), 'head')
  },
)

test('what is no socket, or has no switches, is read as a stream', { timeout }, async () => {
  const through = new PassThrough()
  assert.equal(
    readDirectly(
      through,
      directReader(() => assert.fail('called')),
    ),
    false,
  )
  readAsStream(through)
  const reader = new Reader()
  own(through, reader)
  through.write('abc')
  await reader.until(() => reader.bytes.length === 3)
  assert.equal(through.pause, Duplex.prototype.pause)
  disown(through)
})
