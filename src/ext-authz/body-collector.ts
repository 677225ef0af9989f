/**
 * The part of a request's body that an authorizer is shown, gathered while the request waits. It keeps references to at
 * most `maxRequestBytes` and one chunk; the whole body stays with whoever forwards it.
 */
import type { BodyInclusion } from '../policy/extension-provider.ts'
import type { CheckBody } from './check-request.ts'

/** `more`: not yet known; `enough`: ask now; `too-large`: answer 413. */
export type Collected = 'more' | 'enough' | 'too-large'

export class BodyCollector {
  readonly #rule: BodyInclusion
  readonly #chunks: Buffer[] = []
  #size = 0

  constructor(rule: BodyInclusion) {
    this.#rule = rule
  }

  push(chunk: Buffer): Collected {
    if (this.#size <= this.#rule.maxRequestBytes) {
      this.#chunks.push(chunk)
      this.#size += chunk.length
    }
    if (this.#size <= this.#rule.maxRequestBytes) return 'more'
    return this.#rule.allowPartialMessage ? 'enough' : 'too-large'
  }

  /** By the Content-Length alone, before a byte has come; -1 = not known. */
  expect(contentLength: number): Collected {
    return contentLength > this.#rule.maxRequestBytes && !this.#rule.allowPartialMessage
      ? 'too-large'
      : 'more'
  }

  /** Null when there was no body at all. Complete unless `push` said `enough`. */
  get body(): CheckBody | null {
    if (this.#size === 0) return null
    const most = this.#rule.maxRequestBytes
    return {
      bytes: Buffer.concat(this.#chunks, Math.min(this.#size, most)),
      complete: this.#size <= most,
    }
  }
}
