import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accessLine } from '../../src/telemetry/access-line.ts'
import { AccessLog } from '../../src/telemetry/access-log.ts'
import { AccessRecord } from '../../src/telemetry/access-record.ts'
import { ManualClock } from '../support/manual-clock.ts'

const istioKeys = (
  'start_time method path protocol response_code response_flags response_code_details ' +
  'connection_termination_details upstream_transport_failure_reason bytes_received bytes_sent duration ' +
  'upstream_service_time x_forwarded_for user_agent request_id authority upstream_host upstream_cluster ' +
  'upstream_local_address downstream_local_address downstream_remote_address requested_server_name route_name'
).split(' ')

const texts = [
  'method',
  'path',
  'authority',
  'responseFlags',
  'responseCodeDetails',
  'connectionTerminationDetails',
  'upstreamTransportFailureReason',
  'forwardedFor',
  'userAgent',
  'requestId',
  'upstreamHost',
  'upstreamCluster',
  'upstreamLocalAddress',
  'downstreamLocalAddress',
  'downstreamRemoteAddress',
  'requestedServerName',
  'routeName',
  'peerPrincipal',
  'localPrincipal',
  'tlsVersion',
  'tlsCipher',
  'policy',
  'decision',
] as const

test('a line is JSON with Istio’s keys in Istio’s order, then ours', () => {
  const parsed = JSON.parse(accessLine(new AccessRecord())) as Record<string, unknown>
  assert.deepEqual(Object.keys(parsed).slice(0, istioKeys.length), istioKeys)
  assert.equal(parsed['peer_principal'], 'plaintext')
  assert.equal(parsed['start_time'], '1970-01-01T00:00:00.000Z')
  assert.equal(parsed['response_flags'], null)
})

test('no text that a peer chose can forge another field or another line', () => {
  const attacks = [
    '"',
    '\\',
    '","response_code":200,"x":"',
    '\n{"start_time":"forged"}',
    '\r\n',
    '\u0000\u001b[2J',
    '\u2028\u2029',
    '\u007f\u0080ÿ',
    '\ud800',
    `${'a'.repeat(300)}"\n`,
  ]
  for (const attack of attacks) {
    for (const name of texts) {
      const record = new AccessRecord()
      record[name] = attack
      const line = accessLine(record)
      assert.equal(line.indexOf('\n'), line.length - 1, `${name} breaks the line`)
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f]/)
      const parsed = JSON.parse(line) as Record<string, unknown>
      assert.equal(parsed['response_code'], 0, name)
      assert.ok(Object.values(parsed).includes(attack), `${name} is not what was said`)
      assert.equal(
        Object.keys(parsed).length,
        Object.keys(JSON.parse(accessLine(new AccessRecord())) as object).length,
      )
    }
  }
})

test('times are those of the record, across seconds and with fractions', () => {
  for (const [ms, text] of [
    [Date.parse('2026-01-02T03:04:05.006Z'), '2026-01-02T03:04:05.006Z'],
    [Date.parse('2026-01-02T03:04:05.999Z') + 0.9, '2026-01-02T03:04:05.999Z'],
    [Date.parse('2026-01-02T03:04:06Z'), '2026-01-02T03:04:06.000Z'],
    [Date.parse('2026-01-02T03:04:05.006Z'), '2026-01-02T03:04:05.006Z'],
  ] as const) {
    const record = new AccessRecord()
    record.startTime = ms
    assert.equal((JSON.parse(accessLine(record)) as Record<string, unknown>)['start_time'], text)
  }
})

test('lines wait for company up to the flush time or the batch size, and none is lost or doubled', () => {
  const clock = new ManualClock()
  const batches: string[] = []
  const keep = (lines: Uint8Array): unknown => batches.push(Buffer.from(lines).toString())
  const log = new AccessLog({ clock, flushMs: 50, batchBytes: 16_384, sink: keep })
  log.write(new AccessRecord())
  log.write(new AccessRecord())
  assert.equal(batches.length, 0)
  clock.advance(50)
  assert.equal(batches.length, 1)
  assert.equal(batches[0]?.split('\n').length, 3)
  const long = new AccessRecord()
  long.path = `/${'ü'.repeat(20_000)}`
  for (let i = 0; i < 4; i += 1) log.write(i === 2 ? long : new AccessRecord())
  log.flush()
  log.flush()
  const lines = batches.join('').split('\n').length - 1
  assert.equal(lines, 6)
  assert.equal(clock.pending, 0)
})

test('a batch that was written is filled again, and no line of an earlier use is left in it', () => {
  const batches: Uint8Array<ArrayBuffer>[] = []
  const clock = new ManualClock()
  const log = new AccessLog({ clock, flushMs: 50, batchBytes: 8192, sink: (lines) => batches.push(lines) })
  const buffers = new Set<ArrayBuffer>()
  for (let round = 0; round < 20; round += 1) {
    const record = new AccessRecord()
    record.path = `/${'x'.repeat(20 - round)}`
    log.write(record)
    log.flush()
    const lines = batches.pop() as Uint8Array<ArrayBuffer>
    buffers.add(lines.buffer)
    assert.equal(Buffer.from(lines).toString(), accessLine(record))
    log.reuse(lines.buffer)
  }
  assert.equal(buffers.size, 2)
})

test('a part that is remembered is written again as soon as one of its values changes', () => {
  const numbers = ['responseCode', 'rule', 'generation'] as const
  const record = new AccessRecord()
  const before = JSON.parse(accessLine(record)) as Record<string, unknown>
  for (const name of [...texts, ...numbers, 'audit', 'shadow', 'custom', 'protocol', 'direction'] as const) {
    const changed = Object.assign(new AccessRecord(), {
      [name]: (numbers as readonly string[]).includes(name) ? 7 : 'other',
    })
    const line = JSON.parse(accessLine(changed)) as Record<string, unknown>
    const different = Object.keys(line).filter((key) => line[key] !== before[key])
    assert.equal(different.length, 1, `${name} changes ${different.join(', ')}`)
    assert.deepEqual(JSON.parse(accessLine(record)), before)
  }
})
