/**
 * A request or opaque connection judged by all policies at once: AUDIT, then DENY before ALLOW, and beside them what
 * dry-run policies would have said. Only the decision decides; the rest is for the record.
 */
import { audit, authorize, shadow } from '../../authz/authorize.ts'
import type { BoundPolicy, ShadowResult } from '../../authz/authorize.ts'
import type { Decision } from '../../authz/decision.ts'
import type { RequestContext } from '../../authz/request-context.ts'
import type { AccessRecord } from '../../telemetry/access-record.ts'

export interface Verdict {
  readonly decision: Decision
  /** Ids of the AUDIT rules that matched (policy-semantics §2.2). */
  readonly audits: readonly string[]
  /** What dry-run ALLOW and DENY policies alone would have said (policy-semantics §2.3). */
  readonly shadows: readonly ShadowResult[]
}

/** `request` is null for an opaque connection. */
export function judgeRequest(policy: BoundPolicy, request: RequestContext | null): Verdict {
  return {
    audits: audit(policy, request),
    shadows: shadow(policy, request),
    decision: authorize(policy, request),
  }
}

export function recordVerdict(record: AccessRecord, verdict: Verdict | null): void {
  if (verdict === null) return
  const { decision, audits, shadows } = verdict
  record.policy = decision.policy ?? ''
  record.rule = decision.rule ?? -1
  record.decision = decision.reason
  record.audit = audits.join(',')
  record.shadow = shadows
    .map(
      ({ action, result, policyId }) =>
        `${action.toLowerCase()}:${result}${policyId === null ? '' : `:${policyId}`}`,
    )
    .join(',')
}
