/**
 * Which TLS versions, cipher suites and groups each side offers, and in what order (dataplane §4). Values only; the
 * order is part of the contract with Envoy peers.
 */

export type MinTlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** TLS 1.3 suites are not configurable; AES-128 first, as BoringSSL does on machines with AES instructions. */
const tls13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']

/** Istio's TLS 1.2 list for servers; `meshMTLS.cipherSuites` replaces it. The server's order decides. */
export const serverSuites: readonly string[] = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
]

/** Envoy's list for clients; its groups of equal preference are written out, AES first. */
export const clientSuites: readonly string[] = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
]

export const groups = 'X25519:P-256'

/** The library's one string for both generations of suites. */
export function suiteList(tls12: readonly string[]): string {
  return [...tls13, ...tls12].join(':')
}
