/**
 * How much of a request's body has to be there before an authorizer is asked (policy-semantics §9.2). It counts bytes and
 * holds none: the body stays with whoever forwards it.
 */
import type { BodyInclusion } from '../policy/extension-provider.ts'

/** `more`: not yet known; `enough`: ask now; `too-large`: answer 413. */
export type Gathered = 'more' | 'enough' | 'too-large'

/** `size`: bytes held; `whole`: the request has no more. */
export function gathered(rule: BodyInclusion, size: number, whole: boolean): Gathered {
  if (size > rule.maxRequestBytes) return rule.allowPartialMessage ? 'enough' : 'too-large'
  return whole ? 'enough' : 'more'
}

/** By the Content-Length alone, before a byte has come; -1 = not known. */
export function foreseen(rule: BodyInclusion, contentLength: number): Gathered {
  return contentLength > rule.maxRequestBytes && !rule.allowPartialMessage ? 'too-large' : 'more'
}
