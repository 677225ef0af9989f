/**
 * Both ends of SDS under a test's hand: a bare client that sends any request, and a server that answers anything. Neither
 * follows the protocol by itself: that is what the tests are about.
 */
import * as grpc from '@grpc/grpc-js'
import type { DiscoveryRequest, DiscoveryResponse } from '../../src/proto/discovery-messages.ts'
import { loadProto } from '../../src/proto/load-proto.ts'

export const secretType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'
const service = () => loadProto('sds.proto').service('envoy.service.secret.v3.SecretDiscoveryService')
const codec = () =>
  loadProto('sds-secret.proto').message<SecretView>('envoy.extensions.transport_sockets.tls.v3.Secret')

export interface SecretView {
  readonly name: string
  readonly tls_certificate?: {
    readonly certificate_chain: { readonly inline_bytes: Buffer }
    readonly private_key: { readonly inline_bytes: Buffer }
  }
  readonly validation_context?: { readonly trusted_ca: { readonly inline_bytes: Buffer } }
}

/** Hands items to whoever waits, in order. */
export class Inbox<T> {
  readonly #items: T[] = []
  readonly #waiting: ((item: T) => void)[] = []

  put(item: T): void {
    const waiter = this.#waiting.shift()
    if (waiter) waiter(item)
    else this.#items.push(item)
  }

  next(): Promise<T> {
    const item = this.#items.shift()
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item)
  }

  get size(): number {
    return this.#items.length
  }
}

export class RawSdsClient {
  readonly responses = new Inbox<DiscoveryResponse>()
  readonly ended: Promise<{ code: number; details: string }>
  readonly #client: grpc.Client
  readonly #stream: grpc.ClientDuplexStream<object, DiscoveryResponse>

  constructor(socketPath: string, method = 'StreamSecrets') {
    this.#client = new grpc.Client(`unix:${socketPath}`, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    })
    const definition = service()['StreamSecrets'] as NonNullable<ReturnType<typeof service>[string]>
    this.#stream = this.#client.makeBidiStreamRequest(
      definition.path.replace('StreamSecrets', method),
      definition.requestSerialize,
      definition.responseDeserialize as (bytes: Buffer) => DiscoveryResponse,
    )
    this.#stream.on('data', (response: DiscoveryResponse) => this.responses.put(response))
    this.#stream.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      this.#stream.on('status', ({ code, details }: grpc.StatusObject) => resolve({ code, details }))
    })
  }

  /** With a node unless told otherwise. */
  send(request: Partial<DiscoveryRequest>): void {
    this.#stream.write({ node: { id: 'sidecar~127.0.0.1~a.b~b' }, type_url: secretType, ...request })
  }

  ack(response: DiscoveryResponse, names: readonly string[]): void {
    const { version_info, nonce } = response
    this.#stream.write({ version_info, response_nonce: nonce, resource_names: names, type_url: secretType })
  }

  /** Half-closes, which the server answers after all before it; gives how many responses came unasked. */
  async settle(): Promise<number> {
    this.#stream.end()
    await this.ended
    return this.responses.size
  }

  close(): void {
    this.#stream.cancel()
    this.#client.close()
  }
}

/** One FetchSecrets call. */
export function fetchSecrets(socketPath: string, names: readonly string[]): Promise<DiscoveryResponse> {
  const client = new grpc.Client(`unix:${socketPath}`, grpc.credentials.createInsecure())
  const { path, requestSerialize, responseDeserialize } = service()['FetchSecrets'] as NonNullable<
    ReturnType<typeof service>[string]
  >
  const request = { node: { id: 'sidecar~127.0.0.1~a.b~b' }, type_url: secretType, resource_names: names }
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
      client.close()
      if (error) reject(error)
      else resolve(response as DiscoveryResponse)
    })
  })
}

export function secretsIn(response: DiscoveryResponse): SecretView[] {
  return response.resources.map((resource) => codec().decode(resource.value))
}

export function anySecret(secret: object): { type_url: string; value: Buffer } {
  return { type_url: secretType, value: codec().encode(secret) }
}

export interface ServedStream {
  readonly requests: Inbox<DiscoveryRequest>
  send(response: Partial<DiscoveryResponse>): void
  end(): void
  fail(code: number): void
}

/** Accepts streams and does nothing with them: the test answers. */
export class RawSdsServer {
  readonly streams = new Inbox<ServedStream>()
  readonly #server = new grpc.Server()

  static async listen(socketPath: string): Promise<RawSdsServer> {
    const self = new RawSdsServer()
    self.#server.addService(service(), {
      StreamSecrets: (call: grpc.ServerDuplexStream<DiscoveryRequest, object>) => {
        const requests = new Inbox<DiscoveryRequest>()
        call.on('data', (request: DiscoveryRequest) => requests.put(request))
        call.on('error', () => undefined)
        self.streams.put({
          requests,
          send: (response) => void call.write({ type_url: secretType, ...response }),
          end: () => call.end(),
          fail: (code) => void call.emit('error', { code, details: 'as the test wished' }),
        })
      },
    })
    await new Promise<void>((resolve, reject) => {
      self.#server.bindAsync(`unix:${socketPath}`, grpc.ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      )
    })
    return self
  }

  close(): void {
    this.#server.forceShutdown()
  }
}
