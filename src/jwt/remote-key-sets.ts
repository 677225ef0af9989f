/**
 * Keeps the key sets of all issuers at hand on the control thread: fetched, refreshed, retried, each source on its own.
 * The last good document stays whatever happens, and there never is a made-up one; workers get the whole as one value.
 */
import { Backoff } from '../lifecycle/backoff.ts'
import type { Clock, Timer } from '../lifecycle/clock.ts'
import { Latest } from '../lifecycle/latest.ts'
import type { Log } from '../lifecycle/log.ts'
import type { RequestAuthentication } from '../policy/request-authentication.ts'
import { DocumentFetcher, type DocumentFetcherOptions } from './fetch-document.ts'
import { fetchKeySet, type FetchedKeys } from './fetch-key-set.ts'
import { refetchEveryMs } from './key-ring.ts'
import { keySources, type KeySets, type KeySetState, type KeySource } from './key-source.ts'

export interface RemoteKeySetsDeps {
  readonly clock: Clock
  readonly log: Log
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** Milliseconds between fetches of a source that answers (policy-semantics §6.7). */
export const refreshEveryMs = 20 * 60_000
/** Milliseconds: a provider that comes back is noticed in seconds, one that stays away is asked once a minute. */
const retry = { baseMs: 1_000, maxMs: 60_000 }

interface Watched {
  source: KeySource
  state: KeySetState | null
  readonly backoff: Backoff
  timer: Timer | null
  fetching: boolean
}

export class RemoteKeySets {
  /** Set at every change and after every attempt. */
  readonly sets = new Latest<KeySets>()
  readonly #deps: RemoteKeySetsDeps
  readonly #fetcher: DocumentFetcher
  readonly #watched = new Map<string, Watched>()
  #closed = false

  constructor(deps: RemoteKeySetsDeps, options: DocumentFetcherOptions) {
    this.#deps = deps
    this.#fetcher = new DocumentFetcher(deps.clock, options)
    this.sets.set({})
  }

  /** The rules in force: new sources are fetched at once, those that nobody names any more are forgotten. */
  use(authentications: readonly RequestAuthentication[]): void {
    if (this.#closed) return
    const wanted = keySources(authentications)
    let dropped = false
    for (const [key, watched] of this.#watched) {
      if (wanted.has(key)) continue
      watched.timer?.cancel()
      this.#watched.delete(key)
      dropped = true
    }
    for (const [key, source] of wanted) {
      const known = this.#watched.get(key)
      if (known !== undefined) {
        known.source = source
        continue
      }
      const backoff = new Backoff({ ...retry, random: this.#deps.random })
      const watched: Watched = { source, state: null, backoff, timer: null, fetching: false }
      this.#watched.set(key, watched)
      void this.#fetch(watched)
    }
    if (dropped) this.#publish()
  }

  /** A worker met a token whose key is unknown. Asked again at most every 10 s, so that forgers cannot drive it. */
  refetch(key: string): void {
    const watched = this.#watched.get(key)
    if (watched === undefined || watched.fetching || this.#closed) return
    const checkedAt = watched.state?.checkedAt ?? -Infinity
    if (this.#deps.clock.now() - checkedAt >= refetchEveryMs) void this.#fetch(watched)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { timer } of this.#watched.values()) timer?.cancel()
    this.#watched.clear()
    await this.#fetcher.close()
  }

  async #fetch(watched: Watched): Promise<void> {
    watched.fetching = true
    watched.timer?.cancel()
    watched.timer = null
    const fetched = await this.#attempt(watched.source)
    watched.fetching = false
    if (this.#watched.get(watched.source.key) !== watched) return
    this.#take(watched, fetched)
    const wait = fetched.ok ? refreshEveryMs : watched.backoff.next()
    watched.timer = this.#deps.clock.after(wait, () => void this.#fetch(watched))
    this.#publish()
  }

  async #attempt(source: KeySource): Promise<FetchedKeys> {
    try {
      return await fetchKeySet(this.#fetcher, source)
    } catch (error) {
      // A defect in one fetch must not end the others, or the retrying.
      const name = error instanceof Error ? error.name : 'error'
      return { ok: false, fault: 'Jwks remote fetch is failed', error: `internal: ${name}` }
    }
  }

  #take(watched: Watched, fetched: FetchedKeys): void {
    const now = this.#deps.clock.now()
    const before = watched.state
    const fields = { source: shown(watched.source.key) }
    if (fetched.ok) {
      watched.backoff.reset()
      watched.state = {
        jwks: fetched.jwks,
        fetchedAt: now,
        checkedAt: now,
        fault: 'Jwks remote fetch is failed',
        error: null,
        failures: before?.failures ?? 0,
      }
      if (before === null || before.error !== null) this.#deps.log.info('key set fetched', fields)
      else if (before.jwks !== fetched.jwks) this.#deps.log.info('key set changed', fields)
      return
    }
    const { fault, error } = fetched
    watched.state = {
      jwks: before?.jwks ?? null,
      fetchedAt: before?.fetchedAt ?? null,
      checkedAt: now,
      fault,
      error,
      failures: (before?.failures ?? 0) + 1,
    }
    // Once for every new reason: a provider that is away for a day is not a thousand lines.
    if (before?.error !== error) {
      const kept = watched.state.jwks === null ? 'none' : 'last good'
      this.#deps.log.warn('key set not fetched', { ...fields, reason: error, keys: kept })
    }
  }

  #publish(): void {
    const sets: Record<string, KeySetState> = {}
    for (const [key, { state }] of this.#watched) if (state !== null) sets[key] = state
    this.sets.set(sets)
  }
}

/** A query may hold an API key. */
const shown = (key: string): string => key.split('?', 1)[0] as string
