/**
 * What the authorizer that a CUSTOM rule names would say of a recorded request or connection: what it said when it was
 * recorded, if it was asked then. Nobody is asked now.
 */
import type { CustomOutcome } from '../../authz/custom-outcome.ts'
import { customRefusal } from '../../authz/custom-outcome.ts'
import { verdictOf as customVerdict } from '../../dataplane/inbound/consult-authorizer.ts'
import type { AuthorizerSet } from '../../ext-authz/providers.ts'
import type { Recorded, RecordedVerdict } from './recorded-decision.ts'
import { verdictOf } from './replayed.ts'

/** A refusal, or that the request goes on, or that nobody knows. */
export type Consent = RecordedVerdict | 'passes' | 'unknown'

/** `rule` is the CUSTOM rule that matches; null = none does. */
export function recordedConsent(
  rule: CustomOutcome | null,
  { authorizer, unread, request }: Recorded,
  authorizers: AuthorizerSet,
): Consent {
  if (rule === null) return 'passes'
  if (rule.refusal !== null) return verdictOf(rule.refusal)
  if (unread) return verdictOf(customRefusal(rule, 'custom_unread', ''))
  // An HTTP authorizer is not asked about TCP (policy-semantics §3.1).
  if (request === null && rule.kind === 'http') return 'passes'
  const found = authorizers.find(rule.provider)
  if (!found.ok) return verdictOf(customVerdict(rule, null))
  const said =
    authorizer?.startsWith(`${rule.provider}:`) === true ? authorizer.slice(rule.provider.length + 1) : ''
  const { failOpen } = found.provider.settings
  switch (said.split(':', 1)[0]) {
    case 'allowed':
      return 'passes'
    case 'denied':
      return verdictOf(customRefusal(rule, 'custom_denied', ''))
    case 'body_too_large':
      return verdictOf(customRefusal(rule, 'custom_body_too_large', ''))
    case 'failed_open':
      return failOpen ? 'passes' : verdictOf(customRefusal(rule, 'custom_error', ''))
    case 'error':
      // Some errors are refused whatever failOpen says; which, is not recorded.
      return failOpen ? 'unknown' : verdictOf(customRefusal(rule, 'custom_error', ''))
    default:
      return 'unknown'
  }
}
