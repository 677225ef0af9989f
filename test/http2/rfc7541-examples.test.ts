/**
 * The examples of RFC 7541 Appendix C, all of them: bytes, fields and the tables in between. Fields and bytes are as
 * printed there.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockReader } from '../../src/http2/hpack-block-reader.ts'
import { ByteWriter } from '../../src/http2/byte-writer.ts'
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts'
import { writeInteger } from '../../src/http2/hpack-integer.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** `name: value` lines as a flat list; a value may begin with a colon, a name too. */
const flat = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => {
    const colon = line.indexOf(': ', 1)
    return [line.slice(0, colon), line.slice(colon + 2)]
  })

const decoder = (maxTableBytes = 4096): HpackDecoder =>
  new HpackDecoder({ maxTableBytes, maxListBytes: 65_536, maxFields: 100 })

/** Asks for the table's entries one by one, newest first, and for one more, which must not be there. */
function assertTable(of: HpackDecoder, entries: readonly string[]): void {
  for (const [age, line] of entries.entries())
    assert.deepEqual(of.decode(Buffer.from([0x80 | (62 + age)])), { ok: true, fields: flat([line]) })
}
function assertTableEnds(of: HpackDecoder, count: number): void {
  assert.deepEqual(of.decode(Buffer.from([0x80 | (62 + count)])), {
    ok: false,
    error: 'compression',
    reason: 'index_beyond_table',
  })
}

const integers = [
  { section: 'C.1.1', value: 10, mask: 0x1f, bytes: '0a' },
  { section: 'C.1.2', value: 1337, mask: 0x1f, bytes: '1f 9a 0a' },
  { section: 'C.1.3', value: 42, mask: 0xff, bytes: '2a' },
]
for (const { section, value, mask, bytes } of integers)
  test(`${section}: ${value} is written and read as the RFC has it`, () => {
    const to = Buffer.alloc(8)
    assert.deepEqual(to.subarray(0, writeInteger(to, 0, 0, mask, value)), hex(bytes))
    const reader = new BlockReader()
    reader.start(hex(bytes))
    assert.equal(reader.integer(mask), value)
    assert.equal(reader.at, hex(bytes).length)
  })

const single = [
  {
    section: 'C.2.1',
    bytes: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
    field: 'custom-key: custom-header',
    table: ['custom-key: custom-header'],
  },
  { section: 'C.2.2', bytes: '040c 2f73 616d 706c 652f 7061 7468', field: ':path: /sample/path', table: [] },
  {
    section: 'C.2.3',
    bytes: '1008 7061 7373 776f 7264 0673 6563 7265 74',
    field: 'password: secret',
    table: [],
  },
  { section: 'C.2.4', bytes: '82', field: ':method: GET', table: [] },
]
for (const { section, bytes, field, table } of single)
  test(`${section}: ${field} is read, and the table is as printed`, () => {
    const reading = decoder()
    assert.deepEqual(reading.decode(hex(bytes)), { ok: true, fields: flat([field]) })
    assertTable(reading, table)
    assertTableEnds(reading, table.length)
  })

const authority = ':authority: www.example.com'
const custom = 'custom-key: custom-value'
const requests = [
  { fields: [':method: GET', ':scheme: http', ':path: /', authority], table: [authority] },
  {
    fields: [':method: GET', ':scheme: http', ':path: /', authority, 'cache-control: no-cache'],
    table: ['cache-control: no-cache', authority],
  },
  {
    fields: [':method: GET', ':scheme: https', ':path: /index.html', authority, custom],
    table: [custom, 'cache-control: no-cache', authority],
  },
]
const date21 = 'date: Mon, 21 Oct 2013 20:13:21 GMT'
const date22 = 'date: Mon, 21 Oct 2013 20:13:22 GMT'
const place = 'location: https://www.example.com'
const cookie = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'
const responses = [
  {
    fields: [':status: 302', 'cache-control: private', date21, place],
    table: [place, date21, 'cache-control: private', ':status: 302'],
  },
  {
    fields: [':status: 307', 'cache-control: private', date21, place],
    table: [':status: 307', place, date21, 'cache-control: private'],
  },
  {
    fields: [':status: 200', 'cache-control: private', date22, place, 'content-encoding: gzip', cookie],
    table: [cookie, 'content-encoding: gzip', date22],
  },
]

const connections = [
  {
    section: 'C.3',
    what: 'requests without Huffman',
    messages: requests,
    tableBytes: 4096,
    blocks: [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
  },
  {
    section: 'C.4',
    what: 'requests with Huffman',
    messages: requests,
    tableBytes: 4096,
    blocks: [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  },
  {
    section: 'C.5',
    what: 'responses without Huffman',
    messages: responses,
    tableBytes: 256,
    blocks: [
      '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    ],
  },
  {
    section: 'C.6',
    what: 'responses with Huffman',
    messages: responses,
    tableBytes: 256,
    blocks: [
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ],
  },
]
for (const { section, what, messages, tableBytes, blocks } of connections)
  test(`${section}: ${what} are read one after the other, and the table is as printed after each`, () => {
    const reading = decoder(tableBytes)
    // The examples begin with the table at its announced size; a connection begins at 4096 and says so when it shrinks.
    if (tableBytes < 4096) {
      const update = Buffer.alloc(4)
      const end = writeInteger(update, 0, 0x20, 0x1f, tableBytes)
      assert.deepEqual(reading.decode(update.subarray(0, end)), { ok: true, fields: [] })
    }
    for (const [i, { fields, table }] of messages.entries()) {
      assert.deepEqual(reading.decode(hex(blocks[i] ?? assert.fail())), { ok: true, fields: flat(fields) })
      assertTable(reading, table)
    }
    assertTableEnds(reading, messages.at(-1)?.table.length ?? assert.fail())
  })

for (const { section, huffman } of [
  { section: 'C.3', huffman: false },
  { section: 'C.4', huffman: true },
])
  test(`${section}: our encoder writes the requests as the RFC does, with Huffman: ${huffman}`, () => {
    const { messages, blocks } = connections.find((entry) => entry.section === section) ?? assert.fail()
    const encoder = new HpackEncoder({ maxTableBytes: 4096, huffman })
    for (const [i, { fields }] of messages.entries()) {
      const out = new ByteWriter()
      encoder.encode(flat(fields), out)
      assert.equal(out.take().toString('hex'), blocks[i]?.replaceAll(' ', ''))
    }
  })
