/**
 * What the decoder refuses, and what it keeps right while it does. Blocks are written by hand here; what an encoder makes
 * of fields is tried elsewhere.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DecodedFields } from '../../src/http2/hpack-decoder.ts'
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts'
import { writeInteger } from '../../src/http2/hpack-integer.ts'

const standard = { maxTableBytes: 4096, maxListBytes: 65_536, maxFields: 100 }
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

function integer(head: number, mask: number, value: number): Buffer {
  const to = Buffer.alloc(6)
  return to.subarray(0, writeInteger(to, 0, head, mask, value))
}
const text = (value: string): Buffer =>
  Buffer.concat([integer(0, 0x7f, value.length), Buffer.from(value, 'latin1')])
const literal = (head: number, name: string, value: string): Buffer =>
  Buffer.concat([Buffer.of(head), text(name), text(value)])
const indexing = (name: string, value: string): Buffer => literal(0x40, name, value)
const plain = (name: string, value: string): Buffer => literal(0, name, value)
const indexed = (index: number): Buffer => integer(0x80, 0x7f, index)
const sizeUpdate = (bytes: number): Buffer => integer(0x20, 0x1f, bytes)
const block = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
const fields = (...list: string[]): DecodedFields => ({ ok: true, fields: list })
const compression = (reason: string): DecodedFields => ({ ok: false, error: 'compression', reason })
const tooLarge: DecodedFields = { ok: false, error: 'list-too-large', reason: 'header_list_too_large' }

/** Each is a whole block for a fresh connection. */
const hostile = [
  { what: 'index 0', bytes: '80', reason: 'index_zero' },
  { what: 'the first index of an empty table', bytes: 'be', reason: 'index_beyond_table' },
  { what: 'an index far beyond', bytes: 'ff ff ff ff 7f', reason: 'index_beyond_table' },
  {
    what: 'an index that does not end',
    bytes: 'ff ff ff ff ff ff ff ff ff ff 01',
    reason: 'integer_too_large',
  },
  {
    what: 'an index past 2^32 that would come round to 2',
    bytes: 'ff 83 ff ff ff 0f',
    reason: 'integer_too_large',
  },
  { what: 'an index cut off', bytes: 'ff', reason: 'truncated' },
  { what: 'an index cut off later', bytes: 'ff 80', reason: 'truncated' },
  { what: 'a name index beyond the table', bytes: '7e 01 61', reason: 'index_beyond_table' },
  { what: 'a name index beyond the table, not indexed', bytes: '0f 2f 01 61', reason: 'index_beyond_table' },
  {
    what: 'a name index beyond the table, never indexed',
    bytes: '1f 2f 01 61',
    reason: 'index_beyond_table',
  },
  { what: 'a name that is missing', bytes: '40', reason: 'truncated' },
  { what: 'a name cut off', bytes: '40 05 61 62', reason: 'truncated' },
  { what: 'a value that is missing', bytes: '40 01 61', reason: 'truncated' },
  { what: 'a value cut off', bytes: '40 01 61 05 62', reason: 'truncated' },
  { what: 'a value longer than any block', bytes: '00 01 61 7f ff ff ff 7f', reason: 'truncated' },
  { what: 'a length that does not end', bytes: '00 01 61 7f ff ff ff ff ff 01', reason: 'integer_too_large' },
  {
    what: 'a length of 2^32 that would come round to 0',
    bytes: '00 01 61 7f 81 ff ff ff 0f',
    reason: 'integer_too_large',
  },
  { what: 'a Huffman name with padding of eight ones', bytes: '40 81 ff 01 61', reason: 'bad_huffman' },
  { what: 'a Huffman value with padding of zeros', bytes: '40 01 61 81 00', reason: 'bad_huffman' },
  { what: 'a Huffman value with EOS', bytes: '40 01 61 84 ff ff ff fc', reason: 'bad_huffman' },
  { what: 'a Huffman value cut off', bytes: '40 01 61 85 25 a8', reason: 'truncated' },
  { what: 'a table larger than we allow', bytes: '3f e2 1f', reason: 'table_too_large' },
  { what: 'a table of 2^32 bytes', bytes: '3f e1 ff ff ff 0f', reason: 'integer_too_large' },
  { what: 'a size update cut off', bytes: '3f', reason: 'truncated' },
  { what: 'a size update behind a field', bytes: '82 20', reason: 'late_size_update' },
  { what: 'a third size update', bytes: '20 20 20', reason: 'too_many_size_updates' },
]
for (const { what, bytes, reason } of hostile)
  test(`${what} is refused`, () => {
    assert.deepEqual(new HpackDecoder(standard).decode(hex(bytes)), compression(reason))
  })

test('after a fault everything is refused: the tables are out of step', () => {
  const decoder = new HpackDecoder(standard)
  assert.deepEqual(decoder.decode(hex('80')), compression('index_zero'))
  assert.deepEqual(decoder.decode(hex('82')), compression('index_zero'))
})

test('an empty block is an empty list', () => {
  assert.deepEqual(new HpackDecoder(standard).decode(Buffer.alloc(0)), fields())
})

test('two size updates may open a block, the smaller first, and do what they say', () => {
  const decoder = new HpackDecoder(standard)
  decoder.decode(indexing('a', 'b'))
  assert.deepEqual(decoder.decode(indexed(62)), fields('a', 'b'))
  assert.deepEqual(
    decoder.decode(block(sizeUpdate(0), sizeUpdate(4096), hex('82'))),
    fields(':method', 'GET'),
  )
  assert.deepEqual(decoder.decode(indexed(62)), compression('index_beyond_table'))
})

test('a table larger than 4096 is filled beyond that only once the encoder says so', () => {
  const large = 'x'.repeat(2000)
  const options = { ...standard, maxTableBytes: 16_384 }
  const three = ['a', 'b', 'c'].map((name) => indexing(name, large))
  const silent = new HpackDecoder(options)
  for (const entry of three) silent.decode(entry)
  assert.deepEqual(silent.decode(indexed(64)), compression('index_beyond_table'))
  const told = new HpackDecoder(options)
  told.decode(sizeUpdate(16_384))
  for (const entry of three) told.decode(entry)
  assert.deepEqual(told.decode(indexed(64)), fields('a', large))
})

test('a peer that has acknowledged a smaller table begins its next block with making it smaller', () => {
  const options = { ...standard, maxTableBytes: 100 }
  const early = new HpackDecoder(options)
  early.decode(indexing('a', 'x'.repeat(200)))
  assert.deepEqual(
    early.decode(indexed(62)),
    fields('a', 'x'.repeat(200)),
    'it has not seen our SETTINGS yet',
  )
  early.acknowledged()
  assert.deepEqual(early.decode(hex('82')), compression('size_update_missing'))

  const right = new HpackDecoder(options)
  right.acknowledged()
  assert.deepEqual(right.decode(block(sizeUpdate(60), hex('82'))), fields(':method', 'GET'))
  assert.deepEqual(right.decode(hex('82')), fields(':method', 'GET'))

  const roomy = new HpackDecoder(standard)
  roomy.acknowledged()
  assert.deepEqual(roomy.decode(hex('82')), fields(':method', 'GET'), 'nothing to make smaller')
})

test('a field as large as the table is the only one in it, one byte more and there is none', () => {
  const exact = 'x'.repeat(4096 - 32 - 1)
  const decoder = new HpackDecoder(standard)
  decoder.decode(block(indexing('k', 'v'), indexing('a', exact)))
  assert.deepEqual(decoder.decode(indexed(62)), fields('a', exact))
  assert.deepEqual(decoder.decode(indexing('a', `${exact}y`)), fields('a', `${exact}y`))
  assert.deepEqual(decoder.decode(indexed(62)), compression('index_beyond_table'))
})

test('a field may take its name from an entry that it drives out', () => {
  const decoder = new HpackDecoder(standard)
  decoder.decode(indexing('name-of-old', 'x'.repeat(4000)))
  const value = 'y'.repeat(4000)
  assert.deepEqual(decoder.decode(block(integer(0x40, 0x3f, 62), text(value))), fields('name-of-old', value))
  assert.deepEqual(decoder.decode(indexed(62)), fields('name-of-old', value))
  assert.deepEqual(decoder.decode(indexed(63)), compression('index_beyond_table'))
})

test('the oldest give way, one after the other, however often the table has turned over', () => {
  const decoder = new HpackDecoder(standard)
  // 40 bytes each: 102 of them fit.
  const entry = (i: number): [string, string] => ['key', String(i).padStart(5, '0')]
  for (let i = 0; i < 1000; i++) {
    decoder.decode(indexing(...entry(i)))
    const oldest = Math.min(i, 101)
    assert.deepEqual(decoder.decode(indexed(62)), fields(...entry(i)))
    assert.deepEqual(decoder.decode(indexed(62 + oldest)), fields(...entry(i - oldest)))
  }
  assert.deepEqual(decoder.decode(indexed(62 + 102)), compression('index_beyond_table'))
})

test('a field that must never be indexed is read like any other and leaves no trace', () => {
  const decoder = new HpackDecoder(standard)
  assert.deepEqual(decoder.decode(literal(0x10, 'password', 'secret')), fields('password', 'secret'))
  assert.deepEqual(decoder.decode(indexed(62)), compression('index_beyond_table'))
})

test('the limit of a list is exact, 32 counted for each field', () => {
  const limits = { ...standard, maxListBytes: 100 }
  const fits = block(plain('ab', 'c'.repeat(16)), plain('ab', 'c'.repeat(16)))
  assert.equal(new HpackDecoder(limits).decode(fits).ok, true)
  const over = block(plain('ab', 'c'.repeat(16)), plain('ab', 'c'.repeat(17)))
  assert.deepEqual(new HpackDecoder(limits).decode(over), tooLarge)
})

test('the number of fields is limited, whatever their size', () => {
  const limits = { ...standard, maxFields: 3 }
  assert.equal(new HpackDecoder(limits).decode(hex('82 86 84')).ok, true)
  assert.deepEqual(new HpackDecoder(limits).decode(hex('82 86 84 84')), tooLarge)
})

test('a list that is too large is read to its end, so that the table is right for the next', () => {
  const decoder = new HpackDecoder({ ...standard, maxListBytes: 300 })
  const large = block(
    indexing('first', 'a'),
    plain('large', 'x'.repeat(400)),
    indexing('second', 'b'),
    literal(0x10, 'secret', 'c'),
    indexing('third', 'd'.repeat(300)),
  )
  assert.deepEqual(decoder.decode(large), tooLarge)
  assert.deepEqual(decoder.decode(block(indexed(64), indexed(63))), fields('first', 'a', 'second', 'b'))
  assert.deepEqual(decoder.decode(indexed(62)), tooLarge)
  assert.deepEqual(decoder.decode(hex('82')), fields(':method', 'GET'))
})

test('what is dropped is still checked', () => {
  const limits = { ...standard, maxListBytes: 100 }
  const dropped = plain('large', 'x'.repeat(400))
  for (const [rest, reason] of [
    ['00 01 61 81 00', 'bad_huffman'],
    ['00 81 ff 00', 'bad_huffman'],
    ['80', 'index_zero'],
    ['20', 'late_size_update'],
    ['00 01 61 05', 'truncated'],
  ] as const)
    assert.deepEqual(new HpackDecoder(limits).decode(block(dropped, hex(rest))), compression(reason))
})

test('a bomb of references to one large entry costs neither memory nor time (CVE-2016-6581)', () => {
  const decoder = new HpackDecoder({ ...standard, maxTableBytes: 16_384 })
  decoder.decode(block(sizeUpdate(16_384), indexing('bomb', 'x'.repeat(16_000))))
  // 16 KiB of references stand for 262 MB of fields.
  const references = Buffer.alloc(16_384, 0x80 | 62)
  const heap = process.memoryUsage().heapUsed
  for (let i = 0; i < 20; i++) assert.deepEqual(decoder.decode(references), tooLarge)
  assert.ok(process.memoryUsage().heapUsed - heap < 32 * 1024 * 1024)
  assert.deepEqual(decoder.decode(indexed(2)), fields(':method', 'GET'))
})

test('a bomb of insertions stays within the table', () => {
  const decoder = new HpackDecoder({ ...standard, maxTableBytes: 16_384 })
  decoder.decode(sizeUpdate(16_384))
  // Entries of nothing: 32 bytes each.
  const insertions = Buffer.concat(Array.from({ length: 5000 }, () => indexing('', '')))
  assert.deepEqual(decoder.decode(insertions), tooLarge)
  assert.deepEqual(decoder.decode(indexed(61 + 512)), fields('', ''))
  assert.deepEqual(decoder.decode(indexed(62 + 512)), compression('index_beyond_table'))
})

test('what was read is free of the block it came from', () => {
  const decoder = new HpackDecoder(standard)
  const bytes = block(indexing('name', 'value'), plain('other', 'thing'))
  const read = decoder.decode(bytes)
  bytes.fill(0)
  assert.deepEqual(read, fields('name', 'value', 'other', 'thing'))
  assert.deepEqual(decoder.decode(indexed(62)), fields('name', 'value'))
})

test('lists do not share: what a reader does to one is not seen by the next', () => {
  const decoder = new HpackDecoder(standard)
  const first = decoder.decode(hex('82'))
  if (first.ok) first.fields.length = 0
  assert.deepEqual(decoder.decode(hex('82')), fields(':method', 'GET'))
})
