/** What a matching CUSTOM rule asks for: an answer of its provider, or a refusal when there is no provider to ask. */
import type { ProviderKind } from './custom-provider.ts'
import type { Decision, DecisionReason } from './decision.ts'

export interface CustomOutcome {
  /** Name in `extensionProviders`. */
  readonly provider: string
  /** How it is spoken to: an HTTP provider is not asked about TCP (policy-semantics §3.1); null when there is none. */
  readonly kind: ProviderKind | null
  /** `namespace/name` of the policy, and the index of the rule in it. */
  readonly policy: string
  readonly rule: number
  readonly ruleId: string
  /** Set when the provider is unknown, or several are named: what matches is denied at once (policy-semantics §9.1). */
  readonly refusal: Decision | null
}

/** The verdict on what the rule's provider did not let through; `detail` as Envoy spells it. */
export function customRefusal(
  { policy, rule }: CustomOutcome,
  reason: Extract<DecisionReason, `custom_${string}`>,
  detail: string,
): Decision {
  return { allowed: false, permit: null, reason, policy, rule, detail }
}
