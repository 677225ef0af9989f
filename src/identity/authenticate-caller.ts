/**
 * Who calls a control-plane RPC: the client certificate of the connection, or a signed workload token, in this order; the
 * first that gives an identity wins (dataplane §6.3). It knows no RPC library: servers hand in what they saw.
 */
import { istioSpiffeUri, parseSpiffeId } from '../spiffe/spiffe-id.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { readCertificate } from '../wire/certificate.ts'
import { svidIdOf } from './verify-svid.ts'

/** What one call showed. */
export interface CallerProof {
  /** False on plaintext connections: those never authenticate. */
  readonly encrypted: boolean
  /** DER of the client's leaf, only when TLS has verified it against the mesh's root; else null. */
  readonly peerLeaf: Buffer | null
  /** Every `authorization` metadata value, as sent. */
  readonly authorization: readonly string[]
}

export type Caller =
  | { readonly ok: true; readonly id: SpiffeId; readonly by: 'certificate' | 'token' }
  /** `reason` is for the log; the caller is told only the fixed text. */
  | { readonly ok: false; readonly reason: string }

/** What the jwt room's BootstrapTokens.verify answers; handed in, so that other token kinds can be. */
export type VerifyToken = (
  token: string,
) => Promise<
  | { readonly ok: true; readonly namespace: string; readonly serviceAccount: string }
  | { readonly ok: false; readonly reason: string }
>

export interface CallerRules {
  /** Identities are made in this domain, and certificates of others are not accepted. */
  readonly trustDomain: string
  readonly verifyToken: VerifyToken
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** All that a refused caller learns, with gRPC status Unauthenticated (dataplane §6.2). */
export const unauthenticatedText = 'request authenticate failure'

const longestToken = 16 * 1024

export async function authenticateCaller(proof: CallerProof, rules: CallerRules): Promise<Caller> {
  if (!proof.encrypted) return { ok: false, reason: 'plaintext connections are never authenticated' }
  const byCertificate = proof.peerLeaf === null ? 'no client certificate' : fromLeaf(proof.peerLeaf, rules)
  if (typeof byCertificate !== 'string') return { ok: true, id: byCertificate, by: 'certificate' }
  const byToken = await fromToken(proof.authorization, rules)
  if (typeof byToken !== 'string') return { ok: true, id: byToken, by: 'token' }
  return { ok: false, reason: `${byCertificate}; ${byToken}` }
}

function fromLeaf(leaf: Buffer, rules: CallerRules): SpiffeId | string {
  const fields = readCertificate(leaf)
  if (fields === null) return 'client certificate cannot be read'
  // A connection may live longer than the certificate it was opened with.
  const now = rules.now()
  if (fields.notAfter <= now || fields.notBefore > now) return 'client certificate is not valid now'
  const id = svidIdOf(fields)
  if (typeof id === 'string') return `client certificate: ${id}`
  if (id.trustDomain !== rules.trustDomain) return 'client certificate is of another trust domain'
  return id
}

async function fromToken(authorization: readonly string[], rules: CallerRules): Promise<SpiffeId | string> {
  const [value, ...more] = authorization
  if (value === undefined) return 'no token'
  if (more.length > 0) return 'several authorization values'
  const token = /^bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(value.trim())?.[1]
  if (token === undefined || token.length > longestToken) return 'authorization is no bearer token'
  const verdict = await rules.verifyToken(token)
  if (!verdict.ok) return verdict.reason
  const id = parseSpiffeId(istioSpiffeUri(rules.trustDomain, verdict.namespace, verdict.serviceAccount))
  return id ?? 'token names no valid identity'
}
