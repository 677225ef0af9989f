/**
 * Asks an HTTP authorizer about one request at a time over kept connections. It follows no redirect, retries nothing and
 * heeds no proxy setting of the environment; the deadline is its caller's signal.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { Agent } from 'undici'
import type { Dispatcher } from 'undici'
import type { HttpAuthorizer } from '../policy/extension-provider.ts'
import type { AuthorizerTarget, Protection } from './authorizer-target.ts'
import type { Ask, CheckSubject } from './provider.ts'
import { httpCheck } from './check-request.ts'
import { readHttpAnswer } from './http-answer.ts'
import type { CheckOutcome } from './outcome.ts'
import { deny, unanswered, unusable } from './outcome.ts'

/** Bytes of a denial's body that are passed on; a longer one is left out. */
const mostBody = 1024 * 1024
/** Connections to one place; requests above that wait for one. */
const mostConnections = 128
/** Ways of protection kept: they change with endpoints and with trust. */
const mostAgents = 16

/** As Istio's for any cluster; the handshake has a limit of its own. */
const connectTimeoutMs = 10_000

const empty = Buffer.alloc(0)

export class HttpProvider implements Ask {
  readonly #settings: HttpAuthorizer
  /** By key of protection, '' = none: a plaintext connection is never taken for a protected one. */
  readonly #agents = new Map<string, Agent>()

  constructor(settings: HttpAuthorizer) {
    this.#settings = settings
  }

  async ask(target: AuthorizerTarget, subject: CheckSubject, signal: AbortSignal): Promise<CheckOutcome> {
    if (subject.http === null) return unusable(this.#settings, 'http_provider_on_tcp')
    const check = httpCheck(this.#settings, subject.http)
    const host = target.address.includes(':') ? `[${target.address}]` : target.address
    let response
    try {
      // Not by URL: parsing one would rewrite the path that is asked about.
      response = await this.#agent(target.protection).request({
        origin: `http://${host}:${target.port}`,
        path: check.path,
        method: check.method as Dispatcher.HttpMethod,
        headers: [...check.headers],
        body: check.body,
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
        responseHeaders: 'raw',
      })
    } catch (error) {
      if (refusedHere(error)) return unusable(this.#settings, 'unsendable_check')
      return unanswered(this.#settings, failureOf(error))
    }
    const status = response.statusCode
    const headers = response.headers as unknown as readonly string[]
    try {
      return readHttpAnswer(this.#settings, { status, headers, body: await bounded(response.body) })
    } catch (error) {
      // It has said no before it broke off.
      if (status > 200 && status < 500) return deny(status, [], empty)
      return unanswered(this.#settings, failureOf(error))
    }
  }

  async close(): Promise<void> {
    const agents = [...this.#agents.values()]
    this.#agents.clear()
    await Promise.all(agents.map((agent) => agent.destroy()))
  }

  #agent(protection: Protection | null): Agent {
    const key = protection === null ? '' : `tls ${protection.key}`
    let agent = this.#agents.get(key)
    if (agent === undefined) {
      this.#makeRoom()
      agent = new Agent({
        connections: mostConnections,
        pipelining: 1,
        keepAliveTimeout: 30_000,
        maxHeaderSize: 64 * 1024,
        ...(protection === null ? {} : { connect: connector(protection) }),
      })
      this.#agents.set(key, agent)
    }
    return agent
  }

  #makeRoom(): void {
    if (this.#agents.size < mostAgents) return
    const [oldest] = this.#agents
    if (oldest === undefined) return
    const [key, agent] = oldest
    this.#agents.delete(key)
    // Checks under way at it are still answered.
    void agent.close()
  }
}

async function bounded(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > mostBody) return empty
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function connector(protection: Protection) {
  return (
    options: { hostname: string; port: string },
    done: (...result: [error: Error, socket: null] | [error: null, socket: Socket]) => void,
  ): void => {
    const host = options.hostname.replace(/^\[|\]$/g, '')
    const port = Number(options.port)
    const socket = connect({ host, port, noDelay: true, timeout: connectTimeoutMs })
    const failed = (error: Error): void => {
      socket.destroy()
      done(error, null)
    }
    const late = (): void => void socket.destroy(new Error('connect timeout'))
    socket.once('error', failed)
    socket.once('timeout', late)
    socket.once('connect', () => {
      socket.setTimeout(0)
      socket.removeListener('timeout', late)
      socket.removeListener('error', failed)
      protection.protect(socket, 'http/1.1').then((ready) => done(null, ready), failed)
    })
  }
}

/** undici would not write it: the request is at fault, not the authorizer. */
function refusedHere(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED' || error instanceof TypeError
}

/** An error's code, which quotes nothing. */
function failureOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'failed'
}
