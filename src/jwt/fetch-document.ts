/**
 * One document of a key provider over HTTP: bounded in time, size, redirects and in whom it may be asked of. It does not
 * retry and knows no key.
 */
import { Agent, request, type Dispatcher } from 'undici'
import type { Clock } from '../lifecycle/clock.ts'
import { guardedLookup, literalAddress, mayFetchFrom, RefusedAddress } from './egress-guard.ts'

export type Fetched =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string }

/** Bytes. */
export const largestDocument = 1024 * 1024
const mostRedirects = 3

export interface DocumentFetcherOptions {
  /** PEM certificates that key servers are verified against, instead of the platform's; null = the platform's. */
  readonly ca: string | null
}

export class DocumentFetcher {
  readonly #clock: Clock
  readonly #agent: Agent

  constructor(clock: Clock, { ca }: DocumentFetcherOptions) {
    this.#clock = clock
    this.#agent = new Agent({
      connect: { lookup: guardedLookup, ...(ca === null ? {} : { ca }) },
      maxResponseSize: largestDocument,
      // Key sets are fetched every 20 minutes; each time the name is to be looked up again.
      keepAliveTimeout: 1000,
      keepAliveMaxTimeout: 1000,
      pipelining: 0,
    })
  }

  /** Every hop of a redirect is checked as the first one is; https never leads to http. */
  async fetch(url: string, timeoutMs: number): Promise<Fetched> {
    const abort = new AbortController()
    const timer = this.#clock.after(timeoutMs, () => abort.abort(new Error(`no answer in ${timeoutMs} ms`)))
    try {
      let at = new URL(url)
      for (let hop = 0; hop <= mostRedirects; hop++) {
        const answer = await this.#get(at, abort.signal)
        if (answer instanceof URL) at = answer
        else return { ok: true, text: answer }
      }
      return { ok: false, reason: `more than ${mostRedirects} redirects` }
    } catch (error) {
      return { ok: false, reason: reasonOf(error) }
    } finally {
      timer.cancel()
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #get(url: URL, signal: AbortSignal): Promise<string | URL> {
    const literal = literalAddress(url)
    if (literal !== null && !mayFetchFrom(literal)) throw new RefusedAddress(literal)
    const { statusCode, headers, body } = await request(url, {
      dispatcher: this.#agent,
      signal,
      headers: { accept: 'application/json', 'user-agent': 'sallyport' },
    })
    if ([301, 302, 303, 307, 308].includes(statusCode)) {
      await body.dump()
      return redirect(url, headers['location'])
    }
    if (statusCode !== 200) {
      await body.dump()
      throw new Error(`status ${statusCode}`)
    }
    return await readText(body)
  }
}

async function readText(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    const bytes = chunk as Buffer
    length += bytes.length
    if (length > largestDocument) throw new Error(`more than ${largestDocument} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function redirect(from: URL, location: string | string[] | undefined): URL {
  const to = typeof location === 'string' ? URL.parse(location, from) : null
  if (to === null) throw new Error('a redirect to nowhere')
  if (to.protocol !== 'https:' && (to.protocol !== 'http:' || from.protocol === 'https:')) {
    throw new Error(`a redirect from ${from.protocol} to ${to.protocol}`)
  }
  return to
}

/** Codes and our own words; nothing the other side wrote. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  const { code } = error as NodeJS.ErrnoException
  return code === undefined ? error.message : `${error.message} (${code})`
}
