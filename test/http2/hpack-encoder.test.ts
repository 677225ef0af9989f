/**
 * What the encoder remembers, what it never does, and how it follows the peer's table size. Blocks are looked at as
 * bytes where the bytes are the promise, and otherwise through our decoder.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteWriter } from '../../src/http2/byte-writer.ts'
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts'

/** An encoder and the decoder of the peer, which has to understand it. */
class Leg {
  readonly encoder: HpackEncoder
  readonly decoder: HpackDecoder
  readonly #out = new ByteWriter()

  constructor(options: { maxTableBytes?: number; peerTableBytes?: number; huffman?: boolean } = {}) {
    this.encoder = new HpackEncoder({
      maxTableBytes: options.maxTableBytes ?? 4096,
      huffman: options.huffman ?? false,
    })
    this.decoder = new HpackDecoder({
      maxTableBytes: options.peerTableBytes ?? 4096,
      maxListBytes: 1 << 20,
      maxFields: 1000,
    })
  }

  /** The block as hex, having made sure that it means `fields`. */
  send(...fields: string[]): string {
    this.encoder.encode(fields, this.#out)
    const block = this.#out.take()
    assert.deepEqual(this.decoder.decode(block), { ok: true, fields })
    return block.toString('hex')
  }
}
const hexOf = (text: string): string => Buffer.from(text, 'latin1').toString('hex')

test('a list that comes again is a byte a field', () => {
  const leg = new Leg()
  const list = [':method', 'GET', ':scheme', 'https', ':path', '/', 'x-tenant', 'blue', 'accept', '*/*']
  assert.equal(leg.send(...list), `828784400878${hexOf('-tenant')}04${hexOf('blue')}5303${hexOf('*/*')}`)
  assert.equal(leg.send(...list), '828784bfbe')
  assert.equal(leg.send('accept', '*/*', ':path', '/', 'x-tenant', 'blue'), 'be84bf')
})

const secrets = ['authorization', 'cookie', 'set-cookie', 'proxy-authorization', 'x-api-key', 'x-csrf-token']
for (const name of secrets)
  test(`${name} is never indexed, on this leg or the next`, () => {
    const leg = new Leg()
    for (let i = 0; i < 40; i++) {
      const block = leg.send(':method', 'GET', name, 'secret')
      assert.equal(block.slice(2, 3), '1', 'the mark of a field that nobody may index')
      assert.ok(block.endsWith(`06${hexOf('secret')}`), 'written out each time')
    }
    assert.deepEqual(leg.decoder.decode(Buffer.of(0x80 | 62)), {
      ok: false,
      error: 'compression',
      reason: 'index_beyond_table',
    })
  })

test('a name whose value is another each time has one entry, for the name', () => {
  const leg = new Leg()
  leg.send('x-request-id', 'id-0')
  for (let i = 1; i < 100; i++)
    assert.equal(leg.send('x-request-id', `id-${i}`), `0f2f0${`id-${i}`.length}${hexOf(`id-${i}`)}`)
})

test('values that do not come back stop filling the table, and leave those alone that do', () => {
  const leg = new Leg({ peerTableBytes: 4096 })
  const constant = ['x-tenant', 'blue', 'user-agent', 'curl/8']
  let added = 0
  for (let i = 0; i < 320; i++)
    if (
      leg
        .send(...constant, 'x-serial', `serial-${i}`)
        .slice(4)
        .startsWith('7e')
    )
      added++
  assert.ok(added < 30, `${added} of 320 were added`)
})

test('a value that settles is found out, however long it kept changing', () => {
  const leg = new Leg()
  for (let i = 0; i < 500; i++) leg.send(':path', `/${i}`)
  for (let i = 0; i < 40; i++) leg.send(':path', '/settled')
  assert.equal(leg.send(':path', '/settled').length, 2)
})

test('several values that take turns all have entries', () => {
  const leg = new Leg()
  for (let i = 0; i < 50; i++) leg.send(':path', `/${i % 12}`)
  for (let i = 0; i < 12; i++) assert.equal(leg.send(':path', `/${i}`).length, 2)
})

test('a field that would take over a quarter of the table is not added', () => {
  const leg = new Leg()
  const large = 'x'.repeat(1100)
  leg.send('x-tenant', 'blue')
  for (let i = 0; i < 3; i++) leg.send('x-large', large, ':path', large)
  assert.equal(leg.send('x-tenant', 'blue'), 'be')
})

test('names that nobody sends again are forgotten with all that was learned of them', () => {
  const leg = new Leg()
  for (let i = 0; i < 20; i++) leg.send('x-serial', `${i}`)
  assert.equal(leg.send('x-serial', 'a').slice(0, 2), '0f', 'its values do not come back')
  for (let i = 0; i < 200; i++) leg.send(`x-random-${i}`, 'v')
  assert.equal(leg.send('x-serial', 'b').slice(0, 2), '40', 'a new name')
  assert.equal(leg.send('x-serial', 'c').slice(0, 2), '7e', 'whose values may yet come back')
})

test('an empty list is an empty block', () => {
  assert.equal(new Leg().send(), '')
})

test('empty names and values are fields, too', () => {
  const leg = new Leg()
  leg.send('', '', 'a', '', '', 'b', 'accept', '')
  leg.send('', '', 'a', '', '', 'b', 'accept', '')
})

test('a smaller table is announced before the first field, and kept to', () => {
  const leg = new Leg({ maxTableBytes: 100 })
  assert.equal(leg.send(':method', 'GET'), '3f4582')
  assert.equal(leg.send(':method', 'GET'), '82')
})

test('the peer’s table size is followed: what it takes away, what it gives back, what it gives beyond ours', () => {
  const leg = new Leg({ maxTableBytes: 8192, peerTableBytes: 65_536 })
  leg.send('a', 'b')
  leg.encoder.setPeerTableSize(0)
  assert.equal(leg.send('a', 'b'), '20000161' + '0162', 'nothing can be added')
  leg.encoder.setPeerTableSize(4096)
  assert.equal(leg.send('a', 'b'), '3fe11f' + '4001610162')
  leg.encoder.setPeerTableSize(65_536)
  assert.equal(leg.send('a', 'b'), '3fe13f' + 'be', '8192, our own limit')
  leg.encoder.setPeerTableSize(65_536)
  assert.equal(leg.send('a', 'b'), 'be', 'nothing new')
})

test('a table that shrank and grew between two blocks is announced with both, the smallest first', () => {
  const leg = new Leg()
  leg.send('a', 'b')
  leg.encoder.setPeerTableSize(1000)
  leg.encoder.setPeerTableSize(0)
  leg.encoder.setPeerTableSize(4096)
  assert.equal(leg.send('a', 'b'), '203fe11f' + '4001610162')
})

test('with Huffman a string is coded where that is shorter, and left as it is where not', () => {
  const leg = new Leg({ huffman: true })
  assert.equal(leg.send('custom-key', 'custom-value'), '408825a849e95ba97d7f8925a849e95bb8e8b4bf')
  assert.equal(leg.send('accept', '\xff\xfe'), '5302fffe')
})

test('text beyond latin1 is refused, and so is all that comes after it', () => {
  const encoder = new HpackEncoder({ maxTableBytes: 4096 })
  const unsafe = { name: 'Http2WriteError', code: 'ERR_HTTP2_UNSAFE_HEADER' }
  const out = new ByteWriter()
  for (const list of [
    ['a', '\u0100'],
    ['\u{1f600}', 'a'],
    ['a', 'b'],
  ])
    assert.throws(() => encoder.encode(list, out), unsafe)
  assert.equal(out.length, 0)
})

test('blocks are appended, whatever room the sink had', () => {
  const out = new ByteWriter(1)
  const encoder = new HpackEncoder({ maxTableBytes: 4096 })
  out.bytes(Buffer.from('before'))
  encoder.encode([':method', 'GET'], out)
  const end = out.length
  encoder.encode(['x', 'y'.repeat(10_000)], out)
  assert.equal(out.view().subarray(0, end).toString('latin1'), 'before\x82')
  const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 1 << 20, maxFields: 9 })
  assert.deepEqual(decoder.decode(out.view(end)), { ok: true, fields: ['x', 'y'.repeat(10_000)] })
})
