/**
 * The admin endpoint on loopback and the readiness endpoint for probes. It shows views it is handed, keys never among
 * them, and passes two commands on; it holds no state of the proxy.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MeshError } from '../error.ts'
import type { Readiness } from './readiness.ts'

export class AdminError extends MeshError<'ERR_ADMIN_BIND'> {}

export interface Page {
  readonly contentType: string
  readonly body: string
  /** 200 when not given. */
  readonly status?: number
}

/** GET pages by path; what each shows is made when asked. */
export type Pages = Readonly<Record<string, (query: URLSearchParams) => Page | Promise<Page>>>

export interface Commands {
  /** End now, without draining. */
  readonly quit: () => void
  /** Begin to drain inbound; keep running. */
  readonly drain: () => void
}

export interface Bound {
  readonly port: number
  close(): Promise<void>
}

/** `127.0.0.1:15000`. Answers only callers on loopback that name it as such: a forged Host or a browser gets 403. */
export function startAdmin(
  address: { address: string; port: number },
  readiness: Readiness,
  pages: Pages,
  commands: Commands,
): Promise<Bound> {
  const posts: Readonly<Record<string, () => void>> = {
    '/quitquitquit': commands.quit,
    '/drain': commands.drain,
  }
  return bind(address, 'admin', async (request, response) => {
    const refusal = foreign(request)
    if (refusal !== null) return answer(response, 403, `forbidden: ${refusal}\n`)
    const url = URL.parse(request.url ?? '/', 'http://admin')
    if (url === null) return answer(response, 400, 'no path\n')
    const command = posts[url.pathname]
    if (command !== undefined) {
      if (request.method !== 'POST') return answer(response, 405, 'use POST\n', { allow: 'POST' })
      answer(response, 200, 'OK\n')
      response.once('close', command)
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answer(response, 405, 'use GET\n', { allow: 'GET' })
    if (url.pathname === '/ready') return answerReady(response, readiness)
    const page = pages[url.pathname]
    if (page !== undefined) {
      const { contentType, body, status = 200 } = await page(url.searchParams)
      return answer(response, status, body, { 'content-type': contentType })
    }
    const known = ['/ready', ...Object.keys(pages), ...Object.keys(posts).map((path) => `${path} (POST)`)]
    answer(response, url.pathname === '/' || url.pathname === '/help' ? 200 : 404, `${known.join('\n')}\n`)
  })
}

/** `:15021/healthz/ready`, for the kubelet and load balancers; says nothing but readiness. */
export function startReadiness(
  address: { address: string; port: number },
  readiness: Readiness,
): Promise<Bound> {
  return bind(address, 'readiness', (request, response) => {
    const path = (request.url ?? '').split('?')[0]
    if (path !== '/healthz/ready') return answer(response, 404, 'not found: the path is /healthz/ready\n')
    answerReady(response, readiness)
  })
}

function answerReady(response: ServerResponse, readiness: Readiness): void {
  const { ready, state, missing } = readiness.report()
  answer(response, ready ? 200 : 503, `${state}\n${missing.map((line) => `missing ${line}\n`).join('')}`)
}

function answer(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  response.end(body)
}

/**
 * Why a request does not come from an operator on this host, or null. Loopback alone is not proof: a web page can make a
 * browser, and an application can be talked into, calling it (CVE-2024-40632 class).
 */
function foreign(request: IncomingMessage): string | null {
  const remote = request.socket.remoteAddress ?? ''
  if (!/^(::1|127\.|::ffff:127\.)/.test(remote)) return 'admin answers loopback only'
  const host = (request.headers.host ?? '').toLowerCase()
  if (!/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host))
    return 'the Host header does not name loopback'
  if (request.headers.origin !== undefined || request.headers['sec-fetch-mode'] !== undefined)
    return 'browsers are not served'
  // Proxies leave traces, ours among them: an application beside us must not be talked into calling us through it.
  const traces = Object.keys(request.headers).filter((name) =>
    /^(x-forwarded-|x-envoy-|forwarded$|via$)/.test(name),
  )
  if (traces.length > 0) return 'forwarded requests are not served'
  return null
}

function bind(
  address: { address: string; port: number },
  what: string,
  handler: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<Bound> {
  const server: Server = createServer(
    { maxHeaderSize: 16 * 1024, requestTimeout: 10_000, keepAliveTimeout: 5_000 },
    (request, response) => {
      request.resume()
      Promise.resolve(handler(request, response)).catch((error: unknown) => {
        if (!response.headersSent)
          answer(response, 500, `${error instanceof Error ? error.message : String(error)}\n`)
        else response.destroy()
      })
    },
  )
  server.maxConnections = 256
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is in use' : (cause.code ?? cause.message)
      reject(
        new AdminError(
          'ERR_ADMIN_BIND',
          `cannot listen for ${what} on ${address.address}:${address.port}: ${why}`,
          'choose another address with its option',
          { cause },
        ),
      )
    })
    server.listen(address.port, address.address, () => {
      server.unref()
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise<void>((done) => {
            server.close(() => done())
            server.closeAllConnections()
          }),
      })
    })
  })
}
