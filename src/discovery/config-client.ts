/**
 * Configuration from a mesh's control plane over aggregated discovery: keeps a stream up, answers each response, and
 * publishes a snapshot once every kind has arrived. What it has stays in force whatever happens to the server.
 */
import { Backoff } from '../lifecycle/backoff.ts'
import type { Clock, Timer } from '../lifecycle/clock.ts'
import { Latest } from '../lifecycle/latest.ts'
import type { RawResource } from '../policy/resource.ts'
import type { Workload } from '../policy/workload.ts'
import type { DiscoveryResponse } from '../proto/discovery-messages.ts'
import { toStruct } from '../proto/struct.ts'
import { AdsStream, type AdsCredentials } from './ads-stream.ts'
import { AdsSubscription } from './ads-subscription.ts'
import type { ConfigSource, ConfigStatus } from './config-source.ts'
import { Debounce, type DebounceOptions } from './debounce.ts'
import { DiscoveryError } from './discovery-error.ts'
import { openEnvelope } from './mcp-resource.ts'
import { formatNodeId } from './node-id.ts'
import { resourceTypes } from './resource-type.ts'
import type { ConfigState } from './resource-state.ts'
import type { Snapshot } from './snapshot.ts'
import { SnapshotBuilder } from './snapshot-builder.ts'

export interface ConfigClientDeps {
  readonly clock: Clock
  /** Asked before each stream: tokens and certificates are rotated in place. */
  readonly credentials: () => AdsCredentials | Promise<AdsCredentials>
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** For the log; one clause. */
  readonly report?: (event: ConfigEvent, detail: string) => void
}

export type ConfigEvent =
  'disconnected' | 'rejected' | 'last-good-used' | 'last-good-refused' | 'last-good-not-kept'

export interface ConfigClientOptions {
  /** `host:port` or `unix:PATH`. */
  readonly server: string
  readonly serverName?: string
  readonly workload: Workload
  /** DNS suffix of services, for the node id. */
  readonly domain: string
  /** File of the last good configuration; null = none is kept. */
  readonly lastGood: string | null
  /** Milliseconds without configuration after which the kept one is used; a failed attempt uses it at once. */
  readonly lastGoodAfterMs?: number
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number }
  /** How long responses of one push may be apart; a snapshot is built when they all are there. */
  readonly settle?: DebounceOptions
}

/** A server that accepts a stream and then says nothing is as good as none. */
const firstResponseMs = 30_000

export class ConfigClient implements ConfigSource {
  readonly snapshots = new Latest<Snapshot>()
  readonly #deps: ConfigClientDeps
  readonly #options: ConfigClientOptions
  readonly #builder: SnapshotBuilder
  readonly #subscription: AdsSubscription
  readonly #backoff: Backoff
  readonly #settle: Debounce
  readonly #received = new Map<string, readonly RawResource[]>()
  #stream: AdsStream | null = null
  #timer: Timer | null = null
  #patience: Timer | null = null
  #opening: Promise<void> = Promise.resolve()
  #connected = false
  #trouble: string | null = null
  #rejected = 0
  #closed = false

  constructor(deps: ConfigClientDeps, options: ConfigClientOptions) {
    const { workload } = options
    const address = workload.addresses[0]
    if (address === undefined) {
      throw new DiscoveryError(
        'ERR_DISCOVERY_NODE',
        `workload ${workload.namespace}/${workload.name} has no address`,
        'give the workload at least one IP address',
      )
    }
    this.#deps = deps
    this.#options = options
    this.#backoff = new Backoff({ baseMs: 500, maxMs: 15_000, random: deps.random, ...options.backoff })
    this.#settle = new Debounce(deps.clock, options.settle ?? { quietMs: 20, longestMs: 1_000 }, () =>
      this.#build(),
    )
    this.#builder = new SnapshotBuilder(
      {
        clock: deps.clock,
        snapshots: this.snapshots,
        report: (event, detail) => deps.report?.(event, detail),
      },
      { workload, lastGood: options.lastGood, fromServer: true },
    )
    this.#subscription = new AdsSubscription({
      id: formatNodeId({
        name: workload.name,
        namespace: workload.namespace,
        address,
        domain: options.domain,
      }),
      cluster: `${workload.labels['app'] ?? workload.name}.${workload.namespace}`,
      metadata: toStruct({
        NAME: workload.name,
        NAMESPACE: workload.namespace,
        SERVICE_ACCOUNT: workload.serviceAccount,
        INSTANCE_IPS: workload.addresses.join(','),
        LABELS: workload.labels,
        GENERATOR: 'api',
      }),
    })
    this.#patience = deps.clock.after(options.lastGoodAfterMs ?? 5_000, () => this.#useLastGood())
    this.#connect()
  }

  /** Objects in force, ignored ones and warnings, for status pages; null before the first. */
  get state(): ConfigState | null {
    return this.#builder.state
  }

  status(): ConfigStatus {
    return {
      source: this.#options.server,
      connected: this.#connected,
      fromDisk: this.#builder.fromDisk,
      trouble: this.#trouble,
      changedAt: this.#builder.changedAt,
      rejected: this.#rejected,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#patience?.cancel()
    this.#settle.cancel()
    this.#stream?.cancel()
    await this.#opening
    await this.#builder.close()
  }

  #connect(): void {
    if (this.#closed) return
    this.#opening = this.#open().catch((error: unknown) => {
      this.#lost(`credentials: ${error instanceof Error ? error.message : String(error)}`)
    })
  }

  async #open(): Promise<void> {
    const given = await this.#deps.credentials()
    if (this.#closed) return
    const stream: AdsStream = new AdsStream(given, this.#options, {
      response: (response) => this.#response(stream, response),
      ended: (reason) => this.#lost(reason),
    })
    this.#stream = stream
    this.#timer = this.#deps.clock.after(firstResponseMs, () => stream.cancel())
    for (const request of this.#subscription.requests(resourceTypes.map((type) => type.typeUrl))) {
      stream.send(request)
    }
  }

  /** A stream is over; one that had worked is replaced without a word (control planes end them by age). */
  #lost(reason: string): void {
    const worked = this.#connected
    this.#stream = null
    this.#connected = false
    this.#timer?.cancel()
    if (this.#closed) return
    if (!worked) {
      if (this.#trouble === null) this.#deps.report?.('disconnected', reason)
      this.#trouble = reason
      this.#useLastGood()
    }
    this.#timer = this.#deps.clock.after(this.#backoff.next(), () => this.#connect())
  }

  #response(stream: AdsStream, response: DiscoveryResponse): void {
    const type = resourceTypes.find((entry) => entry.typeUrl === response.type_url)
    // Nobody asked for it; an answer would be a request.
    if (type === undefined || this.#closed) return
    this.#timer?.cancel()
    this.#connected = true
    this.#trouble = null
    this.#backoff.reset()
    const resources: RawResource[] = []
    for (const any of response.resources) {
      const opened = openEnvelope(type, any, this.#options.server)
      if (typeof opened === 'string') {
        this.#rejected += 1
        this.#deps.report?.('rejected', `${response.type_url} ${response.version_info}: ${opened}`)
        stream.send(this.#subscription.reject(response, opened))
        return
      }
      resources.push(opened)
    }
    stream.send(this.#subscription.accept(response))
    this.#received.set(response.type_url, resources)
    // No half state: a policy without its services, or services without what forbids them, is never published.
    if (this.#received.size < resourceTypes.length) return
    if (this.#builder.fresh) this.#settle.touch()
    else this.#build()
  }

  #build(): void {
    this.#patience?.cancel()
    const resources = resourceTypes.flatMap((type) => this.#received.get(type.typeUrl) ?? [])
    this.#builder.apply([{ file: this.#options.server, resources, problems: [] }])
  }

  #useLastGood(): void {
    this.#patience?.cancel()
    void this.#builder.useLastGood()
  }
}
