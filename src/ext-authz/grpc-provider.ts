/**
 * Asks a gRPC authorizer (`envoy.service.auth.v3.Authorization/Check`) over kept channels, one a place. It retries
 * nothing and heeds no proxy setting of the environment; the deadline is its caller's signal.
 */
import { Client, credentials, status } from '@grpc/grpc-js'
import type { ChannelOptions, ServiceError } from '@grpc/grpc-js'
import type { GrpcAuthorizer } from '../policy/extension-provider.ts'
import { loadProto } from '../proto/load-proto.ts'
import type { AuthorizerTarget } from './authorizer-target.ts'
import { grpcCheck } from './check-request.ts'
import type { CheckResponse } from './grpc-answer.ts'
import { readGrpcAnswer } from './grpc-answer.ts'
import type { CheckOutcome } from './outcome.ts'
import { unanswered, unusable } from './outcome.ts'
import type { Ask, CheckSubject } from './provider.ts'
import { SecureCredentials } from './secure-credentials.ts'

const path = '/envoy.service.auth.v3.Authorization/Check'
/** Channels kept; places come and go with endpoints. */
const mostChannels = 16
/** Bytes of an answer. */
const mostAnswer = 1024 * 1024

interface Channel {
  readonly client: Client
  calls: number
}

export class GrpcProvider implements Ask {
  readonly #settings: GrpcAuthorizer
  readonly #now: () => number
  readonly #channels = new Map<string, Channel>()
  readonly #proto = loadProto('ext-authz.proto')
  readonly #request = this.#proto.message<object>('envoy.service.auth.v3.CheckRequest')
  readonly #response = this.#proto.message<CheckResponse>('envoy.service.auth.v3.CheckResponse')

  constructor(settings: GrpcAuthorizer, now: () => number) {
    this.#settings = settings
    this.#now = now
  }

  async ask(target: AuthorizerTarget, subject: CheckSubject, signal: AbortSignal): Promise<CheckOutcome> {
    let message: Buffer
    try {
      message = this.#request.encode(grpcCheck(this.#settings, subject.connection, subject.http, this.#now()))
    } catch {
      return unusable(this.#settings, 'unsendable_check')
    }
    const answer = await this.#call(this.#channel(target), message, signal)
    if (typeof answer === 'number') return unanswered(this.#settings, `grpc_${status[answer] ?? answer}`)
    let response: CheckResponse
    try {
      response = this.#response.decode(answer)
    } catch {
      return unanswered(this.#settings, 'unreadable_answer')
    }
    return readGrpcAnswer(this.#settings, response)
  }

  async close(): Promise<void> {
    for (const { client } of this.#channels.values()) client.close()
    this.#channels.clear()
  }

  /** The answer's bytes, or the gRPC status of why there is none. */
  #call(channel: Channel, message: Buffer, signal: AbortSignal): Promise<Buffer | number> {
    if (signal.aborted) return Promise.resolve(status.CANCELLED)
    channel.calls += 1
    return new Promise((settle) => {
      const asIs = (bytes: Buffer): Buffer => bytes
      const call = channel.client.makeUnaryRequest(path, asIs, asIs, message, done)
      const cancel = (): void => call.cancel()
      signal.addEventListener('abort', cancel)
      function done(error: ServiceError | null, answer?: Buffer): void {
        channel.calls -= 1
        signal.removeEventListener('abort', cancel)
        settle(error === null && answer !== undefined ? answer : (error?.code ?? status.UNKNOWN))
      }
    })
  }

  #channel(target: AuthorizerTarget): Channel {
    const { address, port, protection } = target
    const place = address.includes(':')
      ? `ipv6:[${address}]:${port}`
      : `${scheme(address)}:${address}:${port}`
    const key = protection === null ? place : `${place} tls ${protection.key}`
    let channel = this.#channels.get(key)
    if (channel === undefined) {
      this.#makeRoom()
      const credential =
        protection === null
          ? credentials.createInsecure()
          : new SecureCredentials((socket) => protection.protect(socket, 'h2'))
      channel = { client: new Client(place, credential, this.#options()), calls: 0 }
      this.#channels.set(key, channel)
    }
    return channel
  }

  #options(): ChannelOptions {
    const { service, body } = this.#settings
    return {
      'grpc.default_authority': service.host,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      // Shared subchannels would outlive this provider, and its protection.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 5000,
      'grpc.max_receive_message_length': mostAnswer,
      'grpc.max_send_message_length': (body?.maxRequestBytes ?? 0) * 2 + mostAnswer,
    }
  }

  #makeRoom(): void {
    if (this.#channels.size < mostChannels) return
    for (const [key, channel] of this.#channels) {
      if (channel.calls > 0) continue
      channel.client.close()
      this.#channels.delete(key)
      return
    }
  }
}

function scheme(address: string): 'ipv4' | 'dns' {
  return /^[\d.]+$/.test(address) ? 'ipv4' : 'dns'
}
