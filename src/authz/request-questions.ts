/**
 * What the rules of a policy ask of requests beyond method, path, host and addresses: names of headers and claims. It
 * knows names only, so that whoever records decisions takes down what mattered and nothing else.
 */
import type { CompiledPolicy } from './compiled-policy.ts'
import {
  ClaimTest,
  HeaderTest,
  RequestField,
  RequestPrincipalTest,
  type RequestTest,
} from './request-test.ts'

export interface RequestQuestions {
  /** Condition keys as rules name them, sorted: `request.auth.claims[group]`, `request.headers[x-tier]`. */
  readonly keys: readonly string[]
  /** Lower-case names. */
  readonly headers: ReadonlySet<string>
  /** Where in a token's payload the claims are that rules look at. */
  readonly claims: readonly (readonly string[])[]
  /** Some rule looks at the query, or at the address behind proxies. */
  readonly query: boolean
  readonly remoteIp: boolean
}

/** Walks every rule: once a policy, not once a request. */
export function requestQuestions(policy: CompiledPolicy): RequestQuestions {
  const keys = new Set<string>()
  const headers = new Set<string>()
  const claims = new Map<string, readonly string[]>()
  let query = false
  let remoteIp = false
  const ask = (test: RequestTest): void => {
    const claim = claimAsked(test)
    if (claim !== null) claims.set(JSON.stringify(claim), claim)
    else if (test instanceof HeaderTest) headers.add(test.name)
    else {
      if (test.field === RequestField.target) query = true
      if (test.field === RequestField.remoteIp) remoteIp = true
      return
    }
    keys.add(test.key)
  }
  for (const set of [policy.custom, policy.audit, policy.verdict, policy.shadowDeny, policy.shadowAllow]) {
    for (const { clauses } of set.rules)
      for (const { alternatives } of clauses)
        for (const { request } of alternatives) for (const test of request) ask(test)
  }
  return { keys: [...keys].sort(), headers, claims: [...claims.values()], query, remoteIp }
}

/** The place in the payload that a test looks at; null for tests of anything else. */
export function claimAsked(test: RequestTest): readonly string[] | null {
  if (test instanceof ClaimTest) return test.path
  // The other half of a principal is the issuer.
  return test instanceof RequestPrincipalTest ? subject : null
}

const subject = ['sub']
