/**
 * Nanoseconds and bytes for writing and reading header blocks, with and without Huffman, beside the same lists as HTTP/1.1
 * heads in the same process. Trust the ratios: the machine is whatever it is.
 */
import type { RequestHandler } from '../../src/http1/message.ts'
import { defaultLimits } from '../../src/http1/message.ts'
import { RequestParser } from '../../src/http1/request-parser.ts'
import { requestHead } from '../../src/http1/write-head.ts'
import { ByteWriter } from '../../src/http2/byte-writer.ts'
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts'

// Few enough to stay in the cache, as what was just read from the wire does.
const lists = 16
const uuid = (i: number): string =>
  `6d3f1a52-8b1b-4f5e-9f0c-${(i * 7919 + 1e11).toString(16).padStart(12, '0')}`
const trace = (i: number): string =>
  `00-0af7651916cd43dd8448eb21${(i * 104_729).toString(16).padStart(8, '0')}-b7ad6b7169203331-01`

/** Twelve fields; of `changing` every list has its own value. */
const request = (i: number, changing: 'id' | 'id trace path'): [string, string][] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'reviews.bookinfo.svc.cluster.local:9080'],
  [':path', changing === 'id' ? '/api/v1/products/17/reviews' : `/api/v1/products/${i}/reviews?limit=20`],
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)'],
  ['accept', 'application/json, text/plain, */*'],
  ['accept-encoding', 'gzip, deflate, br'],
  ['x-forwarded-for', '10.244.3.17'],
  ['x-forwarded-proto', 'http'],
  ['x-tenant', 'blue-42'],
  ['x-request-id', uuid(i)],
  ['traceparent', changing === 'id' ? trace(1) : trace(i)],
]
const response = (i: number): [string, string][] => [
  [':status', '200'],
  ['content-type', 'application/json; charset=utf-8'],
  ['content-length', String(1024 + (i % 7))],
  ['date', 'Tue, 02 Jan 2024 03:04:05 GMT'],
  ['server', 'istio-envoy'],
  ['x-envoy-upstream-service-time', String(i % 5)],
]
const fieldNames = new Map<string, string>()
/** Values as they come from the wire: new strings each time; names as the parsers know them. */
const fresh = (fields: [string, string][]): string[] =>
  fields.flatMap(([name, value]) => [
    fieldNames.get(name) ?? (fieldNames.set(name, name), name),
    Buffer.from(value, 'latin1').toString('latin1'),
  ])

function measure(name: string, rounds: number, run: (i: number) => void): number {
  for (let i = 0; i < rounds / 4; i++) run(i)
  let best = Infinity
  for (let sample = 0; sample < 7; sample++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < rounds; i++) run(i)
    best = Math.min(best, Number(process.hrtime.bigint() - start) / rounds)
  }
  console.log(`${name.padEnd(58)} ${best.toFixed(0).padStart(6)} ns`)
  return best
}

const rounds = process.argv.includes('--smoke') ? 2_000 : 100_000
const newDecoder = (): HpackDecoder =>
  new HpackDecoder({ maxTableBytes: 16_384, maxListBytes: 65_536, maxFields: 100 })
let fields = 0
let faults = 0
function read(decoder: HpackDecoder, block: Buffer): void {
  const result = decoder.decode(block)
  if (result.ok) fields += result.fields.length
  else faults++
}

for (const huffman of [false, true]) {
  console.log(huffman ? '\nwith Huffman' : 'without Huffman')
  const newEncoder = (): HpackEncoder => new HpackEncoder({ maxTableBytes: 4096, huffman })
  for (const [what, list] of [
    ['request, x-request-id changes', (i: number) => request(i, 'id')],
    ['request, id, trace and path change', (i: number) => request(i, 'id trace path')],
    ['response', response],
  ] as const) {
    const inputs = Array.from({ length: lists }, (_, i) => fresh(list(i)))
    const encoder = newEncoder()
    const out = new ByteWriter(16_384)
    measure(`encode ${what}`, rounds, (i) => {
      encoder.encode(inputs[i & (lists - 1)] as string[], out)
      out.truncate(0)
    })
    const decoder = newDecoder()
    // The blocks go round and round: what they refer to must be there each time, so the table is filled first.
    const blocks = newEncoder()
    const wire = [0, 1, 2].flatMap(() =>
      inputs.map((input) => {
        blocks.encode(input, out)
        return out.take()
      }),
    )
    for (const block of wire) read(decoder, block)
    const last = wire.slice(2 * lists)
    const bytes = last.reduce((sum, block) => sum + block.length, 0) / lists
    measure(`decode ${what} (${bytes.toFixed(0)} bytes)`, rounds, (i) =>
      read(decoder, last[i & (lists - 1)] as Buffer),
    )
  }
  const inputs = Array.from({ length: lists }, (_, i) => fresh(request(i, 'id trace path')))
  const out = new ByteWriter(16_384)
  const wire = inputs.map((input) => {
    newEncoder().encode(input, out)
    return out.take()
  })
  measure('encode the first request of a connection', rounds / 10, (i) => {
    newEncoder().encode(inputs[i & (lists - 1)] as string[], out)
    out.truncate(0)
  })
  measure(`decode the first request of a connection (${wire[0]?.length} bytes)`, rounds / 10, (i) =>
    read(newDecoder(), wire[i & (lists - 1)] as Buffer),
  )
}

console.log('\nthe same as HTTP/1.1')
class Counter implements RequestHandler {
  onHead(): void {
    fields++
  }
  onBody(): void {}
  onTrailers(): void {}
  onEnd(): void {}
}
const heads = Array.from({ length: lists }, (_, i) => {
  const [, , authority, path, ...rest] = request(i, 'id')
  return { path: path?.[1] ?? '', headers: fresh([['host', authority?.[1] ?? ''], ...rest]) }
})
const texts = heads.map(({ path, headers }) => Buffer.from(requestHead('GET', path, headers), 'latin1'))
const parser = new RequestParser(defaultLimits, new Counter())
const writer = new ByteWriter(16_384)
measure('write request head', rounds, (i) => {
  const { path, headers } = heads[i & (lists - 1)] ?? { path: '', headers: [] }
  writer.latin1(requestHead('GET', path, headers))
  writer.truncate(0)
})
measure(`read request head (${texts[0]?.length} bytes)`, rounds, (i) =>
  parser.execute(texts[i & (lists - 1)] as Buffer),
)
if (faults > 0 || fields === 0 || parser.refusal !== null) process.exitCode = 1
