/**
 * A key set that can verify: which of its keys may have signed a token, and whether one did (policy-semantics §6.5). It
 * fetches nothing and never changes; another document is another KeySet.
 */
import { readKeySetText } from '../policy/key-set-text.ts'
import type { Token } from './token.ts'
import type { KeyFault, TokenFault } from './token-fault.ts'
import { verificationKey, type VerificationKey } from './verification-key.ts'

export type KeySetRead =
  { readonly ok: true; readonly keys: KeySet } | { readonly ok: false; readonly fault: KeyFault }

export class KeySet {
  readonly #keys: readonly VerificationKey[]

  private constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys
  }

  /** Unusable keys are left out one by one; a set without any usable one is refused. */
  static read(text: string): KeySetRead {
    const read = readKeySetText(text)
    if (!read.ok) return read
    const keys = read.keys.map(verificationKey).filter((key) => key !== null)
    if (keys.length === 0) return { ok: false, fault: "Jwks doesn't have any valid public key" }
    return { ok: true, keys: new KeySet(keys) }
  }

  get size(): number {
    return this.#keys.length
  }

  /** null when a key of the set signed the token. */
  async verify(token: Token): Promise<TokenFault | null> {
    let eligible = false
    for (const key of this.#keys) {
      if (token.keyId !== '' && key.keyId !== '' && token.keyId !== key.keyId) continue
      if (key.algorithm !== '' && key.algorithm !== token.algorithm) continue
      eligible = true
      // A key of another type can verify nothing; it counts as tried.
      if (!key.algorithms.includes(token.algorithm) || token.critical) continue
      if (await signed(token, key)) return null
    }
    return eligible ? 'Jwt verification fails' : "Jwks doesn't have key to match kid or alg from Jwt"
  }
}

async function signed(token: Token, key: VerificationKey): Promise<boolean> {
  // Loaded with the first token: a data thread that sees none does not carry the library.
  const { compactVerify } = await import('jose')
  try {
    await compactVerify(token.raw, key.key, { algorithms: [token.algorithm] })
    return true
  } catch {
    // Whatever the library objects to, this key did not sign this token.
    return false
  }
}
