/**
 * How values of headers, claims and queries stand in records: left out, as keyed digests, or shown. Tokens and cookies are
 * shown in no mode, and not as digests either. It reads no request and writes no record.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { redacted } from '../authz/observed.ts'

export type VeilMode = 'redacted' | 'digest' | 'shown'

const digestPrefix = 'hmac:'

/** Whatever a rule may want of them: these prove somebody's identity. */
const secretHeaders: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
])

/** Three Base64url parts, the first of which is a JSON object: a token, wherever it stands. */
const tokenLike = /(?:^|[^A-Za-z0-9_-])eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/

export class ValueVeil {
  readonly mode: VeilMode
  /** As records name it: `redacted`, `shown`, or `hmac:` and which key. */
  readonly name: string
  readonly #key: Uint8Array | null
  readonly #secret: ReadonlySet<string>

  /** `secretNames`: lower-case names of further headers that hold tokens. With a key values become digests. */
  constructor(shown: boolean, key: Uint8Array | null, secretNames: readonly string[] = []) {
    this.#key = shown ? null : key
    this.mode = shown ? 'shown' : key === null ? 'redacted' : 'digest'
    this.name = this.#key === null ? this.mode : `${digestPrefix}${keyId(this.#key)}`
    this.#secret = new Set([...secretHeaders, ...secretNames])
  }

  /** Values of this header are told in no mode. */
  isSecret(header: string): boolean {
    return this.#secret.has(header)
  }

  header(name: string, value: string): string {
    return value !== '' && this.isSecret(name) ? redacted : this.value(`request.headers[${name}]`, value)
  }

  /** `about` keeps equal values of different things apart. An empty value hides nothing. */
  value(about: string, value: string): string {
    if (value === '') return ''
    if (tokenLike.test(value)) return redacted
    if (this.#key !== null) return digest(this.#key, about, value)
    return this.mode === 'shown' ? value : redacted
  }

  /** The same veil where further headers hold tokens. */
  hiding(secretNames: readonly string[]): ValueVeil {
    return new ValueVeil(this.mode === 'shown', this.#key, secretNames)
  }
}

/** Recognizes values behind digests, for whoever has the key. */
export class DigestReader {
  readonly #key: Uint8Array
  readonly #known = new Map<string, string>()

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** Whether these records were made with this key. */
  reads(name: string): boolean {
    const mine = Buffer.from(`${digestPrefix}${keyId(this.#key)}`)
    const theirs = Buffer.from(name)
    return mine.length === theirs.length && timingSafeEqual(mine, theirs)
  }

  /** Whether what stands in a record is the digest of a value. */
  is(about: string, value: string, recorded: string): boolean {
    const key = `${about}\0${value}`
    let made = this.#known.get(key)
    if (made === undefined) {
      made = digest(this.#key, about, value)
      // Values come from policy, which is not without end; a bound all the same.
      if (this.#known.size < 100_000) this.#known.set(key, made)
    }
    return made === recorded
  }
}

export const isDigest = (text: string): boolean => text.startsWith(digestPrefix)

function digest(key: Uint8Array, about: string, value: string): string {
  const bytes = createHmac('sha256', key).update(`${about}\0${value}`).digest()
  return `${digestPrefix}${bytes.toString('base64url', 0, 16)}`
}

/** Says which key it is, not what it is. */
function keyId(key: Uint8Array): string {
  return createHmac('sha256', key).update('key id').digest('base64url').slice(0, 8)
}
