/**
 * HPACK's integers: every prefix, the borders between lengths, and numbers that are cut off or too long.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockReader, Fault } from '../../src/http2/hpack-block-reader.ts'
import { mostIntegerBytes, writeInteger } from '../../src/http2/hpack-integer.ts'

const prefixes = [4, 5, 6, 7]
const borders = [
  0,
  1,
  14,
  15,
  16,
  30,
  31,
  62,
  63,
  126,
  127,
  128,
  254,
  255,
  256,
  16_383,
  16_384,
  65_535,
  2 ** 21,
]

function read(bytes: Buffer, mask: number): { value: number; at: number; fault: string } {
  const reader = new BlockReader()
  reader.start(bytes)
  return { value: reader.integer(mask), at: reader.at, fault: reader.fault }
}

for (const bits of prefixes)
  test(`with a prefix of ${bits} bits numbers come back, the bits above are left alone`, () => {
    const mask = 2 ** bits - 1
    const head = 0xff & ~mask
    const values = [...Array(3000).keys(), ...borders, ...borders.map((value) => value + mask)]
    for (const value of values) {
      const to = Buffer.alloc(mostIntegerBytes)
      const end = writeInteger(to, 0, head, mask, value)
      assert.equal((to[0] ?? 0) & ~mask, head)
      assert.deepEqual(read(to.subarray(0, end), mask), { value, at: end, fault: '' })
      for (let cut = 0; cut < end; cut++)
        assert.deepEqual(read(to.subarray(0, cut), mask), { value: Fault, at: cut, fault: 'truncated' })
    }
  })

test('numbers up to 2^28 are read, zeros behind them too, and longer ones are refused', () => {
  const largest = Buffer.from('1fffffff7f', 'hex')
  assert.equal(read(largest, 0x1f).value, 31 + 2 ** 28 - 1)
  assert.equal(read(Buffer.from('1f80808000', 'hex'), 0x1f).value, 31)
  for (const bytes of ['1fffffffff0f', '1fffffffff7f', '1f8080808000', `1f${'ff'.repeat(40)}01`])
    assert.equal(read(Buffer.from(bytes, 'hex'), 0x1f).fault, 'integer_too_large', bytes)
})

test('a number never takes more bytes than we say it may', () => {
  for (const mask of [15, 31, 63, 127]) {
    const to = Buffer.alloc(16)
    assert.ok(writeInteger(to, 0, 0, mask, 2 ** 31 - 1) <= mostIntegerBytes)
  }
})
