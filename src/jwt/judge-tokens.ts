/** All tokens that one rule finds in a request, judged together (policy-semantics §6.2). It weighs no rules. */
import type { FoundToken } from './token-locations.ts'
import type { VerifiedToken } from './verified-token.ts'
import type { Judged, RuleVerifier } from './verify-token.ts'

export const isVerified = (verdict: Judged): verdict is VerifiedToken => typeof verdict !== 'string'

/** All of them must be valid; the last place is looked at first, and the first place is the identity. */
export function judgeTokens(
  verifier: RuleVerifier,
  tokens: readonly FoundToken[],
  nowMs: number,
  at = tokens.length - 1,
): Judged | Promise<Judged> {
  for (let i = at; i >= 0; i--) {
    const judged = verifier.judge((tokens[i] as FoundToken).text, nowMs)
    if (judged instanceof Promise) {
      return judged.then((settled) =>
        isVerified(settled) && i > 0 ? judgeTokens(verifier, tokens, nowMs, i - 1) : settled,
      )
    }
    if (i === 0 || !isVerified(judged)) return judged
  }
  return 'Jwt is missing'
}
