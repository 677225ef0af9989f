/**
 * Access records as JSON lines: Istio's keys in Istio's order (dataplane §11), then ours. Lines are batched and handed
 * to a sink; writing them anywhere is the sink's work. Why not pino here: docs/decisions/0003-access-log-lines.md.
 */
import type { Clock, Timer } from '../lifecycle/clock.ts'
import type { AccessRecord } from './access-record.ts'

export interface AccessLogOptions {
  readonly clock: Clock
  /** Receives whole lines, UTF-8, each ended by a newline; the bytes are the receiver's from then on. */
  readonly sink: (lines: Uint8Array<ArrayBuffer>) => void
  /** Milliseconds a line may wait for company. */
  readonly flushMs: number
  /** Bytes of a batch: one that could not take another line is handed over. */
  readonly batchBytes: number
}

export class AccessLog {
  readonly #options: AccessLogOptions
  // Encoded once, where it was made: the bytes then cross to the control thread without being copied.
  #batch: Buffer<ArrayBuffer>
  #used = 0
  #timer: Timer | null = null

  constructor(options: AccessLogOptions) {
    this.#options = options
    this.#batch = Buffer.allocUnsafeSlow(options.batchBytes)
  }

  write(record: AccessRecord): void {
    const line = accessLine(record)
    // A character takes three bytes at most.
    const room = line.length * 3
    if (room > this.#batch.length - this.#used) {
      this.flush()
      if (room > this.#batch.length) {
        this.#options.sink(Buffer.from(line))
        return
      }
    }
    this.#used += this.#batch.write(line, this.#used)
    this.#timer ??= this.#options.clock.after(this.#options.flushMs, () => this.flush())
  }

  flush(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#used === 0) return
    const lines = this.#batch.subarray(0, this.#used)
    this.#batch = Buffer.allocUnsafeSlow(this.#options.batchBytes)
    this.#used = 0
    this.#options.sink(lines)
  }
}

/** One line. Every text a peer chose is JSON-escaped, so that no field can forge another (CVE-2024-45808 class). */
export function accessLine(record: AccessRecord): string {
  const opaque = record.method === ''
  return (
    `{"start_time":"${isoTime(record.startTime)}","method":${text(record.method)},"path":${text(record.path)}` +
    `,"protocol":"${record.protocol}","response_code":${record.responseCode},"response_flags":${text(record.responseFlags)}` +
    `,"response_code_details":${details.of(record.responseCodeDetails)}` +
    `,"connection_termination_details":${text(record.connectionTerminationDetails)}` +
    `,"upstream_transport_failure_reason":${text(record.upstreamTransportFailureReason)}` +
    `,"bytes_received":${record.bytesReceived},"bytes_sent":${record.bytesSent},"duration":${Math.round(record.durationMs)}` +
    `,"upstream_service_time":${record.upstreamServiceTimeMs < 0 || opaque ? 'null' : Math.round(record.upstreamServiceTimeMs)}` +
    `,"x_forwarded_for":${text(record.forwardedFor)},"user_agent":${userAgent.of(record.userAgent)}` +
    `,"request_id":${text(record.requestId)},"authority":${authority.of(record.authority)}` +
    `,"upstream_host":${upstreamHost.of(record.upstreamHost)},"upstream_cluster":${upstreamCluster.of(record.upstreamCluster)}` +
    `,"upstream_local_address":${text(record.upstreamLocalAddress)}` +
    `,"downstream_local_address":${localAddress.of(record.downstreamLocalAddress)}` +
    `,"downstream_remote_address":${text(record.downstreamRemoteAddress)}` +
    `,"requested_server_name":${serverName.of(record.requestedServerName)},"route_name":${text(record.routeName)}` +
    `,"direction":"${record.direction}","peer_principal":${peer.of(record.peerPrincipal)}` +
    `,"local_principal":${local.of(record.localPrincipal)},"tls_version":${text(record.tlsVersion)}` +
    `,"tls_cipher":${cipher.of(record.tlsCipher)},"policy":${text(record.policy)}` +
    `,"rule":${record.rule < 0 ? 'null' : record.rule},"decision":${decision.of(record.decision)}` +
    `,"audit":${text(record.audit)},"shadow":${text(record.shadow)},"custom":${text(record.custom)}` +
    `,"generation":${record.generation}}\n`
  )
}

/** Empty means there was none. */
function text(value: string): string {
  if (value === '') return 'null'
  return escapes.test(value) ? JSON.stringify(value) : `"${value}"`
}

// Most values are short ASCII without anything to escape: asking is cheaper than the general writer.
const escapes = /[^ !#-[\]-~]/

/** The last value of a field that seldom changes from record to record, written already. */
class Remembered {
  #value = ''
  #json = 'null'

  of(value: string): string {
    if (value !== this.#value) {
      this.#value = value
      this.#json = text(value)
    }
    return this.#json
  }
}

const authority = new Remembered()
const userAgent = new Remembered()
const details = new Remembered()
const upstreamHost = new Remembered()
const upstreamCluster = new Remembered()
const localAddress = new Remembered()
const serverName = new Remembered()
const peer = new Remembered()
const local = new Remembered()
const cipher = new Remembered()
const decision = new Remembered()

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
