/**
 * A real Envoy with a static configuration, an application behind it that answers with the request target it received,
 * and raw connections to it. It translates nothing and compares nothing.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { connect as connectTls } from 'node:tls'
import type { Issued } from '../support/test-ca.ts'

const type = (name: string): string => `type.googleapis.com/envoy.extensions.${name}`
export const typed = (name: string, at: string, fields: object): object => ({
  name,
  typed_config: { '@type': type(at), ...fields },
})

export interface EnvoyListener {
  readonly address: string
  /** Of the HTTP connection manager. */
  readonly settings: object
  /** Before the router; told the port the listener is on. */
  readonly filters: (port: number) => readonly object[]
  /** When given, TLS that asks for a client certificate is served beside plaintext. */
  readonly tls?: { readonly own: Issued; readonly rootPem: string }
}

export class RunningEnvoy {
  /** Of each listener, in their order. */
  readonly ports: readonly number[]
  readonly #child: ChildProcess
  readonly #application: Server
  readonly #folder: string

  private constructor(child: ChildProcess, application: Server, folder: string, ports: readonly number[]) {
    this.#child = child
    this.#application = application
    this.#folder = folder
    this.ports = ports
  }

  static async start(binary: string, listeners: readonly EnvoyListener[]): Promise<RunningEnvoy> {
    const application = createServer(answerWithTarget)
    application.listen(0, '127.0.0.1')
    await once(application, 'listening')
    const [admin = 0, ...ports] = await freePorts(['127.0.0.1', ...listeners.map(({ address }) => address)])
    const folder = await mkdtemp(`${tmpdir()}/sallyport-envoy-`)
    const config = configuration(listeners, ports, portOf(application), admin)
    await writeFile(`${folder}/envoy.json`, JSON.stringify(config))
    const args = ['-c', `${folder}/envoy.json`, '--concurrency', '1', '--disable-hot-restart', '-l', 'error']
    const child = spawn(binary, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    const running = new RunningEnvoy(child, application, folder, ports)
    await ready(admin, child)
    return running
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await once(this.#child, 'exit')
    this.#application.close()
    await rm(this.#folder, { recursive: true })
  }
}

function configuration(
  listeners: readonly EnvoyListener[],
  ports: readonly number[],
  applicationPort: number,
  adminPort: number,
): object {
  const at = (address: string, port: number) => ({ socket_address: { address, port_value: port } })
  const route = { match: { prefix: '' }, route: { cluster: 'application', timeout: '0s' } }
  return {
    admin: { address: at('127.0.0.1', adminPort) },
    // As in Istio's bootstrap: a fragment is cut, not refused.
    layered_runtime: {
      layers: [
        { name: 's', static_layer: { 'envoy.reloadable_features.http_reject_path_with_fragment': false } },
      ],
    },
    static_resources: {
      listeners: listeners.map(({ address, settings, filters, tls }, i) => {
        const manager = typed('hcm', 'filters.network.http_connection_manager.v3.HttpConnectionManager', {
          stat_prefix: 'h',
          use_remote_address: false,
          http_protocol_options: { accept_http_10: true },
          local_reply_config: {
            body_format: { text_format_source: { inline_string: '%RESPONSE_CODE_DETAILS%' } },
          },
          ...settings,
          route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
          http_filters: [
            ...filters(ports[i] as number),
            typed('envoy.filters.http.router', 'filters.http.router.v3.Router', {}),
          ],
        })
        const plain = { filter_chain_match: { transport_protocol: 'raw_buffer' }, filters: [manager] }
        const secure = (given: NonNullable<typeof tls>) => ({
          filter_chain_match: { transport_protocol: 'tls' },
          filters: [manager],
          transport_socket: typed('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
            require_client_certificate: true,
            common_tls_context: {
              tls_certificates: [
                {
                  certificate_chain: { inline_string: given.own.certificateChain },
                  private_key: { inline_string: given.own.privateKey },
                },
              ],
              validation_context: { trusted_ca: { inline_string: given.rootPem } },
            },
          }),
        })
        return {
          name: `listener-${i}`,
          address: at(address, ports[i] as number),
          listener_filters: [typed('tls', 'filters.listener.tls_inspector.v3.TlsInspector', {})],
          filter_chains: tls === undefined ? [plain] : [plain, secure(tls)],
        }
      }),
      clusters: [
        {
          name: 'application',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: 'application',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at('127.0.0.1', applicationPort) } }] }],
          },
        },
      ],
    },
  }
}

/** The target in base64: it may hold any byte. */
function answerWithTarget(socket: Socket): void {
  let received = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    for (let end = received.indexOf('\r\n\r\n'); end >= 0; end = received.indexOf('\r\n\r\n')) {
      const line = received.slice(0, received.indexOf('\r\n'))
      received = received.slice(end + 4)
      const target = line.slice(line.indexOf(' ') + 1, line.lastIndexOf(' '))
      const body = Buffer.from(target, 'latin1').toString('base64')
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    }
  })
}

const portOf = (server: Server): number => (server.address() as { port: number }).port

/** All at once, so that none is given twice. */
async function freePorts(addresses: readonly string[]): Promise<number[]> {
  const servers = await Promise.all(
    addresses.map(async (address) => {
      const server = createServer()
      server.listen(0, address)
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map(portOf)
  await Promise.all(servers.map((server) => (server.close(), once(server, 'close'))))
  return ports
}

async function ready(admin: number, child: ChildProcess): Promise<void> {
  const give = AbortSignal.timeout(30_000)
  while (!give.aborted && child.exitCode === null) {
    const answer = await fetch(`http://127.0.0.1:${admin}/ready`).catch(() => null)
    if (answer?.status === 200) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('Envoy did not become ready: it wrote why')
}

export interface Reply {
  /** 0 when the connection was closed unanswered. */
  readonly status: number
  readonly body: string
}

export interface Caller {
  readonly from: string
  readonly to: string
  readonly port: number
  readonly tls?: { readonly own: Issued; readonly rootPem: string; readonly sni: string }
}

/** One connection, opened again when it was closed. Requests are raw text, one char code a byte. */
export class RawCaller {
  readonly #caller: Caller
  #socket: Socket | null = null
  #received = ''
  #poke: () => void = () => undefined

  constructor(caller: Caller) {
    this.#caller = caller
  }

  async ask(request: string): Promise<Reply> {
    const socket = this.#socket === null || this.#socket.destroyed ? this.#open() : this.#socket
    this.#received = ''
    socket.write(Buffer.from(request, 'latin1'))
    for (;;) {
      const end = this.#received.indexOf('\r\n\r\n')
      if (end >= 0) {
        const head = this.#received.slice(0, end)
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        if (this.#received.length >= end + 4 + length) {
          if (/connection: close/i.test(head)) socket.destroy()
          return { status: Number(head.split(' ')[1]), body: this.#received.slice(end + 4, end + 4 + length) }
        }
      }
      if (socket.destroyed) return { status: 0, body: '' }
      await new Promise<void>((resolve) => (this.#poke = resolve))
    }
  }

  close(): void {
    this.#socket?.destroy()
  }

  #open(): Socket {
    const { from, to, port, tls } = this.#caller
    const socket: Socket =
      tls === undefined
        ? connect({ host: to, port, localAddress: from })
        : connectTls({
            socket: connect({ host: to, port, localAddress: from }),
            cert: tls.own.certificateChain,
            key: tls.own.privateKey,
            ca: tls.rootPem,
            servername: tls.sni,
            checkServerIdentity: () => undefined,
          })
    this.#socket = socket
    socket.on('error', () => undefined)
    socket.on('close', () => this.#poke())
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
      this.#poke()
    })
    return socket
  }
}
