/**
 * One proxy's stream as the server sees it (dataplane §7.3, §10.1): which types it watches, what was sent, what is not
 * yet acknowledged. It holds no connection and decides nobody's rights; the view it is given does.
 */
import type { AnyMessage, DiscoveryRequest, DiscoveryResponse } from '../proto/discovery-messages.ts'

/** What this caller may see of one type; `version` changes exactly when the content does. */
export interface TypeView {
  readonly version: string
  readonly resources: readonly AnyMessage[]
}

export interface WatchStreamDeps {
  readonly view: (typeUrl: string) => TypeView
  readonly send: (response: DiscoveryResponse) => void
  /** Opaque and never used twice on a stream. */
  readonly nonce: () => string
  /** The proxy refused what it was sent. */
  readonly rejected: (typeUrl: string, version: string, reason: string) => void
  /** The order of types in one push. */
  readonly order: readonly string[]
}

interface Watch {
  nonce: string
  sent: string
  /** Sent and neither acknowledged nor refused. */
  outstanding: boolean
}

/** No client has reason to watch more types. */
const mostTypes = 64

export class WatchStream {
  readonly #deps: WatchStreamDeps
  readonly #watches = new Map<string, Watch>()
  #due = false

  constructor(deps: WatchStreamDeps) {
    this.#deps = deps
  }

  /** Takes one request; false when the client asks for more than a stream may. */
  request(request: DiscoveryRequest): boolean {
    const typeUrl = request.type_url
    const watch = this.#watches.get(typeUrl)
    if (request.error_detail !== null) {
      if (watch === undefined || request.response_nonce !== watch.nonce) return true
      // Nothing is sent again until the content changes: the same bytes would be refused again.
      watch.outstanding = false
      this.#deps.rejected(typeUrl, watch.sent, request.error_detail.message)
      this.#next()
      return true
    }
    if (request.response_nonce === '' || watch === undefined) {
      if (watch === undefined && this.#watches.size >= mostTypes) return false
      this.#answer(typeUrl)
      return true
    }
    if (request.response_nonce !== watch.nonce) return true
    watch.outstanding = false
    this.#next()
    return true
  }

  /** Something changed: sends every watched type whose content did, once what was sent before is acknowledged. */
  changed(): void {
    this.#due = true
    this.#next()
  }

  #next(): void {
    if (!this.#due) return
    for (const watch of this.#watches.values()) if (watch.outstanding) return
    this.#due = false
    for (const typeUrl of this.#ordered()) {
      if (this.#deps.view(typeUrl).version !== this.#watches.get(typeUrl)?.sent) this.#answer(typeUrl)
    }
  }

  #answer(typeUrl: string): void {
    const { version, resources } = this.#deps.view(typeUrl)
    const nonce = this.#deps.nonce()
    this.#watches.set(typeUrl, { nonce, sent: version, outstanding: true })
    this.#deps.send({ version_info: version, resources, type_url: typeUrl, nonce })
  }

  #ordered(): string[] {
    const known = this.#deps.order.filter((typeUrl) => this.#watches.has(typeUrl))
    return [...known, ...[...this.#watches.keys()].filter((typeUrl) => !this.#deps.order.includes(typeUrl))]
  }
}
