/**
 * A whole engine on loopback for tests: a listener that serves HTTP/1.1 through ServerConnection, Exchange and
 * UpstreamPool to one application address. It is no itinerary: every request is allowed.
 */
import { createServer, connect, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { once } from 'node:events'
import { defaultLimits } from '../../../src/http1/message.ts'
import type { Http1Limits } from '../../../src/http1/message.ts'
import { localReply } from '../../../src/dataplane/http/deny-response.ts'
import type { Exchange, UpstreamTarget } from '../../../src/dataplane/http/exchange.ts'
import { viewRequest } from '../../../src/dataplane/http/request-view.ts'
import { ServerConnection } from '../../../src/dataplane/http/server-connection.ts'
import type { CloseReason, HttpDeadlines } from '../../../src/dataplane/http/server-options.ts'
import { defaultHttpDeadlines } from '../../../src/dataplane/http/server-options.ts'
import type { Dial } from '../../../src/dataplane/http/sides.ts'
import { UpstreamPool, type UpstreamPoolOptions } from '../../../src/dataplane/outbound/upstream-pool.ts'
import { TimerWheel } from '../../../src/dataplane/timer-wheel.ts'
import { ManualClock } from '../../support/manual-clock.ts'

export interface EngineOptions {
  readonly limits?: Partial<Http1Limits>
  readonly deadlines?: Partial<HttpDeadlines>
  readonly pool?: Partial<UpstreamPoolOptions>
  readonly timeoutMs?: number
  readonly onDialFailure?: UpstreamTarget['onDialFailure']
  /** Instead of forwarding. */
  readonly onRequest?: (exchange: Exchange, forward: () => void) => void
  readonly dial?: Dial
  /** Serve over TLS with this certificate. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

export class Engine implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly wheel = new TimerWheel(this.clock)
  readonly finished: Exchange[] = []
  readonly closes: CloseReason[] = []
  readonly connections = new Set<ServerConnection>()
  readonly faults: unknown[] = []
  readonly pool: UpstreamPool
  port = 0
  #server: Server | null = null

  private readonly dialled: Dial
  private readonly options: EngineOptions

  constructor(upstreamPort: number, options: EngineOptions = {}) {
    this.options = options
    this.pool = new UpstreamPool({
      limits: defaultLimits,
      wheel: this.wheel,
      idleMs: 60_000,
      maxConnections: 1024,
      maxPending: 1024,
      probeAfterMs: 1_000,
      ...options.pool,
    })
    this.dialled = options.dial ?? dialTo(upstreamPort)
  }

  async listen(): Promise<this> {
    const { options } = this
    const target: UpstreamTarget = {
      upstreams: this.pool,
      key: 'app',
      dial: this.dialled,
      response: { server: 'istio-envoy', serviceTime: false },
      timeoutMs: options.timeoutMs ?? 0,
      onDialFailure: options.onDialFailure ?? null,
    }
    const forward = (exchange: Exchange): void => {
      const view = viewRequest(exchange.head, 'BASE', { clientCertElement: '', proto: 'http' })
      if (!view.ok) {
        exchange.reply(localReply(exchange.head, view.status, view.reason), 'path_refused', 'DPE')
        return
      }
      exchange.requestId = view.requestId
      exchange.forward(target, view.target, view.headers)
    }
    const serverOptions = {
      limits: { ...defaultLimits, ...options.limits },
      wheel: this.wheel,
      deadlines: { ...defaultHttpDeadlines, ...options.deadlines },
      serverHeader: 'istio-envoy',
      onRequest: (exchange: Exchange): void => {
        if (options.onRequest === undefined) forward(exchange)
        else options.onRequest(exchange, () => forward(exchange))
      },
      onFinish: (exchange: Exchange): void => void this.finished.push(exchange),
      onClose: (_owner: unknown, reason: CloseReason): void => void this.closes.push(reason),
      onFault: (error: unknown): void => void this.faults.push(error),
    }
    const { tls } = options
    const { connections } = this
    const shape = { allowHalfOpen: true, noDelay: true }
    const server =
      tls === undefined ? createServer(shape, serve) : createTlsServer({ ...shape, ...tls }, serve)
    function serve(socket: Socket): void {
      const connection = new ServerConnection(socket, serverOptions, null)
      connections.add(connection)
      socket.on('close', () => connections.delete(connection))
    }
    this.#server = server
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as AddressInfo).port
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.close()
    for (const connection of this.connections) connection.destroy()
    this.pool.destroyAll()
    this.wheel.close()
  }
}

export function dialTo(port: number): Dial {
  return (done) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
    socket.once('error', onError)
    socket.once('connect', () => {
      socket.off('error', onError)
      const info = {
        remoteAddress: `127.0.0.1:${port}`,
        localAddress: `127.0.0.1:${socket.localPort}`,
        peer: null,
      }
      done({ ok: true, stream: socket, info, multiplexed: false })
    })
    function onError(error: NodeJS.ErrnoException): void {
      done({ ok: false, failure: { kind: 'connect', reason: error.code ?? 'unknown' } })
    }
  }
}

/** A scripted TCP server: `serve` gets each connection. */
export async function scripted(
  serve: (socket: Socket, index: number) => void,
): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    serve(socket, count++)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A raw client: what it sent, what it got. */
export class RawClient implements AsyncDisposable {
  readonly socket: Socket
  received = ''
  ended = false
  closed = false
  error = ''
  readonly #wakers = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1')
      this.#wake()
    })
    socket.on('end', () => {
      this.ended = true
      this.#wake()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? ''
    })
    socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  static async to(port: number, text = ''): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
    await once(socket, 'connect')
    const client = new RawClient(socket)
    if (text !== '') client.send(text)
    return client
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Waits until `done` holds, looked at after everything that arrives. */
  async until(done: (client: this) => boolean, what = 'the awaited bytes'): Promise<string> {
    await within(
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (!done(this)) return
          this.#wakers.delete(look)
          resolve()
        }
        this.#wakers.add(look)
        look()
      }),
      () =>
        `${what}; got ${JSON.stringify(this.received.slice(-600))}${this.closed ? ' and close' : ''} ${this.error}`,
    )
    return this.received
  }

  includes(text: string): Promise<string> {
    return this.until((client) => client.received.includes(text), text)
  }

  close(): Promise<string> {
    return this.until((client) => client.closed || client.ended, 'the end')
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
  }
}

/** Fails after five seconds, naming what was awaited: a bound, not a wait. */
export async function within<T>(promise: Promise<T>, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`still waiting for ${what()}`)), 5_000)
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}

/** Turns the event loop until `done` holds. */
export async function eventually(done: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + 5_000
  while (!done()) {
    if (performance.now() > limit) throw new Error(`still waiting for ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
