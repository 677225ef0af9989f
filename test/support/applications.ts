/**
 * Real servers to stand behind the proxy: an echo, an HTTP application that tells what it got, and TLS servers that keep
 * every decrypted byte. Each ends with its test.
 */
import { createServer as createHttp } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import type { TestContext } from 'node:test'
import type { Issued } from './test-ca.ts'

export interface Application {
  readonly port: number
  /** Connections accepted so far. */
  readonly accepted: () => number
  /** All bytes that came on any connection. */
  readonly received: () => string
}

/** Says back what it hears, until the other side ends. */
export function echoApplication(t: TestContext, host = '127.0.0.1'): Promise<Application> {
  return tcpApplication(
    t,
    (socket) => {
      socket.on('data', (chunk: Buffer) => {
        if (!socket.write(chunk)) {
          socket.pause()
          socket.once('drain', () => socket.resume())
        }
      })
      socket.on('end', () => socket.end())
    },
    host,
  )
}

export async function tcpApplication(
  t: TestContext,
  accept: (socket: Socket) => void,
  host = '127.0.0.1',
): Promise<Application> {
  let accepted = 0
  let received = ''
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
    accept(socket)
  })
  const port = await listening(t, server, host, sockets)
  return { port, accepted: () => accepted, received: () => received }
}

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

export interface HttpApplication extends Application {
  readonly requests: SeenRequest[]
}

/** Answers 200 with `METHOD URL` unless told otherwise. */
export async function httpApplication(
  t: TestContext,
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | null = null,
  host = '127.0.0.1',
): Promise<HttpApplication> {
  const requests: SeenRequest[] = []
  let accepted = 0
  const sockets = new Set<Socket>()
  const server = createHttp((request, response) => {
    requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    if (answer !== null) answer(request, response)
    else {
      request.resume()
      response.end(`${request.method} ${request.url}`)
    }
  })
  server.on('connection', (socket: Socket) => {
    accepted += 1
    sockets.add(socket)
  })
  const port = await listening(t, server, host, sockets)
  return { port, requests, accepted: () => accepted, received: () => '' }
}

export interface TlsApplication extends Application {
  readonly handshakes: () => number
  readonly lastAlpn: () => string | null
  readonly lastServername: () => string
  /** Server's view of the client's certificate, '' for none. */
  readonly lastClient: () => string
}

export interface TlsApplicationOptions {
  readonly identity: Issued
  /** PEM roots for client certificates; null = none is asked for. */
  readonly clientRoots?: string | null
  readonly alpn?: readonly string[]
  readonly accept?: (stream: TLSSocket) => void
  readonly host?: string
  readonly port?: number
}

/** By default answers each HTTP request it sees with a 200 that names nothing. */
export async function tlsApplication(
  t: TestContext,
  options: TlsApplicationOptions,
): Promise<TlsApplication> {
  let accepted = 0
  let handshakes = 0
  let received = ''
  let alpn: string | null = null
  let servername = ''
  let client = ''
  const sockets = new Set<Socket>()
  const roots = options.clientRoots ?? null
  const server = createTls({
    cert: options.identity.certificateChain,
    key: options.identity.privateKey,
    allowHalfOpen: true,
    ...(roots === null ? {} : { ca: roots, requestCert: true, rejectUnauthorized: true }),
    ...(options.alpn === undefined ? {} : { ALPNProtocols: [...options.alpn] }),
  })
  server.on('connection', (socket: Socket) => {
    accepted += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.on('tlsClientError', () => undefined)
  server.on('secureConnection', (stream) => {
    handshakes += 1
    alpn = typeof stream.alpnProtocol === 'string' ? stream.alpnProtocol : null
    servername = ((stream as { servername?: unknown }).servername as string) || ''
    client = stream.getPeerX509Certificate()?.subjectAltName ?? ''
    stream.on('error', () => undefined)
    stream.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
    if (options.accept !== undefined) options.accept(stream)
    else answerHttp(stream)
  })
  const port = await listening(
    t,
    server as unknown as Server,
    options.host ?? '127.0.0.1',
    sockets,
    options.port,
  )
  return {
    port,
    accepted: () => accepted,
    received: () => received,
    handshakes: () => handshakes,
    lastAlpn: () => alpn,
    lastServername: () => servername,
    lastClient: () => client,
  }
}

function answerHttp(stream: TLSSocket): void {
  let head = ''
  stream.on('data', (chunk: Buffer) => {
    head += chunk.toString('latin1')
    for (let at = head.indexOf('\r\n\r\n'); at >= 0; at = head.indexOf('\r\n\r\n')) {
      head = head.slice(at + 4)
      stream.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    }
  })
  stream.on('end', () => stream.end())
}

async function listening(
  t: TestContext,
  server: Server,
  host: string,
  sockets: ReadonlySet<Socket>,
  port = 0,
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A port of loopback that nobody listens on. */
export async function deadPort(host = '127.0.0.1'): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
