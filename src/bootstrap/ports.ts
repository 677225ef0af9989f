/**
 * The ports, user ids and addresses of the sidecar, in one table (dataplane §1.1, §1.2). The scripts in iptables/ agree
 * with it by test; nothing else in the program spells a port.
 */
export const ports = {
  /** Admin, loopback only. */
  admin: 15000,
  /** Captured or explicit outbound. */
  outbound: 15001,
  /** Captured inbound. */
  inbound: 15006,
  /** HBONE: always excluded from inbound redirection. */
  tunnel: 15008,
  /** Certificate authority and configuration, TLS gRPC. */
  mesh: 15012,
  /** Reserved for the merged metrics and rewritten probes. */
  status: 15020,
  /** Readiness. */
  readiness: 15021,
  /** Reserved for Prometheus. */
  prometheus: 15090,
} as const

/** User and group of the proxy: what redirection exempts. */
export const proxyUserId = 1337

/** Source address of inbound connections to the application, so that they are not captured again (dataplane §2.6). */
export const inboundSource = { v4: '127.0.0.6', v6: '::6' } as const
