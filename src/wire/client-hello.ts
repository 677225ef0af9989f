/**
 * Looks at the first bytes of a connection for a TLS ClientHello (RFC 8446 §4.1.2) and reads its server name and
 * protocols. It consumes nothing, negotiates nothing and never throws: the TLS engine remains the judge of the hello.
 */

export type ClientHelloPeek =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'not-tls' }
  /** `sni` is lower case; `alpn` in the client's order, one character a byte (GREASE included). */
  | { readonly kind: 'client-hello'; readonly sni: string | null; readonly alpn: readonly string[] }

/** Bytes, record headers included, within which a hello must end (dataplane §3.5). */
export const longestClientHello = 16 * 1024

const needMore: ClientHelloPeek = { kind: 'need-more' }
const notTls: ClientHelloPeek = { kind: 'not-tls' }

const recordHeader = 5
const handshakeHeader = 4
const longestRecord = 1 << 14

/**
 * The same answer however the bytes were cut into chunks: it depends on the first 16 KiB alone, and the first byte that
 * no ClientHello could have settles it. A hello whose framing is broken is `not-tls`. A server name that is not exactly
 * one host name of 1–255 printable ASCII bytes reads as null, which no policy value matches.
 */
export function peekClientHello(bytes: Buffer): ClientHelloPeek {
  const seen = bytes.length > longestClientHello ? bytes.subarray(0, longestClientHello) : bytes
  const message = joinRecords(seen)
  if (message === null) return notTls
  const peek = readHandshake(message)
  return peek === needMore && bytes.length >= longestClientHello ? notTls : peek
}

/** The handshake bytes that have arrived, without record headers; null at the first byte that is no such record. */
function joinRecords(bytes: Buffer): Buffer | null {
  let message = bytes.subarray(0, 0)
  // Most hellos are one record and need no copy; a hostile one may be thousands, so they are joined in one buffer.
  let joined: Buffer | null = null
  let length = 0
  let at = 0
  while (at < bytes.length) {
    if (!mayBeRecord(bytes, at)) {
      if (joined !== null) message = joined.subarray(0, length)
      return isWhole(message) ? message : null
    }
    if (at + recordHeader > bytes.length) break
    const start = at + recordHeader
    at = start + bytes.readUInt16BE(at + 3)
    const end = Math.min(at, bytes.length)
    if (message.length === 0) message = bytes.subarray(start, end)
    else {
      if (joined === null) {
        joined = Buffer.allocUnsafe(bytes.length)
        length = message.copy(joined)
      }
      for (let i = start; i < end; i++) joined[length++] = bytes[i] as number
    }
  }
  return joined === null ? message : joined.subarray(0, length)
}

/** Could a handshake record of 1–16384 bytes, major version 3, begin at `at`? Judges what has arrived of its header. */
function mayBeRecord(bytes: Buffer, at: number): boolean {
  if (bytes[at] !== 22) return false
  if (at + 1 < bytes.length && bytes[at + 1] !== 3) return false
  if (at + 3 < bytes.length && (bytes[at + 3] as number) > longestRecord >>> 8) return false
  if (at + recordHeader > bytes.length) return true
  const length = bytes.readUInt16BE(at + 3)
  return length > 0 && length <= longestRecord
}

/** What follows a complete hello is nobody's business here (early data, an alert); after half a hello it is a fault. */
function isWhole(message: Buffer): boolean {
  return message.length >= handshakeHeader && message.length >= handshakeHeader + message.readUIntBE(1, 3)
}

function readHandshake(message: Buffer): ClientHelloPeek {
  if (message.length === 0) return needMore
  if (message[0] !== 1) return notTls
  if (message.length > 1 && message[1] !== 0) return notTls
  if (message.length < handshakeHeader) return needMore
  const length = message.readUIntBE(1, 3)
  if (length > longestClientHello - recordHeader - handshakeHeader) return notTls
  const hello = new Reader(message, handshakeHeader, handshakeHeader + length)
  const peek = readHello(hello)
  return hello.broken ? notTls : hello.short ? needMore : peek
}

function readHello(hello: Reader): ClientHelloPeek {
  if (hello.number(2) >>> 8 !== 3) hello.breakUnlessShort()
  hello.skip(32)
  const session = hello.vector(1)
  if (session.size > 32) hello.broken = true
  const suites = hello.vector(2)
  if (suites.size < 2 || suites.size % 2 !== 0) hello.breakUnlessShort()
  suites.skipRest()
  if (hello.vector(1).skipRest().size < 1) hello.breakUnlessShort()
  let sni: string | null = null
  let alpn: readonly string[] | null = null
  let named = false
  // TLS 1.2 and older may leave the extensions out altogether (RFC 5246 §7.4.1.2).
  if (!hello.stopped && hello.left > 0) {
    const extensions = hello.vector(2)
    if (hello.left > 0) hello.breakUnlessShort()
    while (!hello.stopped && extensions.left > 0) {
      const type = extensions.number(2)
      const body = extensions.vector(2)
      if (hello.stopped) break
      if (type === 0) {
        if (named) hello.broken = true
        named = true
        sni = readServerName(body)
      } else if (type === 16) {
        if (alpn !== null) hello.broken = true
        alpn = readProtocols(body)
      }
      body.skipRest()
    }
  }
  return { kind: 'client-hello', sni, alpn: alpn ?? [] }
}

/** RFC 6066 §3, but exactly one name of type host_name; anything else is no name. */
function readServerName(body: Reader): string | null {
  const bytes = body.rest()
  const length = bytes.length - 5
  if (length < 1 || length > 255) return null
  if (bytes.readUInt16BE(0) !== length + 3 || bytes[2] !== 0 || bytes.readUInt16BE(3) !== length) return null
  for (let i = 5; i < bytes.length; i++) {
    const c = bytes[i] as number
    if (c < 0x21 || c > 0x7e) return null
  }
  return bytes.toString('latin1', 5).toLowerCase()
}

/** RFC 7301 §3.1: a list of non-empty names that fills the extension; otherwise the hello is broken. */
function readProtocols(body: Reader): readonly string[] {
  const names: string[] = []
  const list = body.vector(2)
  if (list.size < 2 || body.left > 0) list.breakUnlessShort()
  while (!list.stopped && list.left > 0) {
    const name = list.vector(1).rest()
    if (name.length === 0) list.breakUnlessShort()
    names.push(name.toString('latin1'))
  }
  return names
}

/** A cursor over a declared span of which not all need have arrived; spans inside it share its two verdicts. */
class Reader {
  readonly bytes: Buffer
  readonly end: number
  /** Declared bytes. */
  readonly size: number
  readonly root: Reader
  at: number
  #short = false
  #broken = false

  constructor(bytes: Buffer, start: number, end: number, root?: Reader) {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.size = end - start
    this.root = root ?? this
  }

  get short(): boolean {
    return this.root.#short
  }
  get broken(): boolean {
    return this.root.#broken
  }
  set broken(value: boolean) {
    this.root.#broken = value
  }
  get stopped(): boolean {
    return this.root.#short || this.root.#broken
  }
  get left(): number {
    return this.end - this.at
  }

  /** A value read as 0 because its bytes have not come proves nothing. */
  breakUnlessShort(): void {
    if (!this.short) this.broken = true
  }

  number(width: 1 | 2): number {
    const at = this.at
    if (!this.skip(width)) return 0
    return this.bytes.readUIntBE(at, width)
  }

  skip(count: number): boolean {
    if (this.stopped) return false
    if (count > this.left) this.broken = true
    else if (this.at + count > this.bytes.length) this.root.#short = true
    else {
      this.at += count
      return true
    }
    return false
  }

  /** The span behind a length of `width` bytes; this cursor moves past it, whether or not it has all arrived. */
  vector(width: 1 | 2): Reader {
    const size = this.number(width)
    const start = this.at
    if (this.stopped) return new Reader(this.bytes, start, start, this.root)
    if (size > this.left) {
      this.broken = true
      return new Reader(this.bytes, start, start, this.root)
    }
    this.at += size
    return new Reader(this.bytes, start, start + size, this.root)
  }

  rest(): Buffer {
    const at = this.at
    return this.skip(this.left) ? this.bytes.subarray(at, this.end) : this.bytes.subarray(0, 0)
  }

  skipRest(): this {
    this.skip(this.left)
    return this
  }
}
