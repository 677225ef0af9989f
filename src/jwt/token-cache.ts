/**
 * Verified tokens by the SHA-256 of their text, the longest known going first, and before them the newest by the text
 * itself: comparing is a fraction of the cost of digesting. Nothing that was refused is in it; whoever asks checks the
 * time again.
 */
import { hash } from 'node:crypto'
import type { VerifiedToken } from './verified-token.ts'

/** Tokens held as text: the clients of the moment. The others cost a digest a hit. */
const mostAsText = 1024

export class TokenCache {
  readonly #most: number
  readonly #byDigest = new Map<string, VerifiedToken>()
  readonly #byText = new Map<string, VerifiedToken>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#byDigest.size
  }

  get(text: string): VerifiedToken | undefined {
    const near = this.#byText.get(text)
    if (near !== undefined) return near
    if (this.#byDigest.size === 0) return undefined
    const far = this.#byDigest.get(digest(text))
    if (far !== undefined) put(this.#byText, text, far, mostAsText)
    return far
  }

  set(text: string, token: VerifiedToken): void {
    put(this.#byDigest, digest(text), token, this.#most)
    put(this.#byText, text, token, mostAsText)
  }

  delete(text: string): void {
    this.#byText.delete(text)
    this.#byDigest.delete(digest(text))
  }

  clear(): void {
    this.#byText.clear()
    this.#byDigest.clear()
  }
}

/** Latin-1: 32 characters, the cheapest text of a digest. */
const digest = (text: string): string => hash('sha256', text, 'latin1')

/** Exact recency would cost two writes a hit; what is still in use comes back with one verification. */
function put(map: Map<string, VerifiedToken>, key: string, token: VerifiedToken, most: number): void {
  if (map.size >= most) {
    const oldest = map.keys().next()
    if (oldest.done !== true) map.delete(oldest.value)
  }
  map.set(key, token)
}
