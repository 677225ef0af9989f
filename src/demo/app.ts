/**
 * The little application of every tier, as a process: it answers, calls the next tier through its sidecar, and echoes
 * TCP. It knows nothing of mutual TLS, identities or policy; that is the point.
 */
import { Agent, createServer as createHttpServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { callAs } from './http-call.ts'
import { demoPorts, topology } from './topology.ts'
import type { Tier } from './topology.ts'

const mostBody = 1024 * 1024
/** Connections to the sidecar beside us, kept. */
const agent = new Agent({ keepAlive: true })

export interface Application {
  readonly tier: Tier
  /** Whom this tier asks in turn; null for the last. */
  readonly next: Tier | null
}

type Answer = readonly [status: number, type: string, body: string]

export async function answer(app: Application, request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://application')
  const body = await read(request)
  if (body === null) return [413, 'text/plain', `no more than ${mostBody} bytes, please\n`]
  switch (url.pathname) {
    case '/whoami':
      return [200, 'application/json', `${JSON.stringify(whoami(app, request), null, 2)}\n`]
    case '/echo':
      return [200, 'text/plain', body]
    case '/call':
      return outward(app.tier, url.searchParams.get('url') ?? '')
    case '/photos':
      return photos(app)
    default:
      return [200, 'text/plain', `hello, this is ${app.tier.name}: you asked for ${url.pathname}\n`]
  }
}

/** What the sidecar says of the caller: the application need not verify anything itself. */
function whoami(app: Application, { headers, socket }: IncomingMessage): object {
  return {
    application: app.tier.name,
    'x-forwarded-client-cert': headers['x-forwarded-client-cert'] ?? null,
    'x-forwarded-proto': headers['x-forwarded-proto'] ?? null,
    'x-request-id': headers['x-request-id'] ?? null,
    'dialled from': socket.remoteAddress ?? null,
  }
}

/** Through all tiers: each adds its line. */
async function photos({ tier, next }: Application): Promise<Answer> {
  if (next === null) return [200, 'text/plain', `${tier.name}: one photo of a gate\n`]
  const [status, type, body] = await outward(tier, `http://${next.shortName}/photos`)
  return [status, type, `${tier.name}: asked ${next.name}, which answered ${status}\n${body}`]
}

async function outward(from: Tier, url: string): Promise<Answer> {
  if (!URL.canParse(url) || !url.startsWith('http://'))
    return [400, 'text/plain', 'ask for /call?url=http://name.namespace/path\n']
  try {
    const reply = await callAs(from, url, { agent })
    const type = reply.headers['content-type']
    return [reply.status, typeof type === 'string' ? type : 'text/plain', reply.body]
  } catch (error) {
    return [502, 'text/plain', `no answer from ${url}: ${(error as Error).message}\n`]
  }
}

/** The whole body, or null when it is too long; what is too long is still read, and forgotten. */
async function read(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= mostBody) chunks.push(chunk)
  }
  return length > mostBody ? null : Buffer.concat(chunks).toString('utf8')
}

function serve(app: Application): void {
  const { address } = app.tier
  const http = createHttpServer({ keepAliveTimeout: 60_000 }, (request, response: ServerResponse) => {
    answer(app, request).then(
      ([status, type, body]) => response.writeHead(status, { 'content-type': type }).end(body),
      () => response.destroy(),
    )
  })
  const echo = createTcpServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  http.listen(demoPorts.applicationHttp, address)
  echo.listen(demoPorts.applicationEcho, address)
  process.once('SIGTERM', () => process.exit(0))
}

/** `app.ts PREFIX NAME`: what the demo starts. */
if (import.meta.main) {
  const [prefix = '', name = ''] = process.argv.slice(2)
  const { tiers } = topology(prefix)
  const index = tiers.findIndex((tier) => tier.name === name)
  const tier = tiers[index]
  if (tier === undefined) throw new Error(`no tier is named ${name}`)
  serve({ tier, next: tiers[index + 1] ?? null })
}
