import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { AccessLine } from '../../src/demo/access-lines.ts'
import { readableLine } from '../../src/demo/live-lines.ts'
import { topology } from '../../src/demo/topology.ts'
import { accessLine } from '../../src/telemetry/access-line.ts'
import { AccessRecord } from '../../src/telemetry/access-record.ts'

const { frontend, backend } = topology('127.0.1')

/** A line as a sidecar writes it. */
function written(fields: Partial<AccessRecord>): AccessLine {
  return JSON.parse(accessLine(Object.assign(new AccessRecord(), fields))) as AccessLine
}

const inbound: Partial<AccessRecord> = {
  direction: 'inbound',
  startTime: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  method: 'GET',
  path: '/hello',
  responseCode: 200,
  peerPrincipal: frontend.identity,
  policy: 'photo-ns/photo-backend',
  rule: 0,
  decision: 'allow_rule',
}

const squeezed = (text: string | null): string | undefined => text?.replace(/ +/g, ' ')

test('an allowed request tells who called whom and which rule let it in', () => {
  assert.equal(
    squeezed(readableLine(written(inbound), backend)),
    '03:04:05.006 photo-frontend -> photo-backend GET /hello 200 allowed by photo-ns/photo-backend rule 0',
  )
})

test('a refusal says that nothing allowed it', () => {
  const line = written({ ...inbound, responseCode: 403, policy: '', rule: -1, decision: 'no_allow_matched' })
  assert.match(readableLine(line, backend) ?? '', /403 REFUSED: no ALLOW policy matches$/)
})

test('a DENY names its policy', () => {
  const line = written({ ...inbound, responseCode: 403, policy: 'photo-ns/no', decision: 'deny_rule' })
  assert.match(readableLine(line, backend) ?? '', /DENIED by photo-ns\/no rule 0$/)
})

test('plaintext that was closed has no method and no identity', () => {
  const line = written({ responseFlags: 'NR', decision: 'plaintext_refused' })
  assert.match(
    squeezed(readableLine(line, backend)) ?? '',
    /\(plaintext\) -> photo-backend TCP CLOSED: plaintext/,
  )
})

test('an outbound request that arrived is told by the server alone', () => {
  assert.equal(readableLine(written({ ...inbound, direction: 'outbound' }), frontend), null)
})

test('an outbound request that arrived nowhere is told by the caller, with flag and reason', () => {
  const line = written({
    ...inbound,
    direction: 'outbound',
    authority: 'impostor.photo-ns.demo:80',
    responseCode: 503,
    responseFlags: 'UF',
    upstreamTransportFailureReason: 'name_mismatch: expected a, seen b',
    decision: '',
  })
  assert.match(
    squeezed(readableLine(line, frontend)) ?? '',
    /photo-frontend -> impostor GET \/hello 503 UF name_mismatch: expected a, seen b$/,
  )
})

test('no control character of a path reaches the terminal, and no path grows without end', () => {
  const escape = readableLine(written({ ...inbound, path: '/\u001b[2J\n\u009b0m' }), backend) ?? ''

  assert.doesNotMatch(escape, /[\x00-\x1f\x7f-\x9f]/)
  assert.ok((readableLine(written({ ...inbound, path: `/${'a'.repeat(5000)}` }), backend) ?? '').length < 300)
})
