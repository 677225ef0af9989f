/** A verdict as a prebuilt value: shared by all requests it applies to, frozen, allocated at load. */
import type { Permit } from './permit.ts'

export type DecisionReason =
  /** No ALLOW policy selects the workload. */
  | 'no_allow_policy'
  /** An ALLOW rule matched. */
  | 'allow_rule'
  /** A DENY rule matched. */
  | 'deny_rule'
  /** ALLOW policies exist and none matched. */
  | 'no_allow_matched'
  /** A refused policy object stands as a deny-all stub for what it selects. */
  | 'quarantined_policy'
  /** A CUSTOM rule matched whose provider cannot be asked. */
  | 'bad_custom_provider'
  /** The provider of a CUSTOM rule said no. */
  | 'custom_denied'
  /** It gave no answer that can be used, and does not fail open. */
  | 'custom_error'
  /** The body is longer than it may be shown. */
  | 'custom_body_too_large'
  /** It would be asked about requests, and these are carried unread (HTTP/2). */
  | 'custom_unread'

export interface Decision {
  readonly allowed: boolean
  /** Present exactly when allowed. */
  readonly permit: Permit | null
  readonly reason: DecisionReason
  /** `namespace/name` of what decided, or null when nothing matched. */
  readonly policy: string | null
  /** Index of the rule that matched, or null. */
  readonly rule: number | null
  /** Istio's response code detail: `rbac_access_denied_matched_policy[...]`; '' when allowed. */
  readonly detail: string
}
