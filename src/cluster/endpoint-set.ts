/**
 * The endpoints of one snapshot by key, taking over the equal ones of the snapshot before, so that in-flight counts and
 * pools outlive a change of configuration. It never forgets within a snapshot and knows no cluster.
 */
import type { ServiceEndpoint } from '../policy/service.ts'
import { Endpoint, endpointKey, type ClientTls } from './endpoint.ts'

export class EndpointSet {
  readonly #current = new Map<string, Endpoint>()
  #previous: ReadonlyMap<string, Endpoint> | null
  /** What the registry says now of endpoints that are in use: theirs once this set is. */
  readonly #news = new Map<Endpoint, ServiceEndpoint | null>()

  constructor(previous: EndpointSet | null) {
    this.#previous = previous === null ? null : previous.#current
  }

  /** The one endpoint of these properties. */
  take(address: string, port: number, tls: ClientTls, source: ServiceEndpoint | null): Endpoint {
    const key = endpointKey(address, port, tls)
    const known = this.#current.get(key) ?? this.#previous?.get(key)
    if (known !== undefined) this.#news.set(known, source)
    const endpoint = known ?? new Endpoint(address, port, tls, key, source)
    this.#current.set(key, endpoint)
    return endpoint
  }

  /** The last snapshot's endpoints are let go: a chain of all snapshots would never be freed. */
  seal(): this {
    for (const [endpoint, source] of this.#news) endpoint.source = source
    this.#news.clear()
    this.#previous = null
    return this
  }
}
