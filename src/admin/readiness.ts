/**
 * What still keeps the sidecar from serving, by name and reason: readiness that says what is missing. It is told, or asks
 * where time alone can take something away; it probes nothing itself.
 */
export class Readiness {
  readonly #missing = new Map<string, string>()
  readonly #checks = new Map<string, () => string | null>()
  #terminating = false

  /** `requirements` map a name (`certificate`) to why it is not there yet (`no SVID from the SDS socket yet`). */
  constructor(requirements: Readonly<Record<string, string>>) {
    for (const [name, reason] of Object.entries(requirements)) this.#missing.set(name, reason)
  }

  met(name: string): void {
    this.#missing.delete(name)
  }

  lost(name: string, reason: string): void {
    this.#missing.set(name, reason)
  }

  /** What was met may run out: `check` is asked with each report and answers why it does not hold now, or null. */
  holds(name: string, check: () => string | null): void {
    this.#checks.set(name, check)
  }

  /** From here on readiness is false whatever else holds (dataplane trap 44). */
  terminate(): void {
    this.#terminating = true
  }

  get ready(): boolean {
    return this.report().ready
  }

  /** `LIVE`, `PRE_INITIALIZING` or `DRAINING`, as Envoy's /ready says it, and what is missing, one line each. */
  report(): { readonly ready: boolean; readonly state: string; readonly missing: readonly string[] } {
    const missing = new Map(this.#missing)
    for (const [name, check] of this.#checks) {
      const reason = missing.has(name) ? null : check()
      if (reason !== null) missing.set(name, reason)
    }
    const state = this.#terminating ? 'DRAINING' : missing.size === 0 ? 'LIVE' : 'PRE_INITIALIZING'
    return {
      ready: state === 'LIVE',
      state,
      missing: [...missing].map(([name, reason]) => `${name}: ${reason}`),
    }
  }
}
