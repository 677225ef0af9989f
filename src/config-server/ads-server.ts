/**
 * Envoy's aggregated discovery service on a gRPC server that is handed in: authenticates a stream, keeps it fed, ends
 * it. What a caller may see is the store's decision, the protocol is the watch stream's.
 */
import { randomUUID } from 'node:crypto'
import {
  status,
  type Server,
  type ServerDuplexStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { Debounce, pushDebounce, type DebounceOptions } from '../discovery/debounce.ts'
import type { Clock, Timer } from '../lifecycle/clock.ts'
import type { DiscoveryRequest, DiscoveryResponse } from '../proto/discovery-messages.ts'
import { loadProto } from '../proto/load-proto.ts'
import { resourceTypes } from '../discovery/resource-type.ts'
import { admit, type Caller } from './caller.ts'
import type { ResourceStore } from './resource-store.ts'
import { WatchStream } from './watch-stream.ts'

export type AdsCall = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>

export interface ConfigServiceDeps {
  readonly store: ResourceStore
  readonly clock: Clock
  /** The proved identity of the call's peer, or null. May throw or reject: then nobody is proved. */
  readonly authenticate: (call: AdsCall) => Caller | null | Promise<Caller | null>
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** A proxy refused what it was sent. */
  readonly rejected?: (node: string, typeUrl: string, reason: string) => void
}

export interface ConfigServiceOptions {
  readonly debounce?: DebounceOptions
  /** Milliseconds after which a stream is ended so that its caller proves itself again; ± 10 %. */
  readonly maxStreamMs?: number
}

export interface ConfigService {
  /** How many proxies are connected. */
  readonly streams: number
  /** Ends all streams; clients come back elsewhere and keep what they have. */
  close(): void
}

export function addConfigService(
  server: Server,
  deps: ConfigServiceDeps,
  options: ConfigServiceOptions = {},
): ConfigService {
  const live = new Set<Stream>()
  const debounce = new Debounce(deps.clock, options.debounce ?? pushDebounce, () => {
    for (const stream of live) stream.changed()
  })
  const stop = deps.store.onChange(() => debounce.touch())
  const implementation: UntypedServiceImplementation = {
    StreamAggregatedResources(call: AdsCall) {
      const stream = new Stream(call, deps, options.maxStreamMs ?? 30 * 60_000, () => live.delete(stream))
      live.add(stream)
    },
  }
  server.addService(
    loadProto('ads.proto').service('envoy.service.discovery.v3.AggregatedDiscoveryService'),
    implementation,
  )
  return {
    get streams() {
      return live.size
    },
    close() {
      stop()
      debounce.cancel()
      for (const stream of live) stream.end(status.UNAVAILABLE, 'the server is shutting down')
    },
  }
}

/** Requests that may wait while the caller is being authenticated. */
const mostWaiting = 64

/** Responses that may wait for a slow client. */
const mostUnread = 64

class Stream {
  readonly #call: AdsCall
  readonly #deps: ConfigServiceDeps
  readonly #gone: () => void
  readonly #age: Timer
  readonly #waiting: DiscoveryRequest[] = []
  #caller: Caller | null = null
  #watch: WatchStream | null = null
  #ended = false

  constructor(call: AdsCall, deps: ConfigServiceDeps, maxStreamMs: number, gone: () => void) {
    this.#call = call
    this.#deps = deps
    this.#gone = gone
    this.#age = deps.clock.after(maxStreamMs * (0.9 + 0.2 * deps.random()), () =>
      this.#finish(() => call.end()),
    )
    call.on('data', (request: DiscoveryRequest) => this.#request(request))
    call.on('end', () => this.#finish(() => call.end()))
    call.on('cancelled', () => this.#finish(() => undefined))
    call.on('error', () => this.#finish(() => undefined))
    void this.#authenticate()
  }

  changed(): void {
    this.#watch?.changed()
  }

  end(code: number, details: string): void {
    // An error event is how grpc-js ends a stream with a status.
    this.#finish(() => this.#call.emit('error', { code, details }))
  }

  async #authenticate(): Promise<void> {
    let caller: Caller | null = null
    try {
      caller = await this.#deps.authenticate(this.#call)
    } catch {
      // An authenticator that fails has proved nobody.
    }
    if (caller === null) return this.end(status.UNAUTHENTICATED, 'authentication failure')
    this.#caller = caller
    for (const request of this.#waiting.splice(0)) this.#request(request)
  }

  #request(request: DiscoveryRequest): void {
    if (this.#ended) return
    if (this.#caller === null) {
      if (this.#waiting.length >= mostWaiting) return this.end(status.RESOURCE_EXHAUSTED, 'too many requests')
      this.#waiting.push(request)
      return
    }
    // Each fresh subscription is answered in full: a client that asks and does not read must not fill our memory.
    if (this.#call.writableLength > mostUnread)
      return this.end(status.RESOURCE_EXHAUSTED, 'responses are not read')
    this.#watch ??= this.#open(this.#caller, request)
    if (this.#watch?.request(request) === false)
      this.end(status.RESOURCE_EXHAUSTED, 'too many resource types')
  }

  #open(caller: Caller, first: DiscoveryRequest): WatchStream | null {
    const admission = admit(caller, first.node)
    if (!admission.ok) {
      this.end(admission.code, admission.message)
      return null
    }
    const { store, rejected } = this.#deps
    return new WatchStream({
      view: (typeUrl) => store.view(typeUrl, caller.namespace),
      send: (response) => {
        if (!this.#ended) this.#call.write(response)
      },
      nonce: randomUUID,
      rejected: (typeUrl, _version, reason) => rejected?.(first.node?.id ?? '', typeUrl, reason),
      order: resourceTypes.map((type) => type.typeUrl),
    })
  }

  #finish(how: () => void): void {
    if (this.#ended) return
    this.#ended = true
    this.#age.cancel()
    this.#gone()
    how()
  }
}
