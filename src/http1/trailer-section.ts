/**
 * The grammar of trailer sections (RFC 9112 §7.1.2): field lines like a head's. Fields that frame or route refuse the
 * message; fields that must have been known before the body are dropped, as nobody may merge them into the head.
 */
import { FieldSection, Refused } from './field-section.ts'
import type { CodecRefusal, Http1Limits } from './message.ts'
import { refusals } from './refusals.ts'
import type { SectionGrammar } from './split-section.ts'

const refused = new Set(
  (
    'host content-length transfer-encoding connection keep-alive proxy-connection te trailer upgrade expect ' +
    'http2-settings'
  ).split(' '),
)

const dropped = new Set(
  (
    'accept accept-charset accept-encoding accept-language age authorization cache-control content-encoding ' +
    'content-location content-range content-type cookie date expires forwarded from if-match if-modified-since ' +
    'if-none-match if-range if-unmodified-since location max-forwards origin pragma proxy-authenticate ' +
    'proxy-authorization range referer retry-after set-cookie user-agent vary warning www-authenticate ' +
    'x-envoy-external-address x-envoy-internal x-envoy-original-path x-forwarded-client-cert x-forwarded-for ' +
    'x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip'
  ).split(' '),
)

export class TrailerGrammar implements SectionGrammar {
  refusal: CodecRefusal | null = null
  trailers: string[] = []
  readonly #fields: FieldSection
  #started = false

  constructor(limits: Http1Limits) {
    this.#fields = new FieldSection(limits.maxHeaders, refusals.tooManyTrailers)
  }

  restart(): void {
    this.#started = false
  }

  scan(bytes: Buffer, from: number, end: number): number {
    if (!this.#started) {
      this.#fields.start(from)
      this.#started = true
    }
    const at = this.#fields.scan(bytes, end)
    if (at === Refused) this.refusal = this.#fields.refusal
    return at
  }

  tooLong(): CodecRefusal {
    return refusals.trailersTooLong
  }

  complete(bytes: Buffer, from: number, to: number): boolean {
    const all = this.#fields.build(bytes.toString('latin1', from, to), from)
    const kept: string[] = []
    for (let i = 0; i < all.length; i += 2) {
      const name = all[i] as string
      if (refused.has(name)) {
        this.refusal = refusals.forbiddenTrailer
        return false
      }
      if (!dropped.has(name)) kept.push(name, all[i + 1] as string)
    }
    this.trailers = kept
    return true
  }
}
