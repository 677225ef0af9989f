/**
 * Our parsers against llhttp on random connections: what we frame, Node must frame alike; what only we refuse must be
 * refused for a reason listed here. SALLYPORT_CASES and SALLYPORT_SEED enlarge and repeat a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestHead, ResponseHead } from '../../src/http1/message.ts'
import { seededRandom } from '../support/random-policies.ts'
import type { NodeMessage, NodeReading } from './node-reader.ts'
import { nodeMethods, readWithNode } from './node-reader.ts'
import type { Message, Transcript } from './transcript.ts'
import { byteByByte, bytes, cutAt, readRequests, readResponses } from './transcript.ts'
import { wireCase } from './wire-cases.ts'

const cases = Number(process.env.SALLYPORT_CASES ?? 6000)
const seed = Number(process.env.SALLYPORT_SEED ?? Math.floor(Math.random() * 2 ** 32))

/** Reasons for which we refuse what llhttp reads. */
const stricter = new Set([
  // Host and target: node:http leaves them to its users, policy cannot.
  'missing_host',
  'repeated_host',
  'bad_host',
  'bad_target',
  'fragment_in_target',
  'target_form_not_for_method',
  'bad_authority_in_target',
  'connection_nominates_framing',
  // Versions and empty lines: llhttp reads 0.9 and 2.0, and any number of CR and LF in front of a message.
  'unsupported_version',
  'bad_version',
  'bad_method',
  'bare_cr_in_head',
  'truncated_head',
  // Status below 100; blanks behind the status.
  'bad_status_line',
  // Framing: llhttp lets codings it does not know delimit by close, takes chunked in HTTP/1.0 and behind other codings,
  // trims some blanks, and skips the body that a 204, a 1xx or a CONNECT declares.
  'transfer_encoding_in_http_1_0',
  'unsupported_transfer_coding',
  'bad_transfer_encoding',
  'repeated_transfer_encoding',
  'bad_content_length',
  'connect_with_body',
  'framing_header_on_bodiless_response',
  // Chunks: sizes of many zeros, extensions without a name or a value.
  'bad_chunk_size',
  'bad_chunk_extension',
  // Trailers that frame: llhttp takes some of them behind an empty Connection field.
  'forbidden_trailer',
])

type Head = RequestHead | ResponseHead
const seen = new Map<string, number>()

/** Throws when the two readers framed the bytes in different ways. */
function compare(
  ours: Transcript<Head>,
  theirs: NodeReading,
  same: (m: Message<Head>, n: NodeMessage) => void,
): void {
  for (const [i, message] of ours.messages.entries()) {
    const other = theirs.messages[i]
    if ('method' in message.head && !nodeMethods.has(message.head.method)) return
    assert.ok(other !== undefined, `message ${i} was refused by llhttp: ${theirs.error}`)
    same(message, other)
    assert.deepEqual(message.head.headers, other.headers)
    const interim = 'status' in message.head && message.head.status < 200
    // Behind these the connection is no longer ours to read (llhttp stops there as well).
    if (other.upgrade || message.head.framing === 4) return
    if (message.ended || interim) {
      assert.ok(other.ended, `message ${i} did not end for llhttp: ${theirs.error}`)
      assert.equal(message.body, other.body)
      if (!message.head.keepAlive) return
    } else if (ours.refusal?.reason === 'truncated_body') {
      assert.ok(!other.ended, `message ${i} ended for llhttp alone`)
      assert.equal(message.body, other.body)
    }
  }
  const refusal = ours.refusal?.reason
  if (refusal === undefined) {
    assert.equal(theirs.messages.length, ours.messages.length)
    assert.equal(theirs.error, null)
    return
  }
  const last = ours.messages.at(-1)
  const whole = last === undefined || last.ended || ('status' in last.head && last.head.status < 200)
  const index = whole ? ours.messages.length : ours.messages.length - 1
  const readOn = theirs.messages[index]?.ended === true || theirs.error === null
  if (!readOn) return
  seen.set(refusal, (seen.get(refusal) ?? 0) + 1)
  assert.ok(stricter.has(refusal), `only we refuse: ${refusal}`)
}

function sameRequest(ours: Message<Head>, theirs: NodeMessage): void {
  const head = ours.head as RequestHead
  assert.deepEqual([head.method, head.target], [theirs.method, theirs.text])
}

function sameResponse(ours: Message<Head>, theirs: NodeMessage): void {
  const head = ours.head as ResponseHead
  assert.deepEqual([head.status, head.reason], [theirs.status, theirs.text])
}

/** The same events however the bytes are cut. */
function cuts<T>(wire: string, random: () => number, whole: T, read: (pieces: Buffer[]) => T): void {
  const all = bytes(wire)
  assert.deepEqual(read(byteByByte(all)), whole, 'byte by byte')
  assert.deepEqual(read(cutAt(all, Math.floor(random() * all.length))), whole, 'in two')
}

function run(side: 'request' | 'response', judge: (wire: string, random: () => number) => void): void {
  const random = seededRandom(seed)
  for (let i = 0; i < cases; i++) {
    const wire = wireCase(random, side)
    try {
      judge(wire, random)
    } catch (error) {
      throw new Error(
        `seed ${seed}, case ${i}, ${side} ${JSON.stringify(wire)}: ${(error as Error).message}`,
        { cause: error },
      )
    }
  }
}

test(`requests are framed as llhttp frames them or refused (seed ${seed}, ${cases} cases)`, (t) => {
  seen.clear()
  run('request', (wire, random) => {
    const ours = readRequests([bytes(wire)])
    cuts(wire, random, ours, (pieces) => readRequests(pieces))
    compare(ours as Transcript<Head>, readWithNode(wire, null), sameRequest)
  })
  t.diagnostic(`only we refuse: ${JSON.stringify(Object.fromEntries(seen))}`)
})

test(`responses are framed as llhttp frames them or refused (seed ${seed}, ${cases} cases)`, (t) => {
  seen.clear()
  run('response', (wire, random) => {
    const methods = Array.from({ length: 6 }, () => (random() < 0.2 ? 'HEAD' : 'GET'))
    const ours = readResponses([bytes(wire)], methods)
    cuts(wire, random, ours, (pieces) => readResponses(pieces, methods))
    compare(ours as Transcript<Head>, readWithNode(wire, methods), sameResponse)
  })
  t.diagnostic(`only we refuse: ${JSON.stringify(Object.fromEntries(seen))}`)
})
