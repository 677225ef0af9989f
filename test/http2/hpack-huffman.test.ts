/**
 * Huffman coding, both ways, against a reader that goes through the code bit by bit. Every byte, every short input, and
 * the three ways to be no coding at all.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeBits, codes, EOS } from '../../src/http2/hpack-huffman-code.ts'
import { mostTextBytes, readHuffman } from '../../src/http2/hpack-huffman-reader.ts'
import { huffmanBytes, writeHuffman } from '../../src/http2/hpack-huffman-writer.ts'
import { seededRandom } from '../support/random-policies.ts'

const seed = Number(process.env.SALLYPORT_SEED ?? Math.floor(Math.random() * 2 ** 32))

const symbols = new Map<string, number>()
for (let symbol = 0; symbol <= EOS; symbol++) symbols.set(bitsOf(symbol), symbol)

function bitsOf(symbol: number): string {
  return (codes[symbol] ?? assert.fail()).toString(2).padStart(codeBits[symbol] ?? 0, '0')
}

/** The text, or null: word by word as RFC 7541 §5.2 says it. */
function plainRead(bytes: Uint8Array): number[] | null {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const text: number[] = []
  let from = 0
  for (let to = 1; to <= bits.length; to++) {
    const symbol = symbols.get(bits.slice(from, to))
    if (symbol === undefined) continue
    if (symbol === EOS) return null
    text.push(symbol)
    from = to
  }
  const padding = bits.slice(from)
  return padding.length > 7 || padding.includes('0') ? null : text
}

function read(bytes: Uint8Array): number[] | null {
  const text = Buffer.alloc(mostTextBytes(bytes.length))
  const length = readHuffman(bytes, 0, bytes.length, text)
  assert.ok(length < text.length)
  return length < 0 ? null : [...text.subarray(0, length)]
}

function write(text: string): Buffer {
  const to = Buffer.alloc(4 * text.length + 1)
  return to.subarray(0, writeHuffman(to, 0, text))
}

test('the code is complete and no code begins another', () => {
  const room = [...codeBits].reduce((sum, bits) => sum + 2 ** (30 - bits), 0)
  assert.equal(room, 2 ** 30)
  assert.equal(symbols.size, 257)
  // The first, the last and some between, as RFC 7541 Appendix B prints them.
  for (const [symbol, code, bits] of [
    [0, 0x1ff8, 13],
    [10, 0x3ffffffc, 30],
    [48, 0x0, 5],
    [92, 0x7fff0, 19],
    [122, 0x7b, 7],
    [128, 0xfffe6, 20],
    [249, 0xffffffe, 28],
    [255, 0x3ffffee, 26],
    [EOS, 0x3fffffff, 30],
  ] as const)
    assert.deepEqual([codes[symbol], codeBits[symbol]], [code, bits], `symbol ${symbol}`)
})

test('every byte, and every byte behind and before every other, comes back', () => {
  for (let first = 0; first < 256; first++) {
    const alone = String.fromCharCode(first)
    assert.deepEqual(read(write(alone)), [first])
    for (let second = 0; second < 256; second++) {
      const text = String.fromCharCode(first, second, first)
      const coded = write(text)
      assert.equal(coded.length, huffmanBytes(text))
      assert.deepEqual(read(coded), [first, second, first])
    }
  }
})

test('every input of one and two bytes is read as bit by bit, or refused as there', () => {
  for (let value = 0; value < 256; value++)
    assert.deepEqual(read(Buffer.of(value)), plainRead(Buffer.of(value)))
  for (let value = 0; value < 65_536; value++) {
    const bytes = Buffer.of(value >> 8, value & 0xff)
    assert.deepEqual(read(bytes), plainRead(bytes), bytes.toString('hex'))
  }
})

test(`random inputs are read as bit by bit, or refused as there (seed ${seed})`, () => {
  const random = seededRandom(seed)
  for (let i = 0; i < 3000; i++) {
    // Many ones: long codes, EOS and padding are made of them.
    const heavy = random() < 0.5
    const bytes = Buffer.from(
      Array.from({ length: 1 + Math.floor(random() * 12) }, () =>
        heavy && random() < 0.7 ? 0xff : Math.floor(random() * 256),
      ),
    )
    assert.deepEqual(read(bytes), plainRead(bytes), bytes.toString('hex'))
  }
})

const refused = [
  { what: 'eight bits of padding', bytes: 'ff' },
  { what: 'a whole byte of padding behind text', bytes: 'f1e3c2e5f23a6ba0ab90f4ffff' },
  { what: 'padding of zeros', bytes: '00' },
  { what: 'padding of ones with a zero at its end', bytes: '1e' },
  { what: 'EOS alone', bytes: 'fffffffc' },
  { what: 'EOS in the middle', bytes: '07fffffffc07' },
  { what: 'EOS and its padding', bytes: 'ffffffff' },
  { what: 'a code cut off', bytes: 'fffe' },
]
for (const { what, bytes } of refused)
  test(`${what} is no coding`, () => {
    assert.equal(read(Buffer.from(bytes, 'hex')), null)
    assert.equal(plainRead(Buffer.from(bytes, 'hex')), null)
  })

test('nothing at all is the empty text', () => {
  assert.deepEqual(read(Buffer.alloc(0)), [])
})
