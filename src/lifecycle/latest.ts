/**
 * A value that changes whole and is replayed to late listeners: the latest SVID, the latest snapshot. It keeps no
 * history and drops no update; a listener sees every value set after it came, and the one in force when it came.
 */
export class Latest<T> {
  #value: T | undefined
  #has = false
  readonly #listeners = new Set<(value: T) => void>()
  readonly #waiters: ((value: T) => void)[] = []

  /** The value in force, or undefined before the first. */
  get value(): T | undefined {
    return this.#value
  }

  set(value: T): void {
    this.#value = value
    this.#has = true
    for (const resolve of this.#waiters.splice(0)) resolve(value)
    for (const listener of [...this.#listeners]) listener(value)
  }

  /** Calls `listener` with the value in force (if any), then with each later one; returns how to stop. */
  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener)
    if (this.#has) listener(this.#value as T)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves with the first value, at once if there is one; rejects when `signal` aborts first. */
  first(signal?: AbortSignal): Promise<T> {
    if (this.#has) return Promise.resolve(this.#value as T)
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal?.reason as Error)
      if (signal?.aborted) return onAbort()
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push((value) => {
        signal?.removeEventListener('abort', onAbort)
        resolve(value)
      })
    })
  }
}
