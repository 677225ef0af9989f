/**
 * The server side of handshakes for one generation of secrets: a TLS server that never listens and is handed accepted
 * sockets. It reports how each handshake ended as the library saw it; who the peer is, is judged elsewhere.
 */
import { createServer } from 'node:tls'
import type { Server, TLSSocket, TlsOptions } from 'node:tls'
import type { Socket } from 'node:net'

/** `error` null: the handshake is done and the library found nothing against the client's chain. */
export type Accepted = (stream: TLSSocket, error: unknown) => void

export class Acceptor {
  readonly #options: TlsOptions
  // One a protocol we may select: a library that finds no protocol in common sends an alert, so it never gets to choose.
  readonly #servers = new Map<string, Server>()
  readonly #waiting = new WeakMap<object, Accepted>()

  constructor(options: TlsOptions) {
    this.#options = options
    // Made now, so that secrets that cannot be served are refused when they arrive, not when a client does.
    this.#server('')
  }

  /** `alpn`: the protocol to select, '' for none. */
  accept(socket: Socket, alpn: string, accepted: Accepted): void {
    this.#waiting.set(socket, accepted)
    this.#server(alpn).emit('connection', socket)
  }

  #server(alpn: string): Server {
    const known = this.#servers.get(alpn)
    if (known !== undefined) return known
    const server = createServer(alpn === '' ? this.#options : { ...this.#options, ALPNProtocols: [alpn] })
    server.on('secureConnection', (stream) => this.#settle(stream, null))
    server.on('tlsClientError', (error, stream) => this.#settle(stream, error))
    this.#servers.set(alpn, server)
    return server
  }

  #settle(stream: TLSSocket, error: unknown): void {
    // The wrapped socket has no public name. Were it gone, the stream dies here and the deadline tells the caller.
    const socket = (stream as { _parent?: Socket })._parent
    const accepted = socket && this.#waiting.get(socket)
    if (accepted === undefined) {
      stream.destroy()
      return
    }
    this.#waiting.delete(socket as Socket)
    accepted(stream, error)
  }
}
