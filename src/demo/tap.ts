/** Listens in: relays TCP from one address to another and keeps what passed, both ways. It understands no byte of it. */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** Bytes kept a direction; more pass unrecorded. */
const mostKept = 1024 * 1024

export interface Place {
  readonly address: string
  readonly port: number
}

export class Tap {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #toServer: Buffer[] = []
  readonly #toClient: Buffer[] = []

  private constructor(target: Place) {
    this.#server = createServer((client) => this.#relay(client, connect(target.port, target.address)))
  }

  static open(listen: Place, target: Place): Promise<Tap> {
    const tap = new Tap(target)
    return new Promise((resolve, reject) => {
      tap.#server.once('error', reject)
      tap.#server.listen(listen.port, listen.address, () => resolve(tap))
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** What clients sent, what the server sent, all connections one after another. */
  get recording(): { readonly toServer: Buffer; readonly toClient: Buffer } {
    return { toServer: Buffer.concat(this.#toServer), toClient: Buffer.concat(this.#toClient) }
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  #relay(client: Socket, server: Socket): void {
    keep(client, this.#toServer)
    keep(server, this.#toClient)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  }
}

function keep(from: Socket, into: Buffer[]): void {
  let kept = 0
  from.on('data', (chunk: Buffer) => {
    if (kept < mostKept) into.push(chunk)
    kept += chunk.length
  })
}
