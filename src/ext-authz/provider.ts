/**
 * One authorizer as the data plane calls it: bounds every check in time and number, turns every failure into an outcome,
 * and counts. The protocol is somebody else's (`Ask`), loaded at the first check.
 */
import type { Clock } from '../lifecycle/clock.ts'
import type { AuthorizerSettings } from '../policy/extension-provider.ts'
import type { AuthorizerPlaces, AuthorizerTarget } from './authorizer-target.ts'
import type { CheckConnection, CheckHttp } from './check-request.ts'
import type { CheckOutcome } from './outcome.ts'
import { unanswered, unusable } from './outcome.ts'

export interface CheckSubject {
  readonly connection: CheckConnection
  /** Null = a TCP connection. */
  readonly http: CheckHttp | null
}

/** A protocol to ask in. `ask` gives up when the signal fires. */
export interface Ask {
  ask(target: AuthorizerTarget, subject: CheckSubject, signal: AbortSignal): Promise<CheckOutcome>
  close(): Promise<void>
}

/** Plain counts since the provider's settings came. */
export interface ProviderCounters {
  checks: number
  allowed: number
  denied: number
  /** No usable answer, whatever became of the request. */
  errors: number
  /** Of the errors, those that failOpen let pass. */
  failedOpen: number
  /** The client went away first. */
  cancelled: number
}

/** Checks under way at one provider, which Envoy's clusters bound at the same number. */
const mostInFlight = 1024

export class Provider {
  readonly settings: AuthorizerSettings
  readonly counters: ProviderCounters = {
    checks: 0,
    allowed: 0,
    denied: 0,
    errors: 0,
    failedOpen: 0,
    cancelled: 0,
  }
  inFlight = 0
  places: AuthorizerPlaces
  readonly #clock: Clock
  readonly #load: (settings: AuthorizerSettings) => Promise<Ask>
  #ask: Promise<Ask> | null = null
  #closed = false
  #retired = false

  constructor(
    settings: AuthorizerSettings,
    places: AuthorizerPlaces,
    clock: Clock,
    load: (settings: AuthorizerSettings) => Promise<Ask>,
  ) {
    this.settings = settings
    this.places = places
    this.#clock = clock
    this.#load = load
  }

  /** Loads the protocol before anybody waits for it. */
  prepare(): void {
    if (this.#closed) return
    this.#ask ??= this.#load(this.settings)
    // A check that needs it will meet the same failure, and say so.
    this.#ask.catch(() => undefined)
  }

  /** Never rejects. `signal` = nobody waits for the answer any more. */
  async check(subject: CheckSubject, signal: AbortSignal | null = null): Promise<CheckOutcome> {
    this.counters.checks += 1
    const outcome = await this.#bounded(subject, signal)
    if (signal?.aborted === true) {
      this.counters.cancelled += 1
      return unusable(this.settings, 'cancelled')
    }
    if (outcome.kind === 'allow') this.counters.allowed += 1
    else if (outcome.kind === 'error') {
      this.counters.errors += 1
      if (outcome.allowed) this.counters.failedOpen += 1
    } else this.counters.denied += 1
    return outcome
  }

  /** Closes once the checks under way are over; none may be begun after it. */
  async retire(): Promise<void> {
    if (this.inFlight > 0) this.#retired = true
    else await this.close()
  }

  /** Checks under way are answered as errors that do not fail open. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true
    const ask = this.#ask
    this.#ask = null
    await ask?.then(
      (loaded) => loaded.close(),
      () => undefined,
    )
  }

  async #bounded(subject: CheckSubject, signal: AbortSignal | null): Promise<CheckOutcome> {
    if (this.#closed) return unusable(this.settings, 'closed')
    if (this.inFlight >= mostInFlight) return unanswered(this.settings, 'overflow')
    const target = this.places.pick()
    if (target === null) return unanswered(this.settings, 'no_healthy_upstream')
    const ending = new AbortController()
    const end = (): void => ending.abort()
    let late = false
    const timer = this.#clock.after(this.settings.timeoutMs, () => {
      late = true
      end()
    })
    signal?.addEventListener('abort', end)
    if (signal?.aborted === true) end()
    this.inFlight += 1
    try {
      this.#ask ??= this.#load(this.settings)
      const outcome = await (await this.#ask).ask(target, subject, ending.signal)
      // What was cut short because we close says nothing about the authorizer.
      if (outcome.kind === 'error' && this.#closed) return unusable(this.settings, 'closed')
      return outcome.kind === 'error' && late ? unanswered(this.settings, 'timeout') : outcome
    } catch {
      return unusable(this.settings, 'check_failed')
    } finally {
      this.inFlight -= 1
      timer.cancel()
      signal?.removeEventListener('abort', end)
      if (this.#retired && this.inFlight === 0) void this.close()
    }
  }
}
