/**
 * One StreamSecrets stream as a state machine: requests and secrets in, responses out, as Istio runs it (dataplane §7.3).
 * It knows no socket and makes no secret.
 */
import { randomUUID } from 'node:crypto'
import type { DiscoveryRequest, DiscoveryResponse } from '../proto/discovery-messages.ts'
import type { Log } from '../lifecycle/log.ts'
import { secretTypeUrl } from './secret-resources.ts'

export type Resources = ReadonlyMap<string, Buffer>

export type StreamEnd = 'missing-node' | 'wrong-type' | 'unknown-name' | 'no-secret'

export interface SdsStreamDeps {
  /** Names that may be asked for. */
  readonly known: ReadonlySet<string>
  /** Null until the first issuance. */
  readonly current: () => Resources | null
  /** Opaque to clients. */
  readonly version: () => string
  readonly send: (response: DiscoveryResponse) => void
  readonly end: (why: StreamEnd, detail: string) => void
  readonly log: Log
}

export class SdsStream {
  readonly #deps: SdsStreamDeps
  readonly #names = new Set<string>()
  readonly #sent = new Map<string, Buffer>()
  #node = ''
  #nonce = ''
  #waiting = false

  constructor(deps: SdsStreamDeps) {
    this.#deps = deps
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  onRequest(request: DiscoveryRequest): void {
    const { end, known, log } = this.#deps
    if (this.#node === '') {
      this.#node = request.node?.id ?? ''
      if (this.#node === '') return end('missing-node', 'missing node information')
    }
    if (request.type_url !== '' && request.type_url !== secretTypeUrl) {
      return end('wrong-type', `only ${secretTypeUrl} is served here`)
    }
    if (request.error_detail !== null) {
      const names = request.resource_names.join(', ')
      return log.warn('a proxy refused a secret', {
        node: this.#node,
        names,
        reason: request.error_detail.message,
      })
    }
    const established = this.#nonce !== ''
    if (established && request.response_nonce !== '' && request.response_nonce !== this.#nonce) return
    const unknown = request.resource_names.find((name) => !known.has(name))
    if (unknown !== undefined) return end('unknown-name', `no secret is named ${JSON.stringify(unknown)}`)

    const fresh = !established || request.response_nonce === ''
    const wanted = new Set(request.resource_names)
    const added = [...wanted].some((name) => !this.#names.has(name))
    for (const name of this.#names) if (!wanted.has(name)) this.#forget(name)
    for (const name of wanted) this.#names.add(name)
    if (wanted.size > 0 && (fresh || added)) this.#respond([...wanted])
  }

  /** Sends what changed of what this stream asked for, or what it waits for. */
  onChange(): void {
    const current = this.#deps.current()
    if (current === null) return
    const names = [...this.#names]
    const changed = names.filter((name) => {
      const [now, before] = [current.get(name), this.#sent.get(name)]
      return now !== undefined && (before === undefined || !now.equals(before))
    })
    if (changed.length > 0) this.#respond(this.#waiting ? names : changed)
  }

  /** An issuance failed: who waits for a first secret is told to come back; who has one keeps it. */
  onFailure(): void {
    if (this.#waiting) this.#deps.end('no-secret', 'no certificate could be obtained yet')
  }

  #forget(name: string): void {
    this.#names.delete(name)
    this.#sent.delete(name)
    if (this.#names.size === 0) this.#waiting = false
  }

  #respond(names: readonly string[]): void {
    const current = this.#deps.current()
    this.#waiting = current === null
    if (current === null) return
    const resources = []
    for (const [name, value] of current) {
      if (!names.includes(name)) continue
      resources.push({ type_url: secretTypeUrl, value })
      this.#sent.set(name, value)
    }
    this.#nonce = randomUUID()
    this.#deps.send({
      version_info: this.#deps.version(),
      resources,
      type_url: secretTypeUrl,
      nonce: this.#nonce,
    })
  }
}
