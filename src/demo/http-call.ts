/** One HTTP request, as curl would make it: directly to an address, or through a sidecar's explicit proxy. */
import { request } from 'node:http'
import type { Agent } from 'node:http'
import { demoPorts } from './topology.ts'
import type { Tier } from './topology.ts'

export interface Call {
  readonly address: string
  readonly port: number
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Connections to keep; by default each call has its own. */
  readonly agent?: Agent
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

const patienceMs = 5000

/** Rejects when no whole reply came. */
export function call(what: Call): Promise<Reply> {
  const { address, port, path, method = 'GET', headers = {}, body = '', agent } = what
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: address,
        port,
        path,
        method,
        headers,
        agent: agent ?? false,
        signal: AbortSignal.timeout(patienceMs),
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        )
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

/** As `curl -x http://ADDRESS:15001 URL`: the sidecar of `from` finds the way and proves who calls. */
export function callAs(from: Tier, url: string, more: Partial<Call> = {}): Promise<Reply> {
  const { host } = new URL(url)
  return call({
    ...more,
    address: from.address,
    port: demoPorts.outbound,
    path: url,
    headers: { ...more.headers, host },
  })
}
