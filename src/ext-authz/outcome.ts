/** What an authorizer's answer comes to, as a value (policy-semantics §9.3). It is neither sent nor applied here. */

/** The request goes on: JWT, DENY and ALLOW are still to come. All lists of headers are flat: name, value, name, ... */
export interface Allow {
  readonly kind: 'allow'
  /** Every field of these names is replaced by the last one listed. */
  readonly setHeaders: readonly string[]
  /** Joined to the first field of the name; a request without one gets none, as in Envoy. */
  readonly appendHeaders: readonly string[]
  /** Removed from the request after the above. */
  readonly removeHeaders: readonly string[]
  /** Added to the client's response, whoever gives it. */
  readonly responseHeaders: readonly string[]
  /** As above, in place of fields of these names. */
  readonly responseSetHeaders: readonly string[]
  /** Added where the response has none of the name. */
  readonly responseAbsentHeaders: readonly string[]
  /** In place of fields of these names, where there are any. */
  readonly responsePresentHeaders: readonly string[]
  /** Null = the query stays as it is. */
  readonly query: QueryChange | null
}

/** Names and values not escaped. */
export interface QueryChange {
  /** Flat list of name and value. */
  readonly set: readonly string[]
  readonly remove: readonly string[]
}

export interface Deny {
  readonly kind: 'deny'
  readonly status: number
  /** Without framing, date and server. */
  readonly headers: readonly string[]
  readonly body: Buffer
  readonly details: 'ext_authz_denied'
}

/** The authorizer gave no answer that can be used. */
export interface CheckError {
  readonly kind: 'error'
  /** The provider says failOpen: the request goes on as it is. */
  readonly allowed: boolean
  /** For the answer to the client when not allowed; its body is empty. */
  readonly status: number
  readonly details: 'ext_authz_error'
  /** For the log: a fixed text or an error's code, never anything of the request. */
  readonly reason: string
}

/** The body is longer than the authorizer may be shown: answered 413, failOpen or not (trap 56). */
export interface TooLarge {
  readonly kind: 'too-large'
  readonly status: 413
  readonly details: 'request_payload_too_large'
}

export type CheckOutcome = Allow | Deny | CheckError | TooLarge

export const tooLarge: TooLarge = Object.freeze({
  kind: 'too-large',
  status: 413,
  details: 'request_payload_too_large',
})

export function deny(status: number, headers: readonly string[], body: Buffer): Deny {
  return { kind: 'deny', status, headers, body, details: 'ext_authz_denied' }
}

/** What the provider's settings say about errors. */
export interface ErrorRule {
  readonly failOpen: boolean
  readonly statusOnError: number
}

/** The authorizer is down, slow or broken: failOpen decides. */
export function unanswered(rule: ErrorRule, reason: string): CheckError {
  return error(rule.failOpen, rule.statusOnError, reason)
}

/**
 * The question could not be put, or the answer cannot be obeyed: failOpen does not count, for a client who can write such
 * a request, or make an authorizer echo it, would choose to pass (CVE-2023-27488).
 */
export function unusable(rule: ErrorRule, reason: string): CheckError {
  return error(false, rule.statusOnError, reason)
}

function error(allowed: boolean, status: number, reason: string): CheckError {
  return { kind: 'error', allowed, status, details: 'ext_authz_error', reason }
}
