/** What one verified certificate says about a peer; built once a connection. */
import type { SpiffeId } from '../spiffe/spiffe-id.ts'

export interface PeerIdentity {
  readonly id: SpiffeId
  /** Lower-case hex SHA-256 of the leaf's DER: XFCC `Hash`. */
  readonly certificateHash: string
  /** RFC 2253 text of the subject, '' when empty. */
  readonly subject: string
  readonly dnsNames: readonly string[]
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}
