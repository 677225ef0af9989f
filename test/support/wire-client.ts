/**
 * A byte-level peer for scenario tests: sends what it is told, keeps all it got, and knows how the other side ended. It
 * speaks no protocol of its own and fails a wait as soon as the stream is over.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import type { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'
import type { Issued } from './test-ca.ts'

export class WirePeer {
  readonly stream: Duplex
  #received: Buffer = Buffer.alloc(0)
  #changed: (() => void)[] = []
  /** How the other side ended: it sent a FIN (or close_notify), it reset, or not yet. */
  ending: 'open' | 'fin' | 'reset' = 'open'
  closed = false

  constructor(stream: Duplex) {
    this.stream = stream
    stream.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    stream.on('end', () => {
      if (this.ending === 'open') this.ending = 'fin'
      this.#wake()
    })
    stream.on('error', () => {
      this.ending = 'reset'
      this.#wake()
    })
    stream.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  get bytes(): Buffer {
    return this.#received
  }

  get text(): string {
    return this.#received.toString('latin1')
  }

  /** Forgets what came so far. */
  take(): string {
    const { text } = this
    this.#received = Buffer.alloc(0)
    return text
  }

  send(bytes: string | Buffer): this {
    this.stream.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    return this
  }

  /** Waits for a condition on what came or how it ended; rejects when the stream closes without it. */
  until(condition: (peer: WirePeer) => boolean): Promise<this> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (condition(this)) resolve(this)
        else if (this.closed) reject(new Error(`closed (${this.ending}) after ${JSON.stringify(this.text)}`))
        else this.#changed.push(look)
      }
      look()
    })
  }

  async untilText(part: string): Promise<string> {
    await this.until(({ text }) => text.includes(part))
    return this.text
  }

  /** Waits until the other side is over, either way. */
  async over(): Promise<string> {
    await this.until(({ ending, closed }) => ending !== 'open' || closed)
    return this.text
  }

  /** One HTTP response with a content-length, taken off the front of what came. */
  async response(): Promise<HttpAnswer> {
    await this.until(({ text }) => answerLength(text) !== null)
    const length = answerLength(this.text) as number
    const whole = this.text.slice(0, length)
    this.#received = this.#received.subarray(length)
    return parseAnswer(whole)
  }

  end(): this {
    this.stream.end()
    return this
  }

  #wake(): void {
    for (const look of this.#changed.splice(0)) look()
  }
}

export interface HttpAnswer {
  readonly status: number
  /** Lower-case names; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export function parseAnswer(text: string): HttpAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [line = '', ...fields] = head.split('\r\n')
  const headers: Record<string, string> = {}
  for (const field of fields) {
    const colon = field.indexOf(':')
    const name = field.slice(0, colon).toLowerCase()
    const value = field.slice(colon + 1).trim()
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value
  }
  const raw = rest.join('\r\n\r\n')
  const body = headers['transfer-encoding'] === 'chunked' ? unchunked(raw) : raw
  return { status: Number(line.split(' ')[1]), headers, body }
}

function unchunked(raw: string): string {
  const length = Number.parseInt(raw, 16)
  if (!(length > 0)) return ''
  const start = raw.indexOf('\r\n') + 2
  return raw.slice(start, start + length) + unchunked(raw.slice(start + length + 2))
}

// Chunked answers count as whole when the last chunk is there.
function answerLength(text: string): number | null {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return null
  const fields = text.slice(0, head).toLowerCase()
  const length = /\r\ncontent-length: *(\d+)/.exec(fields)
  if (length !== null) {
    const whole = head + 4 + Number(length[1])
    return text.length >= whole ? whole : null
  }
  if (fields.includes('\r\ntransfer-encoding: chunked')) {
    const end = text.indexOf('\r\n0\r\n\r\n', head)
    return end < 0 ? null : end + 7
  }
  return head + 4
}

/** Connects in plaintext; the socket ends with the test. */
export async function dialWire(t: TestContext, port: number, host = '127.0.0.1'): Promise<WirePeer> {
  const socket = await dialSocket(t, port, host)
  return new WirePeer(socket)
}

async function dialSocket(t: TestContext, port: number, host: string): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true })
  socket.on('error', () => undefined)
  t.after(() => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return socket
}

export interface TlsDial {
  readonly alpn?: readonly string[]
  readonly servername?: string
  /** The certificate to present; none = a client of its own TLS. */
  readonly identity?: Issued | null
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3'
}

/** Connects and begins TLS, trusting whoever answers; resolves after the handshake as the client sees it. */
export function dialTls(
  t: TestContext,
  port: number,
  options: TlsDial,
  host = '127.0.0.1',
): Promise<WirePeer> {
  const { identity = null, alpn = [], servername, maxVersion } = options
  const socket = connect({ port, host, allowHalfOpen: true })
  const settings: ConnectionOptions = {
    socket,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
    ...(servername === undefined ? {} : { servername }),
    ...(identity === null ? {} : { cert: identity.certificateChain, key: identity.privateKey }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  }
  const stream = connectTls(settings)
  socket.on('error', () => undefined)
  t.after(() => {
    stream.destroy()
    socket.destroy()
  })
  const peer = new WirePeer(stream)
  return new Promise((resolve, reject) => {
    stream.once('secureConnect', () => resolve(peer))
    stream.once('error', reject)
    stream.once('close', () => reject(new Error('closed before the handshake was done')))
  })
}
