/**
 * One bidirectional stream to a discovery server: opens a channel with fresh credentials, writes requests, hands on
 * responses, says once when it is over. What responses mean is not known here.
 */
import { Client, Metadata, credentials, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js'
import type { DiscoveryRequest, DiscoveryResponse } from '../proto/discovery-messages.ts'
import { DiscoveryError } from './discovery-error.ts'
import { callReason } from '../proto/call-reason.ts'
import { loadProto } from '../proto/load-proto.ts'

/** What a stream is opened with; asked for anew each time, since tokens and certificates are rotated in place. */
export interface AdsCredentials {
  /** PEM of the roots that the server's certificate must chain to; null = no TLS (a Unix socket, a test). */
  readonly rootPem: string | null
  /** Our certificate chain and key, PEM; null = a token proves us, or nothing does. */
  readonly certificate: { readonly chainPem: string; readonly keyPem: string } | null
  /** Sent as `authorization: Bearer`; never without TLS, unless the server is on a Unix socket. */
  readonly token: string | null
}

export interface AdsStreamOptions {
  /** `host:port` or `unix:PATH`. */
  readonly server: string
  /** Name that the server's certificate must carry when it is not the host of `server`. */
  readonly serverName?: string
}

export interface AdsStreamHandlers {
  readonly response: (response: DiscoveryResponse) => void
  /** Called exactly once, whoever ended the stream. */
  readonly ended: (reason: string) => void
}

interface Method {
  readonly path: string
  readonly requestSerialize: (value: DiscoveryRequest) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => DiscoveryResponse
}

/** A mesh's services can be many; the server is trusted with our memory, an answer of this many bytes is not. */
const largestResponse = 200 * 1024 * 1024

export class AdsStream {
  readonly #client: Client
  readonly #call
  #ended = false

  constructor(given: AdsCredentials, options: AdsStreamOptions, handlers: AdsStreamHandlers) {
    this.#client = new Client(options.server, channelCredentials(given), {
      // Credentials are part of the channel: sharing connections would keep the old ones.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.max_receive_message_length': largestResponse,
      ...(options.serverName === undefined
        ? {}
        : {
            'grpc.ssl_target_name_override': options.serverName,
            'grpc.default_authority': options.serverName,
          }),
    })
    const metadata = new Metadata()
    if (given.token !== null && (given.rootPem !== null || options.server.startsWith('unix:'))) {
      metadata.set('authorization', `Bearer ${given.token}`)
    }
    const service = loadProto('ads.proto').service('envoy.service.discovery.v3.AggregatedDiscoveryService')
    const method = service['StreamAggregatedResources'] as unknown as Method
    this.#call = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
    )
    const end = (reason: string) => {
      if (this.#ended) return
      this.#ended = true
      this.#client.close()
      handlers.ended(reason)
    }
    this.#call.on('data', (response: DiscoveryResponse) => {
      if (!this.#ended) handlers.response(response)
    })
    this.#call.on('error', (error: ServiceError) => end(callReason(error.message)))
    this.#call.on('end', () => end('the server ended the stream'))
  }

  send(request: DiscoveryRequest): void {
    if (!this.#ended) this.#call.write(request)
  }

  cancel(): void {
    this.#call.cancel()
  }
}

function channelCredentials(given: AdsCredentials): ChannelCredentials {
  if (given.rootPem === null) return credentials.createInsecure()
  // Without roots the library would believe every public authority.
  if (!given.rootPem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new DiscoveryError(
      'ERR_DISCOVERY_ROOT',
      'no root certificate for the control plane',
      'hand over the root certificates of the mesh as PEM',
    )
  }
  const { certificate } = given
  if (certificate === null) return credentials.createSsl(Buffer.from(given.rootPem))
  const { chainPem, keyPem } = certificate
  return credentials.createSsl(Buffer.from(given.rootPem), Buffer.from(keyPem), Buffer.from(chainPem))
}
