/**
 * Policies of one workload and protocol after compilation: DENY and ALLOW apart, rules in the order they are reported,
 * each test split by what it looks at. It is only data with the two questions a test can be asked.
 */
import type { Decision } from './decision.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'
import type { TextSet } from './text-set.ts'

/** Asked once a connection. */
export type ConnectionTest = (connection: ConnectionContext) => boolean

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
} as const
export type RequestField = (typeof RequestField)[keyof typeof RequestField]

/** One field of one alternative: any(wanted) AND NOT any(unwanted); a null side is skipped. */
export class RequestTest {
  readonly field: RequestField
  /** Lower-case name when `field` is header, else ''. */
  readonly header: string
  readonly wanted: TextSet | null
  readonly unwanted: TextSet | null

  constructor(field: RequestField, header: string, wanted: TextSet | null, unwanted: TextSet | null) {
    this.field = field
    this.header = header
    this.wanted = wanted
    this.unwanted = unwanted
  }

  holds(request: RequestContext): boolean {
    switch (this.field) {
      case RequestField.method:
        return this.#judge(request.method)
      case RequestField.path:
        return this.#judge(request.path)
      case RequestField.target:
        return this.#judge(request.pathWithQuery)
      case RequestField.authority:
        return this.#judge(request.host)
      case RequestField.host:
        // V8 hands the same string back when there is nothing to fold.
        return this.#judge(request.host.toLowerCase())
      case RequestField.header:
        return (
          (this.wanted === null || hasHeader(request.headers, this.header, this.wanted)) &&
          (this.unwanted === null || !hasHeader(request.headers, this.header, this.unwanted))
        )
    }
  }

  #judge(text: string): boolean {
    if (text === '') return this.wanted === null
    return (
      (this.wanted === null || this.wanted.has(text)) && (this.unwanted === null || !this.unwanted.has(text))
    )
  }
}

// Each value of a repeated header is matched by itself, any hit counts (policy-semantics §1.4, trap 21).
function hasHeader(headers: readonly string[], name: string, set: TextSet): boolean {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i] === name && set.has(headers[i + 1] as string)) return true
  }
  return false
}

/** AND over its tests: one `source`, one `operation`, or all of `when`. */
export interface Alternative {
  readonly connection: readonly ConnectionTest[]
  readonly request: readonly RequestTest[]
}

/** OR over its alternatives; none of them is empty of tests. */
export interface Clause {
  readonly alternatives: readonly Alternative[]
  /** The request tests of all alternatives, for connections on which every alternative is still open. */
  readonly requests: readonly (readonly RequestTest[])[]
}

/** AND over its clauses; without any it always matches. */
export interface CompiledRule {
  /** `ns[x]-policy[y]-rule[i]`. */
  readonly id: string
  readonly decision: Decision
  readonly clauses: readonly Clause[]
}

export interface CompiledPolicy {
  /** Both in lexicographic order of ids: the first hit is the reported one (policy-semantics §2.4). */
  readonly deny: readonly CompiledRule[]
  readonly allow: readonly CompiledRule[]
  /** When no rule matched: allowed exactly if no ALLOW policy selects the workload. */
  readonly otherwise: Decision
  /** For a question that cannot be judged. */
  readonly refusal: Decision
}
