/**
 * Loopback servers around terminate() and originate() for the tests beside this file. It owns every socket it makes and
 * ends them all; it asserts nothing.
 */
import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { SecretSet } from '../../src/identity/svid.ts'
import type { Handshake } from '../../src/tls/handshake.ts'
import { terminate } from '../../src/tls/terminate.ts'
import type { TerminateOptions } from '../../src/tls/terminate.ts'
import { originate } from '../../src/tls/originate.ts'
import type { OriginateOptions } from '../../src/tls/originate.ts'
import { TlsContexts } from '../../src/tls/tls-contexts.ts'
import type { TlsContextsOptions } from '../../src/tls/tls-contexts.ts'
import type { Issued } from '../support/test-ca.ts'

export interface Listening {
  readonly port: number
  /** The next handshake's end, in order of ending. */
  next(): Promise<Handshake>
}

export const secretsOf = (own: Issued, trustBundles: Record<string, string>): SecretSet => ({
  certificateChain: own.certificateChain,
  privateKey: own.privateKey,
  trustBundles,
})

export function contextsOf(
  secrets: SecretSet | null,
  options: Partial<TlsContextsOptions> = {},
): TlsContexts {
  const contexts = new TlsContexts({ minVersion: 'TLSv1.2', cipherSuites: [], ...options })
  if (secrets !== null) {
    const update = contexts.update(secrets)
    if (!update.ok) throw new Error(update.reason)
  }
  return contexts
}

/** Listens on loopback; `accept` gets each socket, all of which end with the test. */
export async function listen(t: TestContext, accept: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    accept(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A server that reads the first bytes, unshifts them and terminates. */
export async function terminating(
  t: TestContext,
  contexts: TlsContexts,
  options: Partial<TerminateOptions> = {},
): Promise<Listening> {
  const queue = new Queue<Handshake>()
  const port = await listen(t, (socket) => {
    socket.once('data', (first) => {
      socket.pause()
      socket.unshift(first)
      terminate(
        socket,
        contexts,
        { alpn: [], offeredAlpn: [], deadlineMs: 5000, ...options },
        (handshake) => {
          if (handshake.ok) t.after(() => handshake.secure.stream.destroy())
          queue.push(handshake)
        },
      )
    })
  })
  return { port, next: () => queue.shift() }
}

/** Dials `port` and originates; resolves with the end of the handshake. */
export async function dial(
  t: TestContext,
  port: number,
  contexts: TlsContexts,
  options: Partial<OriginateOptions> & Pick<OriginateOptions, 'tls'>,
): Promise<Handshake> {
  const socket = await dialPlain(t, port)
  return new Promise((resolve) =>
    originate(
      socket,
      contexts,
      { alpn: [], deadlineMs: 5000, host: 'server.test', ...options },
      (handshake) => {
        if (handshake.ok) t.after(() => handshake.secure.stream.destroy())
        resolve(handshake)
      },
    ),
  )
}

export async function dialPlain(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  t.after(() => socket.destroy())
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return socket
}

export function mesh(
  expected: readonly string[],
  sni = 'outbound_.80_._.server.test',
): OriginateOptions['tls'] {
  return { mode: 'mtls', sni, expected, settings: null }
}

class Queue<T> {
  readonly #values: T[] = []
  readonly #waiting: ((value: T) => void)[] = []

  push(value: T): void {
    const waiting = this.#waiting.shift()
    if (waiting) waiting(value)
    else this.#values.push(value)
  }

  shift(): Promise<T> {
    const value = this.#values.shift()
    return value === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(value)
  }
}
