/**
 * Access records as JSON lines: Istio's keys in Istio's order (dataplane §11), then ours. Lines are batched and handed
 * to a sink; writing them anywhere is the sink's work. Why not pino here: docs/decisions/0003-access-log-lines.md.
 */
import type { Clock, Timer } from '../lifecycle/clock.ts'
import type { AccessRecord } from './access-record.ts'

export interface AccessLogOptions {
  readonly clock: Clock
  /** Receives whole lines, each ended by a newline. */
  readonly sink: (lines: string) => void
  /** Milliseconds a line may wait for company. */
  readonly flushMs: number
  /** Characters after which a batch is handed over at once. */
  readonly batchLength: number
}

export class AccessLog {
  readonly #options: AccessLogOptions
  #batch = ''
  #timer: Timer | null = null

  constructor(options: AccessLogOptions) {
    this.#options = options
  }

  write(record: AccessRecord): void {
    this.#batch += accessLine(record)
    if (this.#batch.length >= this.#options.batchLength) this.flush()
    else this.#timer ??= this.#options.clock.after(this.#options.flushMs, () => this.flush())
  }

  flush(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#batch === '') return
    const lines = this.#batch
    this.#batch = ''
    this.#options.sink(lines)
  }
}

/** One line. Every text a peer chose is JSON-escaped, so that no field can forge another (CVE-2024-45808 class). */
export function accessLine(record: AccessRecord): string {
  const opaque = record.method === ''
  return (
    `{"start_time":"${isoTime(record.startTime)}","method":${text(record.method)},"path":${text(record.path)}` +
    `,"protocol":"${record.protocol}","response_code":${record.responseCode},"response_flags":${text(record.responseFlags)}` +
    `,"response_code_details":${text(record.responseCodeDetails)}` +
    `,"connection_termination_details":${text(record.connectionTerminationDetails)}` +
    `,"upstream_transport_failure_reason":${text(record.upstreamTransportFailureReason)}` +
    `,"bytes_received":${record.bytesReceived},"bytes_sent":${record.bytesSent},"duration":${Math.round(record.durationMs)}` +
    `,"upstream_service_time":${record.upstreamServiceTimeMs < 0 || opaque ? 'null' : Math.round(record.upstreamServiceTimeMs)}` +
    `,"x_forwarded_for":${text(record.forwardedFor)},"user_agent":${text(record.userAgent)}` +
    `,"request_id":${text(record.requestId)},"authority":${text(record.authority)}` +
    `,"upstream_host":${text(record.upstreamHost)},"upstream_cluster":${text(record.upstreamCluster)}` +
    `,"upstream_local_address":${text(record.upstreamLocalAddress)}` +
    `,"downstream_local_address":${text(record.downstreamLocalAddress)}` +
    `,"downstream_remote_address":${text(record.downstreamRemoteAddress)}` +
    `,"requested_server_name":${text(record.requestedServerName)},"route_name":${text(record.routeName)}` +
    `,"direction":"${record.direction}","peer_principal":${text(record.peerPrincipal)}` +
    `,"local_principal":${text(record.localPrincipal)},"tls_version":${text(record.tlsVersion)}` +
    `,"tls_cipher":${text(record.tlsCipher)},"policy":${text(record.policy)}` +
    `,"rule":${record.rule < 0 ? 'null' : record.rule},"decision":${text(record.decision)}` +
    `,"generation":${record.generation}}\n`
  )
}

/** Empty means there was none. */
function text(value: string): string {
  if (value === '') return 'null'
  return plain(value) ? `"${value}"` : JSON.stringify(value)
}

// Most values are short ASCII without anything to escape: a scan is cheaper than the general writer.
function plain(value: string): boolean {
  if (value.length > 256) return false
  for (let at = 0; at < value.length; at += 1) {
    const code = value.charCodeAt(at)
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false
  }
  return true
}

let lastSecond = -1
let lastPrefix = ''

// Thousands of records share a second: its text is made once.
function isoTime(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    lastPrefix = new Date(second * 1000).toISOString().slice(0, 20)
  }
  return `${lastPrefix}${String(Math.floor(ms) - second * 1000).padStart(3, '0')}Z`
}
