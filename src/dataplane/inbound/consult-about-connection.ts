/**
 * The same step for an opaque connection: the gRPC authorizer that a CUSTOM rule names is asked before the application is
 * dialled, and again when policy comes to name another (policy-semantics §2.1, §3.1). It carries no byte.
 */
import { custom } from '../../authz/authorize.ts'
import type { BoundPolicy } from '../../authz/authorize.ts'
import { customRefusal } from '../../authz/custom-outcome.ts'
import type { CustomOutcome } from '../../authz/custom-outcome.ts'
import type { Decision } from '../../authz/decision.ts'
import type { CheckConnection } from '../../ext-authz/check-request.ts'
import type { Turnstile } from '../../lifecycle/turnstile.ts'
import type { World } from '../world.ts'
import { mayPass, noteOf, verdictOf } from './consult-authorizer.ts'
import { Inquiry } from './inquiry.ts'

export interface ConnectionSite {
  /** In force now. */
  readonly policy: () => BoundPolicy
  readonly world: () => World
  readonly connection: () => CheckConnection
  /** HTTP/2 that is carried unread: an authorizer of requests cannot be asked about it. */
  readonly unreadHttp: boolean
  /** Null before bytes flow; then where questions about connections that go on already take turns. */
  readonly again: () => Turnstile | null
  readonly fault: (error: unknown) => void
  /** For the record: `PROVIDER:allowed`, or ''. */
  readonly note: (text: string) => void
  readonly pass: () => void
  readonly refuse: (decision: Decision, reason: string) => void
}

/** `proceed` leads to `pass` or `refuse`, each time it is called. */
export function connectionInquiry(site: ConnectionSite): Inquiry {
  return new Inquiry({
    find: () => ruleFor(custom(site.policy(), null), site.unreadHttp),
    provider: (name) => site.world().authorizers.find(name),
    ask(provider, signal, done) {
      const turns = site.again()
      const check = () => provider.check({ connection: site.connection(), http: null }, signal)
      void (turns === null ? check() : turns.pass(check)).then(done).catch(site.fault)
    },
    settle(rule, outcome) {
      site.note(rule === null || outcome === null ? '' : noteOf(rule, outcome))
      if (rule === null || (outcome !== null && mayPass(outcome))) return site.pass()
      site.refuse(verdictOf(rule, outcome), outcome?.kind === 'error' ? outcome.reason : '')
    },
  })
}

/** An HTTP authorizer is not asked about TCP, as in Istio; HTTP that nobody reads is not TCP and has no other way in. */
function ruleFor(rule: CustomOutcome | null, unreadHttp: boolean): CustomOutcome | null {
  if (rule === null || rule.refusal !== null) return rule
  if (unreadHttp) return { ...rule, refusal: customRefusal(rule, 'custom_unread', 'ext_authz_unread_http2') }
  return rule.kind === 'http' ? null : rule
}
