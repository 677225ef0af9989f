/**
 * The trust anchors of every trust domain, parsed once and kept apart (dataplane §5.2): one immutable value a trust
 * generation. It also remembers whom it has verified, so that nothing remembered can outlive the anchors it came from.
 */
import { createHash } from 'node:crypto'
import { isTrustDomain } from '../spiffe/trust-domain.ts'
import { certificatesIn, toPem } from './pem.ts'
import { maySign, parseCertificate } from './authority-certificate.ts'
import type { ParsedCertificate } from './authority-certificate.ts'
import type { PeerIdentity } from './peer-identity.ts'

/** A peer found good: with the times between which every certificate of its path is valid. */
export interface Verified {
  readonly peer: PeerIdentity
  readonly from: number
  readonly to: number
}

const rememberedPeers = 4096
const rememberedIntermediates = 64

export class TrustBundles {
  readonly #anchors: ReadonlyMap<string, readonly ParsedCertificate[]>
  // Insertion order is age since last use: a Map is the whole LRU.
  readonly #verified = new Map<string, Verified>()
  readonly #intermediates = new Map<string, ParsedCertificate>()
  /** Hex SHA-256 over domains and anchors: equal hash, equal trust. */
  readonly hash: string

  constructor(anchors: ReadonlyMap<string, readonly ParsedCertificate[]>) {
    this.#anchors = anchors
    const hash = createHash('sha256')
    for (const domain of [...anchors.keys()].toSorted()) {
      hash.update(`${domain}\n`)
      for (const { der } of anchors.get(domain) ?? []) hash.update(createHash('sha256').update(der).digest())
    }
    this.hash = hash.digest('hex')
  }

  get trustDomains(): string[] {
    return [...this.#anchors.keys()]
  }

  /** The anchors of this trust domain alone; none when the domain is not known. */
  anchors(trustDomain: string): readonly ParsedCertificate[] {
    return this.#anchors.get(trustDomain) ?? []
  }

  /** Every anchor as PEM, for the TLS library's own opinion and the list of names servers send. */
  get allPem(): string[] {
    return [...new Set([...this.#anchors.values()].flat().map(({ der }) => toPem(der)))]
  }

  recall(key: string): Verified | undefined {
    const known = this.#verified.get(key)
    if (known !== undefined) keep(this.#verified, key, known, rememberedPeers)
    return known
  }

  /** Remembers a verdict, and the intermediates of its path: a resumed session presents the leaf alone. */
  remember(key: string, verdict: Verified, intermediates: readonly ParsedCertificate[]): void {
    keep(this.#verified, key, verdict, rememberedPeers)
    for (const one of intermediates)
      keep(this.#intermediates, one.x509.fingerprint256, one, rememberedIntermediates)
  }

  get intermediates(): ParsedCertificate[] {
    return [...this.#intermediates.values()]
  }
}

export type ParsedBundles =
  { readonly ok: true; readonly bundles: TrustBundles } | { readonly ok: false; readonly reason: string }

/** `pems`: PEM text by trust domain. Bad blocks are dropped where a good one is left; a domain without any refuses all. */
export function parseTrustBundles(pems: Readonly<Record<string, string>>): ParsedBundles {
  const anchors = new Map<string, ParsedCertificate[]>()
  for (const [domain, pem] of Object.entries(pems)) {
    if (!isTrustDomain(domain)) return { ok: false, reason: `not a trust domain: ${JSON.stringify(domain)}` }
    const good = new Map<string, ParsedCertificate>()
    for (const der of certificatesIn(pem)) {
      const parsed = parseCertificate(der)
      if (parsed !== null && maySign(parsed)) good.set(parsed.x509.fingerprint256, parsed)
    }
    if (good.size === 0) return { ok: false, reason: `no usable trust anchor for trust domain ${domain}` }
    anchors.set(domain, [...good.values()])
  }
  if (anchors.size === 0) return { ok: false, reason: 'no trust bundle' }
  return { ok: true, bundles: new TrustBundles(anchors) }
}

function keep<T>(map: Map<string, T>, key: string, value: T, limit: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > limit) map.delete(map.keys().next().value as string)
}
