/**
 * Verified tokens by the SHA-256 of their text, the longest known going first. It holds no token itself, and
 * nothing that was refused; whoever asks checks the time again.
 */
import { hash } from 'node:crypto'
import type { VerifiedToken } from './verified-token.ts'

export class TokenCache {
  readonly #most: number
  readonly #entries = new Map<string, VerifiedToken>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#entries.size
  }

  /** The key of a token. Latin-1: 32 characters, the cheapest text of a digest. */
  static keyOf(token: string): string {
    return hash('sha256', token, 'latin1')
  }

  get(key: string): VerifiedToken | undefined {
    return this.#entries.get(key)
  }

  set(key: string, token: VerifiedToken): void {
    if (this.#entries.size >= this.#most) {
      // Exact recency would cost two writes a hit; what is still in use comes back with one verification.
      const oldest = this.#entries.keys().next()
      if (oldest.done !== true) this.#entries.delete(oldest.value)
    }
    this.#entries.set(key, token)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
