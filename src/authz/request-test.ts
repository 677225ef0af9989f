/**
 * One field of one alternative that needs the request: any(wanted) AND NOT any(unwanted), a null side is skipped. It
 * allocates nothing when asked and never throws; how fields are combined is not its business.
 */
import type { Ip } from '../address/ip.ts'
import type { Values } from '../policy/authorization-policy.ts'
import type { AddressSet } from './address-set.ts'
import { claimAt } from './claim.ts'
import { remoteIp } from './remote-ip.ts'
import type { RequestContext } from './request-context.ts'
import { matchesRequestPrincipal, type RequestPrincipalPattern } from './request-principal.ts'
import type { TextSet } from './text-set.ts'

/** What of a request a test looks at. */
export const RequestField = {
  method: 0,
  path: 1,
  /** Path with its query. */
  target: 2,
  /** Authority as received. */
  authority: 3,
  /** Authority in lower case: `hosts`. */
  host: 4,
  header: 5,
  /** `iss` and `sub` of the token. */
  principal: 6,
  claim: 7,
  remoteIp: 8,
} as const
export type RequestField = (typeof RequestField)[keyof typeof RequestField]

export interface RequestTest {
  readonly field: RequestField
  /** The condition key it goes by: `methods`, `request.headers[x-tier]`, `remote.ip`. */
  readonly key: string
  /** What is left of the values as written. */
  readonly written: Values
  holds(request: RequestContext, socketPeer: Ip): boolean
}

type Textual = Exclude<RequestField, 5 | 6 | 7 | 8>

export class TextTest implements RequestTest {
  readonly field: Textual
  readonly key: string
  readonly written: Values
  readonly #wanted: TextSet | null
  readonly #unwanted: TextSet | null

  constructor(
    field: Textual,
    key: string,
    written: Values,
    wanted: TextSet | null,
    unwanted: TextSet | null,
  ) {
    this.field = field
    this.key = key
    this.written = written
    this.#wanted = wanted
    this.#unwanted = unwanted
  }

  holds(request: RequestContext): boolean {
    const text = textOf(request, this.field)
    if (text === '') return this.#wanted === null
    return (
      (this.#wanted === null || this.#wanted.has(text)) &&
      (this.#unwanted === null || !this.#unwanted.has(text))
    )
  }
}

/** '' = absent. */
export function textOf(request: RequestContext, field: Textual): string {
  switch (field) {
    case RequestField.method:
      return request.method
    case RequestField.path:
      return request.path
    case RequestField.target:
      return request.pathWithQuery
    case RequestField.authority:
      return request.host
    case RequestField.host:
      // V8 hands the same string back when there is nothing to fold.
      return request.host.toLowerCase()
  }
}

/** Each value of a repeated header is matched by itself, any hit counts (policy-semantics §1.4, trap 21). */
export class HeaderTest implements RequestTest {
  readonly field = RequestField.header
  readonly key: string
  readonly written: Values
  /** In lower case. */
  readonly name: string
  readonly #wanted: TextSet | null
  readonly #unwanted: TextSet | null

  constructor(name: string, written: Values, wanted: TextSet | null, unwanted: TextSet | null) {
    this.key = `request.headers[${name}]`
    this.name = name
    this.written = written
    this.#wanted = wanted
    this.#unwanted = unwanted
  }

  holds({ headers }: RequestContext): boolean {
    let found = this.#wanted === null
    for (let i = 0; i + 1 < headers.length; i += 2) {
      if (headers[i] !== this.name) continue
      const value = headers[i + 1] as string
      if (this.#unwanted !== null && this.#unwanted.has(value)) return false
      if (!found && this.#wanted !== null && this.#wanted.has(value)) found = true
    }
    return found
  }
}

/** A claim is a string that fits, or a list in which one string does; anything else is as good as absent. */
export class ClaimTest implements RequestTest {
  readonly field = RequestField.claim
  readonly key: string
  readonly written: Values
  /** Names to go down by. */
  readonly path: readonly string[]
  readonly #wanted: TextSet | null
  readonly #unwanted: TextSet | null

  constructor(
    key: string,
    path: readonly string[],
    written: Values,
    wanted: TextSet | null,
    unwanted: TextSet | null,
  ) {
    this.key = key
    this.path = path
    this.written = written
    this.#wanted = wanted
    this.#unwanted = unwanted
  }

  holds(request: RequestContext): boolean {
    const claim = claimOf(request, this.path)
    return (
      (this.#wanted === null || fits(claim, this.#wanted)) &&
      (this.#unwanted === null || !fits(claim, this.#unwanted))
    )
  }
}

export function claimOf({ token }: RequestContext, path: readonly string[]): unknown {
  return token === null ? undefined : claimAt(token.claims, path)
}

function fits(claim: unknown, set: TextSet): boolean {
  if (typeof claim === 'string') return claim !== '' && set.has(claim)
  if (!Array.isArray(claim)) return false
  for (let i = 0; i < claim.length; i++) {
    const element: unknown = claim[i]
    if (typeof element === 'string' && element !== '' && set.has(element)) return true
  }
  return false
}

export class RequestPrincipalTest implements RequestTest {
  readonly field = RequestField.principal
  readonly key = 'request.auth.principal'
  readonly written: Values
  readonly wanted: readonly RequestPrincipalPattern[]
  readonly #unwanted: readonly RequestPrincipalPattern[]

  constructor(
    written: Values,
    wanted: readonly RequestPrincipalPattern[],
    unwanted: readonly RequestPrincipalPattern[],
  ) {
    this.written = written
    this.wanted = wanted
    this.#unwanted = unwanted
  }

  holds({ token }: RequestContext): boolean {
    if (token === null) return this.wanted.length === 0
    for (const pattern of this.#unwanted) if (matchesRequestPrincipal(pattern, token)) return false
    for (const pattern of this.wanted) if (matchesRequestPrincipal(pattern, token)) return true
    return this.wanted.length === 0
  }
}

export class RemoteIpTest implements RequestTest {
  readonly field = RequestField.remoteIp
  readonly key = 'remote.ip'
  readonly written: Values
  readonly #wanted: AddressSet | null
  readonly #unwanted: AddressSet | null

  constructor(written: Values, wanted: AddressSet | null, unwanted: AddressSet | null) {
    this.written = written
    this.#wanted = wanted
    this.#unwanted = unwanted
  }

  holds(request: RequestContext, socketPeer: Ip): boolean {
    const ip = remoteIp(request, socketPeer)
    return (
      (this.#wanted === null || this.#wanted.has(ip)) && (this.#unwanted === null || !this.#unwanted.has(ip))
    )
  }
}
