/**
 * A worker's view of the fetched key sets: documents read once, and the wish for a fresh one when a token names a key
 * that nobody knows. It fetches nothing; it asks, and waits a little.
 */
import type { Clock } from '../lifecycle/clock.ts'
import { KeySet } from './key-set.ts'
import type { KeySets } from './key-source.ts'
import type { KeyFault } from './token-fault.ts'

/** Milliseconds between two wishes for one source: forged key ids must not become requests to the provider. */
export const refetchEveryMs = 10_000
/** Milliseconds a request waits for the answer to a wish. */
const patienceMs = 2_000

export interface KeyRingDeps {
  readonly clock: Clock
  /** Told with the source's key; RemoteKeySets.refetch on the other thread. */
  readonly refetch: (source: string) => void
}

interface Held {
  readonly text: string | null
  readonly keys: KeySet | KeyFault
  readonly checkedAt: number
}

interface Wait {
  readonly promise: Promise<void>
  readonly end: () => void
}

export class KeyRing {
  readonly #deps: KeyRingDeps
  #held: ReadonlyMap<string, Held> = new Map()
  readonly #asked = new Map<string, number>()
  readonly #waits = new Map<string, Wait>()

  constructor(deps: KeyRingDeps) {
    this.#deps = deps
  }

  /** Takes over what is in force; a set whose text did not change stays the same object. */
  update(sets: KeySets): void {
    const before = this.#held
    const held = new Map<string, Held>()
    for (const [source, { jwks, checkedAt, fault }] of Object.entries(sets)) {
      const known = before.get(source)
      const keys = jwks === null ? fault : known?.text === jwks ? known.keys : readKeys(jwks)
      held.set(source, { text: jwks, keys, checkedAt })
    }
    this.#held = held
    for (const source of this.#asked.keys()) if (!held.has(source)) this.#asked.delete(source)
    for (const [source, wait] of this.#waits) {
      if (held.get(source)?.checkedAt !== before.get(source)?.checkedAt) wait.end()
    }
  }

  /** The keys of a source, or what to tell the bearer of a token. */
  keysOf(source: string): KeySet | KeyFault {
    return this.#held.get(source)?.keys ?? 'Jwks remote fetch is failed'
  }

  /** Resolves when the source was asked again (or nobody answered in time); null when it was asked just before. */
  askAgain(source: string): Promise<void> | null {
    const waiting = this.#waits.get(source)
    if (waiting !== undefined) return waiting.promise
    const now = this.#deps.clock.now()
    const last = Math.max(
      this.#asked.get(source) ?? -Infinity,
      this.#held.get(source)?.checkedAt ?? -Infinity,
    )
    if (now - last < refetchEveryMs) return null
    this.#asked.set(source, now)
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.#deps.clock.after(patienceMs, () => wait.end())
    const wait: Wait = {
      promise,
      end: () => {
        timer.cancel()
        this.#waits.delete(source)
        resolve()
      },
    }
    this.#waits.set(source, wait)
    this.#deps.refetch(source)
    return promise
  }

  /** Lets everybody who waits go on with what there is. */
  close(): void {
    for (const wait of this.#waits.values()) wait.end()
  }
}

function readKeys(text: string): KeySet | KeyFault {
  const read = KeySet.read(text)
  return read.ok ? read.keys : read.fault
}
