/**
 * One issuance as a value: key, chain and root that belong together, and when it came. Made only by `checkIssued`, so
 * whoever holds one need not check it again.
 */
import { certificatesIn, toPem } from '../identity/pem.ts'
import { checkSecrets } from '../identity/own-svid.ts'
import { verifySvid } from '../identity/verify-svid.ts'
import type { SecretSet } from '../identity/svid.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'

export interface WorkloadSecret {
  /** PEM, leaf first, without the root. */
  readonly certificateChain: string
  /** PKCS#8 PEM. */
  readonly privateKey: string
  /** PEM, one or several. */
  readonly rootPem: string
  /** Milliseconds since the epoch. */
  readonly notAfter: number
  /** When it reached us: the lifetime is counted from here, not from notBefore (dataplane §14 trap 15). */
  readonly receivedAt: number
}

export type Issued =
  { readonly ok: true; readonly secret: WorkloadSecret } | { readonly ok: false; readonly reason: string }

/** `elements` as the CA answers: leaf, intermediates, and last the root bundle (dataplane §6.1). `now` in milliseconds. */
export function checkIssued(
  elements: readonly string[],
  privateKey: string,
  expected: SpiffeId,
  now: number,
  receivedAt = now,
): Issued {
  if (elements.length < 2)
    return { ok: false, reason: `it has ${elements.length} elements, not leaf and root` }
  const chain = certificatesIn(elements.slice(0, -1).join('\n'))
  const rootPem = certificatesIn(elements.at(-1) ?? '')
    .filter((der) => der.length > 0)
    .map(toPem)
    .join('')
  const certificateChain = chain.map(toPem).join('')
  const checked = checkSecrets(
    { certificateChain, privateKey, trustBundles: { [expected.trustDomain]: rootPem } },
    now,
  )
  if (!checked.ok) return checked
  const { id, notAfter, bundles } = checked.svid
  if (id.uri !== expected.uri)
    return { ok: false, reason: `it is for ${id.uri}, we asked for ${expected.uri}` }
  const verdict = verifySvid(chain, bundles, now)
  if (!verdict.ok) return { ok: false, reason: `its chain does not lead to its root: ${verdict.reason}` }
  return { ok: true, secret: { certificateChain, privateKey, rootPem, notAfter, receivedAt } }
}

/** As the proxy would hold it. */
export function asSecretSet(secret: WorkloadSecret, trustDomain: string): SecretSet {
  const { certificateChain, privateKey, rootPem } = secret
  return { certificateChain, privateKey, trustBundles: { [trustDomain]: rootPem } }
}
