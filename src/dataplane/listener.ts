/**
 * Binds one address and hands over accepted sockets, paused and unread. It counts, limits and pauses under pressure; it
 * reads nothing.
 */
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import type { SocketAddress } from '../address/socket-address.ts'
import { formatSocketAddress } from '../address/socket-address.ts'
import { MeshError } from '../error.ts'

export class ListenerError extends MeshError<'ERR_LISTENER_BIND'> {}

export interface ListenerOptions {
  readonly address: SocketAddress
  /** Several threads may bind the same port: the kernel spreads connections. */
  readonly reusePort: boolean
  /** Connections beyond this are closed at once and counted. */
  readonly maxConnections: number
}

export class Listener {
  readonly #server: Server
  /** The address bound, with the real port when 0 was asked for. */
  readonly address: SocketAddress
  accepted = 0
  dropped = 0

  private constructor(server: Server, address: SocketAddress) {
    this.#server = server
    this.address = address
  }

  /** Resolves when bound; rejects with ERR_LISTENER_BIND naming the address. */
  static bind(options: ListenerOptions, onConnection: (socket: Socket) => void): Promise<Listener> {
    const { address, reusePort, maxConnections } = options
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true })
    server.maxConnections = maxConnections
    return new Promise((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => reject(bindError(address, cause)))
      server.listen(
        { host: address.address, port: address.port, reusePort, ipv6Only: true, backlog: 1024 },
        () => {
          const bound = server.address()
          const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
          const listener = new Listener(server, { address: address.address, port })
          server.removeAllListeners('error')
          // Running out of descriptors must not end the worker: the kernel's queue holds the next ones.
          server.on('error', () => (listener.dropped += 1))
          server.on('drop', () => (listener.dropped += 1))
          server.on('connection', (socket) => {
            listener.accepted += 1
            socket.on('error', ignore)
            onConnection(socket)
          })
          resolve(listener)
        },
      )
    })
  }

  /** Stops accepting; live connections are their table's concern. */
  close(): void {
    this.#server.close()
  }
}

// Every socket has a listener at all times: a reset between two steps must not end the process.
function ignore(): void {
  return undefined
}

function bindError(address: SocketAddress, cause: NodeJS.ErrnoException): ListenerError {
  const why =
    cause.code === 'EADDRINUSE'
      ? 'the port is in use'
      : cause.code === 'EACCES'
        ? 'permission denied'
        : cause.code === 'EADDRNOTAVAIL'
          ? 'no such local address'
          : (cause.code ?? cause.message)
  const mend =
    cause.code === 'EADDRINUSE'
      ? 'stop what listens there or choose another port'
      : 'choose another address or port'
  return new ListenerError(
    'ERR_LISTENER_BIND',
    `cannot listen on ${formatSocketAddress(address)}: ${why}`,
    mend,
    { cause },
  )
}
