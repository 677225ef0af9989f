/** A source's key set document, found by its URI or by OpenID discovery; checked to be one. It neither waits nor retries. */
import type { DocumentFetcher } from './fetch-document.ts'
import { KeySet } from './key-set.ts'
import type { KeySource } from './key-source.ts'
import type { KeyFault } from './token-fault.ts'

export type FetchedKeys =
  | { readonly ok: true; readonly jwks: string }
  | { readonly ok: false; readonly fault: KeyFault; readonly error: string }

export async function fetchKeySet(fetcher: DocumentFetcher, source: KeySource): Promise<FetchedKeys> {
  const uri = source.uri ?? (await discover(fetcher, source))
  if (typeof uri !== 'string') return uri
  const fetched = await fetcher.fetch(uri, source.timeoutMs)
  if (!fetched.ok) return failed(fetched.reason)
  const read = KeySet.read(fetched.text)
  return read.ok ? { ok: true, jwks: fetched.text } : { ok: false, fault: read.fault, error: read.fault }
}

type Failure = Extract<FetchedKeys, { ok: false }>

const failed = (error: string): Failure => ({ ok: false, fault: 'Jwks remote fetch is failed', error })

/** OpenID Connect Discovery 1.0 §4: the issuer minus one trailing slash, plus the well-known path. */
async function discover(
  fetcher: DocumentFetcher,
  { issuer, timeoutMs }: KeySource,
): Promise<string | Failure> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  if (!isHttpUrl(url)) return failed('the issuer is no URL to discover keys by')
  const fetched = await fetcher.fetch(url, timeoutMs)
  if (!fetched.ok) return failed(`discovery: ${fetched.reason}`)
  const uri = jwksUriOf(fetched.text)
  return uri !== null && isHttpUrl(uri) ? uri : failed('discovery: no usable jwks_uri')
}

function jwksUriOf(text: string): string | null {
  try {
    const document: unknown = JSON.parse(text)
    const uri = (document as { readonly jwks_uri?: unknown } | null)?.jwks_uri
    return typeof uri === 'string' ? uri : null
  } catch {
    // No JSON, no URI.
    return null
  }
}

function isHttpUrl(text: string): boolean {
  const protocol = URL.parse(text)?.protocol
  return protocol === 'https:' || protocol === 'http:'
}
