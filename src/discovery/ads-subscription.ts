/**
 * The client's side of the discovery protocol, state of the world (dataplane §7.3, §10.1): what it asked for, what it
 * accepted, which version it goes on with. It decodes nothing and holds no connection.
 */
import type { DiscoveryRequest, DiscoveryResponse, NodeMessage } from '../proto/discovery-messages.ts'

const invalidArgument = 3

export class AdsSubscription {
  readonly #node: NodeMessage
  /** Accepted version by type; outlives a stream, so that a new one can say where it stands. */
  readonly #accepted = new Map<string, string>()

  constructor(node: NodeMessage) {
    this.#node = node
  }

  /** What a fresh stream sends: one request a type, the node in the first only. */
  requests(typeUrls: readonly string[]): DiscoveryRequest[] {
    return typeUrls.map((typeUrl, at) => this.#request(typeUrl, '', null, at === 0 ? this.#node : null))
  }

  /** The answer to a response that was taken. */
  accept(response: DiscoveryResponse): DiscoveryRequest {
    this.#accepted.set(response.type_url, response.version_info)
    return this.#request(response.type_url, response.nonce, null, null)
  }

  /** The answer to one that was not: the version before stays in force. */
  reject(response: DiscoveryResponse, reason: string): DiscoveryRequest {
    return this.#request(response.type_url, response.nonce, reason, null)
  }

  #request(typeUrl: string, nonce: string, error: string | null, node: NodeMessage | null): DiscoveryRequest {
    return {
      version_info: this.#accepted.get(typeUrl) ?? '',
      node,
      resource_names: [],
      type_url: typeUrl,
      response_nonce: nonce,
      error_detail: error === null ? null : { code: invalidArgument, message: error },
    }
  }
}
