/**
 * From our encoder to our decoder: every byte, every cut, and long random connections on which both tables must stay in
 * step. SALLYPORT_CASES and SALLYPORT_SEED enlarge and repeat a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteWriter } from '../../src/http2/byte-writer.ts'
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts'
import { pick } from '../support/damage.ts'
import { seededRandom } from '../support/random-policies.ts'
import { randomFields } from './random-fields.ts'

const cases = Number(process.env.SALLYPORT_CASES ?? 400)
const seed = Number(process.env.SALLYPORT_SEED ?? Math.floor(Math.random() * 2 ** 32))

const newDecoder = (maxTableBytes: number): HpackDecoder =>
  new HpackDecoder({ maxTableBytes, maxListBytes: 1 << 20, maxFields: 10_000 })

function encode(encoder: HpackEncoder, fields: readonly string[]): Buffer {
  const out = new ByteWriter()
  encoder.encode(fields, out)
  return out.take()
}

for (const huffman of [false, true]) {
  test(`every byte comes through in name and value, with Huffman: ${huffman}`, () => {
    const encoder = new HpackEncoder({ maxTableBytes: 4096, huffman })
    const decoder = newDecoder(4096)
    const all = String.fromCharCode(...Array(256).keys())
    for (let round = 0; round < 2; round++)
      for (let byte = 0; byte < 256; byte++) {
        const one = String.fromCharCode(byte)
        const fields = [
          one,
          'value',
          `n${one}`,
          `${one}${one}`,
          'name',
          `a${one}b`,
          'cookie',
          one,
          'all',
          all,
        ]
        assert.deepEqual(decoder.decode(encode(encoder, fields)), { ok: true, fields })
      }
  })

  test(`every length from 0 to 300 and some around 16 KiB come through, with Huffman: ${huffman}`, () => {
    const encoder = new HpackEncoder({ maxTableBytes: 4096, huffman })
    const decoder = newDecoder(4096)
    for (const length of [...Array(300).keys(), 16_382, 16_383, 16_384, 16_510, 16_511, 16_512]) {
      const fields = ['x'.repeat(length), 'y', 'z', 'w'.repeat(length)]
      assert.deepEqual(decoder.decode(encode(encoder, fields)), { ok: true, fields })
    }
  })

  test(`a block cut anywhere is refused, or ends between two fields, with Huffman: ${huffman}`, () => {
    const history = [':path', '/one', 'x-tenant', 'blue', 'accept', 'text/html']
    const fields = [
      ':method',
      'GET',
      ':path',
      '/two',
      ...history.slice(2),
      'cookie',
      'a=b',
      'x-new',
      'v'.repeat(200),
    ]
    const encoder = new HpackEncoder({ maxTableBytes: 4096, huffman })
    const first = encode(encoder, history)
    encoder.setPeerTableSize(1000)
    encoder.setPeerTableSize(2000)
    const block = encode(encoder, fields)
    let between = 0
    for (let cut = 0; cut < block.length; cut++) {
      const decoder = newDecoder(4096)
      decoder.decode(first)
      const read = decoder.decode(block.subarray(0, cut))
      if (read.ok) {
        between++
        assert.deepEqual(read.fields, fields.slice(0, read.fields.length))
      } else assert.deepEqual(read, { ok: false, error: 'compression', reason: 'truncated' })
    }
    // Before each field, and before each of the two size updates.
    assert.equal(between, fields.length / 2 + 2)
  })

  test(`random connections come through with evictions and table size changes, with Huffman: ${huffman} (seed ${seed})`, () => {
    const random = seededRandom(seed)
    for (let connection = 0; connection < 8; connection++) {
      const ours = pick(random, [0, 64, 200, 1000, 4096, 16_384])
      const theirs = pick(random, [4096, 8192, 65_536])
      const encoder = new HpackEncoder({ maxTableBytes: ours, huffman })
      const decoder = newDecoder(theirs)
      for (let i = 0; i < cases / 8; i++) {
        while (random() < 0.1)
          encoder.setPeerTableSize(Math.min(theirs, pick(random, [0, 31, 100, 500, 4096, 65_536])))
        const fields = randomFields(random)
        assert.deepEqual(decoder.decode(encode(encoder, fields)), { ok: true, fields }, `list ${i}`)
      }
    }
  })
}

test(`changed bytes are read as something or refused, and nothing throws (seed ${seed})`, () => {
  const random = seededRandom(seed)
  const seen = { ok: 0, 'list-too-large': 0, compression: 0 }
  for (let i = 0; i < cases * 4; i++) {
    const encoder = new HpackEncoder({ maxTableBytes: 4096, huffman: random() < 0.5 })
    const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 2000, maxFields: 30 })
    for (let list = 0; list < 4; list++) {
      const block = encode(encoder, randomFields(random))
      for (let change = 0; change < 2 && block.length > 0; change++)
        block[Math.floor(random() * block.length)] = Math.floor(random() * 256)
      const read = decoder.decode(block)
      seen[read.ok ? 'ok' : read.error]++
      if (!read.ok) assert.match(read.reason, /^[a-z_]+$/)
    }
  }
  assert.ok(seen.ok > 0 && seen.compression > 0, JSON.stringify(seen))
})
