/** What a data worker is told once, at start: plain and structured-cloneable. Everything that changes is a snapshot. */
import type { SocketAddress } from '../address/socket-address.ts'
import type { Http1Limits } from '../http1/message.ts'

/** An explicit inbound listener: what the mesh dials, and where the application really listens. */
export interface InboundMapping {
  readonly listen: SocketAddress
  readonly target: SocketAddress
}

export interface Deadlines {
  /** First bytes of an undeclared port; 0 = the mesh's protocolDetectionTimeout. */
  readonly sniffMs: number
  /**
   * First bytes of a declared TCP port that accepts both plaintext and mTLS: a mesh client speaks first and at once, so
   * silence means a server-first protocol.
   */
  readonly serverFirstMs: number
  readonly handshakeMs: number
  readonly requestHeadMs: number
  readonly httpIdleMs: number
  readonly tcpIdleMs: number
  readonly upstreamIdleMs: number
}

export const defaultDeadlines: Deadlines = {
  sniffMs: 0,
  serverFirstMs: 100,
  handshakeMs: 10_000,
  requestHeadMs: 30_000,
  httpIdleMs: 3_600_000,
  tcpIdleMs: 3_600_000,
  upstreamIdleMs: 60_000,
}

export interface DecisionSettings {
  /** Whether anybody reads decision lines. */
  readonly log: boolean
  /** Share of allowed decisions that are recorded, 0 to 1; refusals all are. */
  readonly sampleRate: number
  /** Values of headers, claims and queries are told as they are, those of tokens and cookies never. */
  readonly showValues: boolean
}

export interface DataplaneSettings {
  /** `REDIRECT`: original destinations come from the kernel; `NONE`: explicit listeners and explicit proxy. */
  readonly interception: 'REDIRECT' | 'NONE'
  /** Captured inbound, one an address family; empty without interception. */
  readonly inboundCapture: readonly SocketAddress[]
  readonly inboundMappings: readonly InboundMapping[]
  readonly outbound: readonly SocketAddress[]
  /** Our own listening ports: never a destination. */
  readonly ownPorts: readonly number[]
  /** Local address for connections to the application when intercepting. */
  readonly inboundSourceV4: string
  readonly inboundSourceV6: string
  readonly limits: Http1Limits
  readonly deadlines: Deadlines
  /** Several workers bind the same ports; a single one does not, so that a second process is refused. */
  readonly reusePort: boolean
  /** A worker's share. */
  readonly maxConnections: number
  readonly maxHandshakes: number
  /** Longest slice of compiling a new configuration beside traffic; 0 = one step a slice. */
  readonly sliceMs: number
  /** Where access log lines go is the main thread's business; workers only need to know whether to write them. */
  readonly accessLog: boolean
  readonly decisions: DecisionSettings
  readonly serverHeader: { readonly inbound: string; readonly outbound: string }
}
