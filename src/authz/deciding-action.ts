/** Which action gave a verdict, told from its reason. It judges nothing. */
import type { DecisionReason } from './decision.ts'

export type DecidingAction = 'ALLOW' | 'DENY' | 'CUSTOM' | null

/** null where no rule decided, whether there was one to ask or not. */
export function decidingAction(reason: DecisionReason): DecidingAction {
  switch (reason) {
    case 'allow_rule':
      return 'ALLOW'
    case 'deny_rule':
    case 'quarantined_policy':
      return 'DENY'
    case 'bad_custom_provider':
    case 'custom_denied':
    case 'custom_error':
    case 'custom_body_too_large':
    case 'custom_unread':
      return 'CUSTOM'
    case 'no_allow_policy':
    case 'no_allow_matched':
      return null
  }
}
