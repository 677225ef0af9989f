/**
 * TLS sessions a client may resume, the latest one a key, oldest key out. It lives and dies with one generation of
 * secrets, so that no session outlives the trust it was made under (users D2, CVE-2022-21654).
 */
export interface KeptSession {
  readonly session: Buffer
  /** What the server presented when the session began, DER, leaf first: a client that resumes is shown nothing. */
  readonly chain: readonly Buffer[]
}

export class SessionCache {
  readonly #sessions = new Map<string, KeptSession>()
  readonly #limit: number

  constructor(limit = 1024) {
    this.#limit = limit
  }

  /** Hands a session out once: a server that cannot take it up again must not be offered it twice. */
  take(key: string): KeptSession | undefined {
    const session = this.#sessions.get(key)
    this.#sessions.delete(key)
    return session
  }

  put(key: string, session: KeptSession): void {
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    if (this.#sessions.size > this.#limit) this.#sessions.delete(this.#sessions.keys().next().value as string)
  }

  get size(): number {
    return this.#sessions.size
  }
}
