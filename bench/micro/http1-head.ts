/**
 * Nanoseconds for reading and writing HTTP/1.1 heads, beside Node's own parser (llhttp) reading the same bytes in the
 * same process. Trust the ratios: the machine is whatever it is.
 */
import { createRequire } from 'node:module'
import type { RequestHandler, RequestHead, ResponseHandler, ResponseHead } from '../../src/http1/message.ts'
import { defaultLimits } from '../../src/http1/message.ts'
import { RequestParser } from '../../src/http1/request-parser.ts'
import { ResponseParser } from '../../src/http1/response-parser.ts'
import { HeadWriter } from '../../src/http1/head-writer.ts'
import { requestHead, responseHead } from '../../src/http1/write-head.ts'

const requestHeaders = [
  ['host', 'reviews.bookinfo.svc.cluster.local:9080'],
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)'],
  ['accept', 'application/json, text/plain, */*'],
  ['accept-encoding', 'gzip, deflate, br'],
  ['x-request-id', '6d3f1a52-8b1b-4f5e-9f0c-2a7f0d9f6c11'],
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['x-forwarded-for', '10.244.3.17'],
  ['authorization', 'Bearer abcdefghijklmnopqrstuvwxyz0123456789'],
  ['connection', 'keep-alive'],
  ['x-tenant', 'blue-42'],
].flat()
const responseHeaders = [
  ['content-type', 'application/json; charset=utf-8'],
  ['content-length', '0'],
  ['date', 'Tue, 02 Jan 2024 03:04:05 GMT'],
  ['server', 'istio-envoy'],
  ['cache-control', 'no-store'],
  ['x-request-id', '6d3f1a52-8b1b-4f5e-9f0c-2a7f0d9f6c11'],
  ['x-envoy-upstream-service-time', '3'],
].flat()

let heads = 0
class Counter implements RequestHandler, ResponseHandler {
  onHead(_head: RequestHead | ResponseHead): void {
    heads++
  }
  onBody(): void {}
  onTrailers(): void {}
  onEnd(): void {}
}

function measure(name: string, rounds: number, run: () => void): number {
  for (let i = 0; i < rounds / 4; i++) run()
  let best = Infinity
  for (let sample = 0; sample < 7; sample++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < rounds; i++) run()
    best = Math.min(best, Number(process.hrtime.bigint() - start) / rounds)
  }
  console.log(`${name.padEnd(44)} ${best.toFixed(0).padStart(6)} ns/op`)
  return best
}

const rounds = process.argv.includes('--smoke') ? 2_000 : 100_000
const requestText = requestHead('GET', '/api/v1/products/17/reviews?limit=20&offset=40', requestHeaders)
const request = Buffer.from(requestText, 'latin1')
const response = Buffer.from(responseHead(200, 'OK', responseHeaders), 'latin1')
const half = request.length >> 1
const parts = [request.subarray(0, half), request.subarray(half)] as const
console.log(`request head ${request.length} bytes, response head ${response.length} bytes`)

const requests = new RequestParser(defaultLimits, new Counter())
const ours = measure('parse request head, whole', rounds, () => requests.execute(request))
measure('parse request head, in two chunks', rounds, () => {
  requests.execute(parts[0])
  requests.execute(parts[1])
})
const responses = new ResponseParser(defaultLimits, new Counter())
measure('parse response head, whole', rounds, () => {
  responses.expect('GET')
  responses.execute(response)
})
measure('write request head (string)', rounds, () => {
  heads += requestHead('GET', '/api/v1/products/17/reviews?limit=20', requestHeaders).length & 1
})
measure('write request head (bytes)', rounds, () => {
  const text = requestHead('GET', '/api/v1/products/17/reviews?limit=20', requestHeaders)
  heads += Buffer.from(text, 'latin1').length & 1
})
const heads1 = new HeadWriter()
measure('write request head again (bytes)', rounds, () => {
  const text = heads1.request('GET', '/api/v1/products/17/reviews?limit=20', requestHeaders)
  heads += Buffer.from(text, 'latin1').length & 1
})
measure('write response head (string)', rounds, () => {
  heads += responseHead(200, 'OK', responseHeaders).length & 1
})

/** The internal parser, by the only road that still leads to it; absent in some future Node. */
function nodeParser(): { execute(bytes: Buffer): unknown } | null {
  try {
    const { HTTPParser } = createRequire(import.meta.url)('_http_common')
    const parser = new HTTPParser()
    parser.initialize(HTTPParser.REQUEST, {})
    parser[HTTPParser.kOnHeadersComplete] = () => {
      heads++
      return 0
    }
    parser[HTTPParser.kOnMessageComplete] = () => {}
    return parser
  } catch {
    return null
  }
}

const theirs = nodeParser()
if (theirs === null) console.log('node:http parser is not reachable in this Node')
else {
  const llhttp = measure('node llhttp, same request head', rounds, () => theirs.execute(request))
  console.log(`ours / llhttp = ${(ours / llhttp).toFixed(2)}`)
}
if (requests.refusal !== null || responses.refusal !== null || heads === 0) process.exitCode = 1
