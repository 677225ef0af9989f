/** The part of a request that rules ask about: of its headers and of its token's payload. It veils nothing. */
import { claimAt } from '../../authz/claim.ts'
import type { RequestContext } from '../../authz/request-context.ts'
import type { RequestQuestions } from '../../authz/request-questions.ts'

/** Flat list. */
export function askedHeaders({ headers }: RequestContext, questions: RequestQuestions): string[] {
  const found: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string
    if (questions.headers.has(name)) found.push(name, headers[i + 1] as string)
  }
  return found
}

/** A payload of nothing but what stands at these places; what is neither text nor a list is null or an empty map. */
export function askedClaims(
  claims: Readonly<Record<string, unknown>>,
  paths: readonly (readonly string[])[],
): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  // Short paths first: a longer one goes into the map that a shorter one left empty.
  for (const path of paths.toSorted((x, y) => x.length - y.length)) {
    const value = claimAt(claims, path)
    if (value !== undefined) put(found, path, bare(value))
  }
  return found
}

function bare(value: unknown): unknown {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map((entry: unknown) => (typeof entry === 'string' ? entry : null))
  return typeof value === 'object' && value !== null ? {} : null
}

function put(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = into
  for (const name of path.slice(0, -1)) {
    if (!Object.hasOwn(at, name)) own(at, name, {})
    at = at[name] as Record<string, unknown>
  }
  own(at, path.at(-1) as string, value)
}

/** A claim may be called `__proto__`. */
function own(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
}
