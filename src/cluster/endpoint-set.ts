/**
 * The endpoints of one snapshot by key, taking over the equal ones of the snapshot before, so that in-flight counts and
 * pools outlive a change of configuration. It never forgets within a snapshot and knows no cluster.
 */
import type { ServiceEndpoint } from '../policy/service.ts'
import { Endpoint, endpointKey, type ClientTls } from './endpoint.ts'

export class EndpointSet {
  readonly #current = new Map<string, Endpoint>()
  #previous: ReadonlyMap<string, Endpoint> | null

  constructor(previous: EndpointSet | null) {
    this.#previous = previous === null ? null : previous.#current
  }

  /** The one endpoint of these properties. */
  take(address: string, port: number, tls: ClientTls, source: ServiceEndpoint | null): Endpoint {
    const key = endpointKey(address, port, tls)
    const known = this.#current.get(key) ?? this.#previous?.get(key)
    if (known !== undefined) known.source = source
    const endpoint = known ?? new Endpoint(address, port, tls, key, source)
    this.#current.set(key, endpoint)
    return endpoint
  }

  /** The last snapshot's endpoints are let go: a chain of all snapshots would never be freed. */
  seal(): this {
    this.#previous = null
    return this
  }
}
