/**
 * One rule and one token: parse, issuer, time, audience, keys, signature, in that order (policy-semantics §6.4), with
 * what was verified before remembered. It neither finds tokens nor weighs rules against each other.
 */
import type { JwtRule } from '../policy/request-authentication.ts'
import type { KeyRing } from './key-ring.ts'
import type { KeySet } from './key-set.ts'
import { keySource } from './key-source.ts'
import { readToken, type Token } from './token.ts'
import { TokenCache } from './token-cache.ts'
import type { KeyFault, TokenFault } from './token-fault.ts'
import { verifiedToken, type VerifiedToken } from './verified-token.ts'

export type Judged = VerifiedToken | TokenFault

/** Seconds that two clocks may be apart. */
export const skewSeconds = 60

export class RuleVerifier {
  readonly rule: JwtRule
  readonly #audiences: ReadonlySet<string>
  readonly #keys: () => KeySet | KeyFault
  readonly #askAgain: () => Promise<void> | null
  readonly #cache: TokenCache
  /** The keys that what is in the cache was verified with. */
  #cachedFor: KeySet | KeyFault | null = null

  /** `inline`: the rule's own keys, when it brings them. `most`: tokens remembered. */
  constructor(rule: JwtRule, inline: KeySet | KeyFault | null, ring: KeyRing, most: number) {
    this.rule = rule
    this.#audiences = new Set(rule.audiences.map(plainAudience))
    this.#cache = new TokenCache(most)
    const source = keySource(rule)?.key ?? ''
    this.#keys = inline === null ? () => ring.keysOf(source) : () => inline
    this.#askAgain = inline === null ? () => ring.askAgain(source) : () => null
  }

  get remembered(): number {
    return this.#cache.size
  }

  /** A token seen before, and every fault that needs no signature, are answered at once. */
  judge(text: string, nowMs: number): Judged | Promise<Judged> {
    const now = Math.floor(nowMs / 1000)
    const keys = this.#keys()
    if (keys !== this.#cachedFor) {
      this.#cache.clear()
      this.#cachedFor = keys
    }
    const hit = this.#cache.get(text)
    if (hit !== undefined) {
      const fault = timeFault(hit, now)
      if (fault === null) return hit
      this.#cache.delete(text)
      return fault
    }
    const read = readToken(text)
    if (!read.ok) return read.fault
    const { token } = read
    const fault = this.#claimFault(token, now)
    if (fault !== null) return fault
    return typeof keys === 'string' ? keys : this.#verify(token, keys)
  }

  #claimFault(token: Token, now: number): TokenFault | null {
    const { issuer } = this.rule
    if (issuer !== '' && issuer !== token.issuer) return 'Jwt issuer is not configured'
    const fault = timeFault(token, now)
    if (fault !== null) return fault
    if (this.#audiences.size === 0) return null
    for (const audience of token.audiences) if (this.#audiences.has(plainAudience(audience))) return null
    return 'Audiences in Jwt are not allowed'
  }

  async #verify(token: Token, keys: KeySet): Promise<Judged> {
    let used: KeySet = keys
    let fault = await used.verify(token)
    if (fault !== null && mayBeStale(fault, token)) {
      const again = this.#askAgain()
      if (again !== null) {
        await again
        const fresh = this.#keys()
        if (typeof fresh === 'string') return fresh
        if (fresh !== used) fault = await fresh.verify(token)
        used = fresh
      }
    }
    if (fault !== null) return fault
    const verified = verifiedToken(token, this.rule)
    // Keys that changed while this token was being looked at are not to be vouched for.
    if (used === this.#cachedFor) this.#cache.set(token.raw, verified)
    return verified
  }
}

/** The provider may have a new key: one we have no id of, or, where ids are not used, any. */
function mayBeStale(fault: TokenFault, token: Token): boolean {
  return fault === 'Jwt verification fails'
    ? token.keyId === '' && !token.critical
    : fault === "Jwks doesn't have key to match kid or alg from Jwt"
}

function timeFault(
  { notBefore, expires }: Pick<VerifiedToken, 'notBefore' | 'expires'>,
  now: number,
): TokenFault | null {
  if (notBefore !== null && now + skewSeconds < notBefore) return 'Jwt not yet valid'
  if (expires !== null && now > expires + skewSeconds) return 'Jwt is expired'
  return null
}

/** On both sides: without `http://` or `https://`, and without one trailing `/`. */
function plainAudience(text: string): string {
  const bare = text.startsWith('https://') ? text.slice(8) : text.startsWith('http://') ? text.slice(7) : text
  return bare.endsWith('/') ? bare.slice(0, -1) : bare
}
