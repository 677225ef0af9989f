/** What a matching CUSTOM rule asks for: an answer of its provider, or a refusal when there is no provider to ask. */
import type { Decision } from './decision.ts'

export interface CustomOutcome {
  /** Name in `extensionProviders`. */
  readonly provider: string
  readonly ruleId: string
  /** Set when the provider is unknown, or several are named: what matches is denied at once (policy-semantics §9.1). */
  readonly refusal: Decision | null
}
