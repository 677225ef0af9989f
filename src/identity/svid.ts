/** The secrets one workload holds, as text that crosses threads. Never logged, never in a message. */

export interface SecretSet {
  /** PEM, leaf first. '' until the first SVID arrived. */
  readonly certificateChain: string
  /** PEM; '' until the first SVID arrived. */
  readonly privateKey: string
  /** PEM trust anchors by trust domain. A peer is verified against the bundle of its own SPIFFE ID's domain only. */
  readonly trustBundles: Readonly<Record<string, string>>
}

/** Whether a handshake can be made at all with what is here. */
export function isComplete(secrets: SecretSet): boolean {
  return (
    secrets.certificateChain !== '' &&
    secrets.privateKey !== '' &&
    Object.keys(secrets.trustBundles).length > 0
  )
}
