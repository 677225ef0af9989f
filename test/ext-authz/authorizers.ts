/** Real authorizers on loopback for these tests, and the small values every check needs. They decide what a test says. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { decodeAuthorizer } from '../../src/policy/extension-provider.ts'
import type { ExtensionProvider } from '../../src/policy/mesh-config.ts'
import { loadProto } from '../../src/proto/load-proto.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'
import type { Clock } from '../../src/lifecycle/clock.ts'
import { ExtAuthzProviders } from '../../src/ext-authz/providers.ts'
import type { Provider } from '../../src/ext-authz/provider.ts'
import type { Protection, ResolveAuthorizer } from '../../src/ext-authz/authorizer-target.ts'
import type { CheckConnection, CheckHttp } from '../../src/ext-authz/check-request.ts'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly raw: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface HttpAuthority {
  readonly port: number
  readonly seen: SeenRequest[]
  readonly sockets: Set<Socket>
}

export async function httpAuthority(
  t: TestContext,
  answer: (request: SeenRequest, response: ServerResponse) => void,
): Promise<HttpAuthority> {
  const seen: SeenRequest[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', rawHeaders, headers } = request
      const all = { method, url, raw: rawHeaders, headers, body: Buffer.concat(chunks).toString('latin1') }
      seen.push(all)
      answer(all, response)
    })
  })
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, seen, sockets }
}

/** Accepts, reads and answers with these bytes, or with nothing when null. */
export async function rawAuthority(t: TestContext, bytes: string | null): Promise<number> {
  const open = new Set<Socket>()
  const server = createTcpServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => bytes !== null && socket.end(bytes, 'latin1'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A port where nobody listens. */
export async function deadPort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A CheckRequest as proto-loader reads it; the tests look at single attributes. */
export interface SeenCheck {
  readonly attributes: {
    readonly source: Peer
    readonly destination: Peer
    readonly request: { readonly time: { seconds: number; nanos: number }; readonly http: SeenHttp } | null
    readonly tls_session: { readonly sni: string } | null
  }
}
interface Peer {
  readonly principal: string
  readonly address: { readonly socket_address: { readonly address: string; readonly port_value: number } }
}
interface SeenHttp {
  readonly id: string
  readonly method: string
  readonly headers: readonly { readonly key: string; readonly value: string }[]
  readonly path: string
  readonly host: string
  readonly scheme: string
  readonly query: string
  readonly size: number
  readonly protocol: string
  readonly body: string
  readonly raw_body: Buffer
}

type Reply = sendUnaryData<object>

export async function grpcAuthority(
  t: TestContext,
  answer: (check: SeenCheck, reply: Reply) => void,
): Promise<{ port: number; seen: SeenCheck[]; authorities: string[] }> {
  const seen: SeenCheck[] = []
  const authorities: string[] = []
  const server = new Server()
  const service = loadProto('ext-authz.proto').service('envoy.service.auth.v3.Authorization')
  server.addService(service, {
    Check: (call: ServerUnaryCall<SeenCheck, object>, reply: Reply) => {
      seen.push(call.request)
      authorities.push(call.getHost())
      answer(call.request, reply)
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  t.after(() => server.forceShutdown())
  return { port, seen, authorities }
}

export const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

export function configured(
  kind: 'http' | 'grpc',
  settings: Record<string, unknown>,
  name = 'it',
): ExtensionProvider {
  const whole = { service: 'authz.example.com', port: 9000, ...settings }
  return {
    name,
    kind: kind === 'http' ? 'envoyExtAuthzHttp' : 'envoyExtAuthzGrpc',
    settings: whole,
    authorizer: decodeAuthorizer(kind, whole, 'p'),
  }
}

export const at =
  (port: number, protect: Protection['protect'] | null = null): ResolveAuthorizer =>
  () => ({
    pick: () => ({
      address: '127.0.0.1',
      port,
      protection: protect === null ? null : { key: 'it', protect },
    }),
  })

/** What a new generation does. */
export function put(
  all: ExtAuthzProviders,
  configured: readonly ExtensionProvider[],
  resolve: ResolveAuthorizer,
): void {
  all.use(all.plan(configured, resolve))
}

/** A provider the way the data plane gets one. */
export function provider(
  t: TestContext,
  kind: 'http' | 'grpc',
  resolve: ResolveAuthorizer,
  settings: Record<string, unknown> = {},
  clock: Clock = systemClock,
): Provider {
  const all = new ExtAuthzProviders({ clock, log: silent })
  t.after(() => all.close())
  put(all, [configured(kind, settings)], resolve)
  const found = all.inForce.find('it')
  if (!found.ok) throw new TypeError(found.reason)
  return found.provider
}

export const connection: CheckConnection = {
  source: { address: '10.0.0.7', port: 40_000, principal: 'spiffe://cluster.local/ns/a/sa/client' },
  destination: { address: '10.0.0.9', port: 8080, principal: 'spiffe://cluster.local/ns/b/sa/server' },
  sni: 'outbound_.80_._.b.ns.svc.cluster.local',
}

export function request(more: Partial<CheckHttp> = {}): CheckHttp {
  return {
    id: 'id-1',
    method: 'GET',
    target: '/orders?id=7',
    host: 'shop.example.com',
    scheme: 'http',
    protocol: 'HTTP/1.1',
    headers: [],
    contentLength: -1,
    body: null,
    ...more,
  }
}
