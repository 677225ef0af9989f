/**
 * Nanoseconds an access log line: ours, and pino writing the same fields to a sink that drops them (decision 0003). It
 * reports and asserts nothing; `--smoke` runs it once, short.
 */
import { Writable } from 'node:stream'
import pino from 'pino'
import { accessLine } from '../../src/telemetry/access-line.ts'
import { AccessRecord } from '../../src/telemetry/access-record.ts'

const rounds = process.argv.includes('--smoke') ? 2_000 : 300_000

function sample(): AccessRecord {
  const record = new AccessRecord()
  Object.assign(record, {
    startTime: Date.parse('2026-01-02T03:04:05.678Z'),
    durationMs: 3.4,
    method: 'GET',
    path: '/api/orders/42?full=true',
    protocol: 'HTTP/1.1',
    authority: 'orders.shop.svc.cluster.local',
    responseCode: 200,
    responseCodeDetails: 'via_upstream',
    bytesSent: 1024,
    upstreamServiceTimeMs: 3,
    userAgent: 'curl/8.5.0',
    requestId: 'f447d278-6947-44fc-bc33-a85c4c665e32',
    upstreamHost: '10.1.2.3:8080',
    upstreamCluster: 'inbound|8080||',
    upstreamLocalAddress: '127.0.0.6:41234',
    downstreamLocalAddress: '10.1.2.3:8080',
    downstreamRemoteAddress: '10.1.2.4:51234',
    requestedServerName: 'outbound_.80_._.orders.shop.svc.cluster.local',
    peerPrincipal: 'spiffe://cluster.local/ns/shop/sa/web',
    localPrincipal: 'spiffe://cluster.local/ns/shop/sa/orders',
    tlsVersion: 'TLSv1.3',
    tlsCipher: 'TLS_AES_256_GCM_SHA384',
    policy: 'shop/orders',
    rule: 0,
    decision: 'allowed',
    generation: 7,
  })
  return record
}

/** The same keys and values; what is empty is null, as in our lines. */
function asObject(record: AccessRecord): Record<string, unknown> {
  const orNull = (text: string): string | null => (text === '' ? null : text)
  return {
    start_time: new Date(record.startTime).toISOString(),
    method: orNull(record.method),
    path: orNull(record.path),
    protocol: record.protocol,
    response_code: record.responseCode,
    response_flags: orNull(record.responseFlags),
    response_code_details: orNull(record.responseCodeDetails),
    connection_termination_details: orNull(record.connectionTerminationDetails),
    upstream_transport_failure_reason: orNull(record.upstreamTransportFailureReason),
    bytes_received: record.bytesReceived,
    bytes_sent: record.bytesSent,
    duration: Math.round(record.durationMs),
    upstream_service_time: record.upstreamServiceTimeMs,
    x_forwarded_for: orNull(record.forwardedFor),
    user_agent: orNull(record.userAgent),
    request_id: orNull(record.requestId),
    authority: orNull(record.authority),
    upstream_host: orNull(record.upstreamHost),
    upstream_cluster: orNull(record.upstreamCluster),
    upstream_local_address: orNull(record.upstreamLocalAddress),
    downstream_local_address: orNull(record.downstreamLocalAddress),
    downstream_remote_address: orNull(record.downstreamRemoteAddress),
    requested_server_name: orNull(record.requestedServerName),
    route_name: orNull(record.routeName),
    direction: record.direction,
    peer_principal: orNull(record.peerPrincipal),
    local_principal: orNull(record.localPrincipal),
    tls_version: orNull(record.tlsVersion),
    tls_cipher: orNull(record.tlsCipher),
    policy: orNull(record.policy),
    rule: record.rule < 0 ? null : record.rule,
    decision: orNull(record.decision),
    generation: record.generation,
  }
}

function measure(name: string, task: () => void): void {
  for (let i = 0; i < rounds / 4; i++) task()
  const samples: number[] = []
  for (let run = 0; run < 5; run++) {
    const start = performance.now()
    for (let i = 0; i < rounds / 5; i++) task()
    samples.push(((performance.now() - start) * 1e6) / (rounds / 5))
  }
  samples.sort((a, b) => a - b)
  console.log(
    `${name.padEnd(28)} ${Math.round(samples[2] as number)} ns/line (${samples.map(Math.round).join(' ')})`,
  )
}

const record = sample()
let characters = 0
const nowhere = new Writable({
  write(chunk: string | Buffer, _encoding, done) {
    characters += chunk.length
    done()
  },
})
const log = pino({ base: null, timestamp: false, formatters: { level: () => ({}) } }, nowhere)

measure('accessLine', () => (characters += accessLine(record).length))
measure('pino.info(object)', () => log.info(asObject(record)))
const ready = asObject(record)
measure('pino.info(object made once)', () => log.info(ready))
measure('JSON.stringify(object)', () => (characters += JSON.stringify(asObject(record)).length))
if (characters === 0) throw new Error('nothing was written')
