/**
 * One secret name on one stream of its own: asks, acknowledges or refuses, and asks again when the stream ends (dataplane
 * §7.3). What a secret means, and whether it is good, is its owner's to say.
 */
import type { Client, ClientDuplexStream } from '@grpc/grpc-js'
import { Backoff } from '../lifecycle/backoff.ts'
import type { Clock, Timer } from '../lifecycle/clock.ts'
import type {
  AnyMessage,
  DiscoveryRequest,
  DiscoveryResponse,
  NodeMessage,
} from '../proto/discovery-messages.ts'
import { callReason } from '../proto/call-reason.ts'
import { loadProto } from '../proto/load-proto.ts'
import type { Log } from '../lifecycle/log.ts'
import { secretName, secretTypeUrl } from './secret.ts'

export interface SubscriptionDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

export interface SubscriptionOptions {
  readonly socketPath: string
  readonly node: NodeMessage
  readonly name: string
  /** Null = taken; a text = why not, without a byte of the secret. */
  readonly take: (resource: AnyMessage) => Promise<string | null>
}

type Stream = ClientDuplexStream<object, DiscoveryResponse>

// google.rpc.Code.INVALID_ARGUMENT
const invalid = 3

export class SdsSubscription {
  /** Plain counts since the start. */
  readonly counters = { accepted: 0, refused: 0, connects: 0 }
  readonly #deps: SubscriptionDeps
  readonly #options: SubscriptionOptions
  readonly #backoff: Backoff
  #client: Client | null = null
  #stream: Stream | null = null
  #timer: Timer | null = null
  #goodVersion = ''
  #closed = false

  constructor(deps: SubscriptionDeps, options: SubscriptionOptions) {
    this.#deps = deps
    this.#options = options
    this.#backoff = new Backoff({ baseMs: 500, maxMs: 10_000, random: deps.random })
    void this.#connect()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#drop()
  }

  async #connect(): Promise<void> {
    const grpc = await import('@grpc/grpc-js')
    if (this.#closed) return
    const method = loadProto('sds.proto').service('envoy.service.secret.v3.SecretDiscoveryService')[
      'StreamSecrets'
    ]
    if (method === undefined) throw new TypeError('sds.proto has no StreamSecrets')
    this.counters.connects += 1
    // Its own connection each time: the library's pooled ones would add their back-off to ours.
    const client = new grpc.Client(`unix:${this.#options.socketPath}`, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.default_authority': 'localhost',
    })
    const stream = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize as (bytes: Buffer) => DiscoveryResponse,
    )
    this.#client = client
    this.#stream = stream
    let work = Promise.resolve()
    // One after the other: an answer to an older response must not overtake.
    stream.on('data', (response: DiscoveryResponse) => {
      work = work.then(() => this.#answer(stream, response))
    })
    stream.on('error', (error: Error) => this.#ended(stream, callReason(error.message)))
    stream.on('end', () => this.#ended(stream, 'the server ended the stream'))
    this.#send(stream, { version_info: this.#goodVersion, node: this.#options.node })
  }

  async #answer(stream: Stream, response: DiscoveryResponse): Promise<void> {
    if (stream !== this.#stream) return
    const { name, take } = this.#options
    const resource = response.resources.find((one) => secretName(one) === name)
    const reason = resource === undefined ? `no secret named ${name} in the response` : await take(resource)
    if (stream !== this.#stream) return
    if (reason === null) {
      this.counters.accepted += 1
      this.#goodVersion = response.version_info
      this.#backoff.reset()
      return this.#send(stream, { version_info: response.version_info, response_nonce: response.nonce })
    }
    this.counters.refused += 1
    this.#deps.log.warn('a secret from the agent is refused, the earlier one stays in force', {
      name,
      reason,
    })
    this.#send(stream, {
      version_info: this.#goodVersion,
      response_nonce: response.nonce,
      error_detail: { code: invalid, message: reason },
    })
  }

  #send(stream: Stream, request: Partial<DiscoveryRequest>): void {
    stream.write({ resource_names: [this.#options.name], type_url: secretTypeUrl, ...request })
  }

  #ended(stream: Stream, why: string): void {
    if (stream !== this.#stream) return
    this.#drop()
    if (this.#closed) return
    const ms = this.#backoff.next()
    const { socketPath, name } = this.#options
    this.#deps.log.warn('secret stream lost, asking again', { name, socketPath, why, inMs: Math.round(ms) })
    this.#timer = this.#deps.clock.after(ms, () => void this.#connect())
  }

  #drop(): void {
    const [stream, client] = [this.#stream, this.#client]
    this.#stream = null
    this.#client = null
    // A cancelled stream still reports an error; nobody listens for news of it.
    stream?.on('error', () => undefined)
    stream?.cancel()
    client?.close()
  }
}
