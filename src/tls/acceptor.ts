/**
 * The server side of handshakes for one generation of secrets: a TLS server that never listens and is handed accepted
 * sockets. It reports how each handshake ended as the library saw it; who the peer is, is judged elsewhere.
 */
import { createServer } from 'node:tls'
import type { SecureContext, Server, TLSSocket } from 'node:tls'
import type { Socket } from 'node:net'

/** `error` null: the handshake is done and the library found nothing against the client's chain. Never on its stack. */
export type Accepted = (stream: TLSSocket, error: unknown) => void

export class Acceptor {
  readonly #context: SecureContext
  // One a protocol we may select: a library that finds no protocol in common sends an alert, so it never gets to choose.
  readonly #servers = new Map<string, Server>()
  readonly #waiting = new WeakMap<object, { halfOpen: boolean; accepted: Accepted }>()

  constructor(context: SecureContext) {
    this.#context = context
  }

  /** `alpn`: the protocol to select, '' for none. */
  accept(socket: Socket, alpn: string, accepted: Accepted): void {
    this.#waiting.set(socket, { halfOpen: socket.allowHalfOpen, accepted })
    // A client that leaves in the middle of its handshake must be noticed; half-open is for what comes after.
    socket.allowHalfOpen = false
    this.#server(alpn).emit('connection', socket)
  }

  #server(alpn: string): Server {
    const known = this.#servers.get(alpn)
    if (known !== undefined) return known
    const server = createServer({
      requestCert: true,
      rejectUnauthorized: true,
      ca: [],
      ...(alpn === '' ? {} : { ALPNProtocols: [alpn] }),
    })
    // The server would build a context of its own from options, dropping allowPartialTrustChain on the way. Were this
    // name to change, its own context has no certificate and every handshake fails: closed, not open.
    ;(server as unknown as { _sharedCreds: SecureContext })._sharedCreds = this.#context
    server.on('secureConnection', (stream) => this.#settle(stream, null))
    server.on('tlsClientError', (error, stream) => this.#settle(stream, error))
    this.#servers.set(alpn, server)
    return server
  }

  #settle(stream: TLSSocket, error: unknown): void {
    // The wrapped socket has no public name. Were it gone, the stream dies here and the deadline tells the caller.
    const socket = (stream as { _parent?: Socket })._parent
    const waiting = socket && this.#waiting.get(socket)
    if (waiting === undefined) {
      stream.destroy()
      return
    }
    this.#waiting.delete(socket as Socket)
    // These events come from inside OpenSSL's state machine: destroying the socket there frees what it still uses and
    // brings the process down, so nobody outside hears of the end before it has returned.
    stream.allowHalfOpen = waiting.halfOpen
    setImmediate(waiting.accepted, stream, error)
  }
}
