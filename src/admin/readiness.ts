/**
 * What still keeps the sidecar from serving, by name and reason: readiness that says what is missing. It is told; it
 * probes nothing itself.
 */
export class Readiness {
  readonly #missing = new Map<string, string>()
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

  /** From here on readiness is false whatever else holds (dataplane trap 44). */
  terminate(): void {
    this.#terminating = true
  }

  get ready(): boolean {
    return !this.#terminating && this.#missing.size === 0
  }

  /** `LIVE`, `PRE_INITIALIZING` or `DRAINING`, as Envoy's /ready says it, and what is missing, one line each. */
  report(): { readonly ready: boolean; readonly state: string; readonly missing: readonly string[] } {
    const state = this.#terminating ? 'DRAINING' : this.#missing.size === 0 ? 'LIVE' : 'PRE_INITIALIZING'
    return {
      ready: this.ready,
      state,
      missing: [...this.#missing].map(([name, reason]) => `${name}: ${reason}`),
    }
  }
}
