/**
 * The step before tokens: the authorizer that a CUSTOM rule names is asked about a request, body included where it wants
 * that, and its answer obeyed (policy-semantics §2.1, §9). A yes is not final: DENY and ALLOW are judged after it.
 */
import { custom } from '../../authz/authorize.ts'
import type { BoundPolicy } from '../../authz/authorize.ts'
import { customRefusal } from '../../authz/custom-outcome.ts'
import type { CustomOutcome } from '../../authz/custom-outcome.ts'
import type { Decision } from '../../authz/decision.ts'
import { applyToResponse } from '../../ext-authz/apply-allow.ts'
import { foreseen, gathered } from '../../ext-authz/body-limit.ts'
import type { CheckConnection } from '../../ext-authz/check-request.ts'
import { tooLarge } from '../../ext-authz/outcome.ts'
import type { Allow, CheckOutcome } from '../../ext-authz/outcome.ts'
import type { Provider } from '../../ext-authz/provider.ts'
import { Framing } from '../../http1/message.ts'
import type { Turnstile } from '../../lifecycle/turnstile.ts'
import type { ConnectionJournal } from '../decisions/connection-journal.ts'
import { denial, localReply } from '../http/deny-response.ts'
import type { World } from '../world.ts'
import { allowedRequest, refusalOf } from './apply-answer.ts'
import { checkHttp } from './check-subject.ts'
import { Inquiry } from './inquiry.ts'
import type { OpenRequest } from './open-request.ts'
import type { ReadRequest } from './request-token.ts'

/** What holds for all requests of a connection. */
export interface ConsultSite {
  /** In force now. */
  readonly policy: () => BoundPolicy
  readonly world: () => World
  readonly connection: () => CheckConnection
  readonly journal: ConnectionJournal
  readonly scheme: 'http' | 'https'
  /** Where the questions about requests that go on already take turns. */
  readonly again: Turnstile
  /** A tunnel that may not go on. */
  readonly cut: () => void
  readonly fault: (error: unknown) => void
}

/**
 * Calls `next` with the request as it goes on, at once or later; answers it itself when it is refused. A request that went
 * on already, as a tunnel, goes on until the answer is no.
 */
export function consultAuthorizer(
  open: OpenRequest,
  site: ConsultSite,
  next: (view: ReadRequest) => void,
): void {
  const { exchange, view } = open
  const mode = site.world().snapshot.mesh.pathNormalization
  let continued = false
  const inquiry = new Inquiry({
    find: () => custom(site.policy(), view.context),
    provider: (name) => site.world().authorizers.find(name),
    ask(provider, signal, done) {
      const live = open.forwarded !== null
      const ask = (): void => {
        // What was sent on already is not held any more.
        const most = live ? 0 : (provider.settings.body?.maxRequestBytes ?? 0)
        const http = checkHttp(exchange, view, site.scheme, most)
        const check = () => provider.check({ connection: site.connection(), http }, signal)
        void (live ? site.again.pass(check) : check()).then(done).catch((error: unknown) => {
          site.fault(error)
          exchange.reply(localReply(exchange.head, 500, 'internal error'), 'internal_error', null)
        })
      }
      if (live) ask()
      else if (gatherBody(open, provider, signal, ask, done)) continued = true
    },
    settle(rule, outcome) {
      if (rule !== null) open.custom = outcome === null ? '' : noteOf(rule, outcome)
      const passes = rule === null || (outcome !== null && mayPass(outcome))
      if (open.forwarded !== null) return passes ? undefined : site.cut()
      if (exchange.finished) return
      if (!passes) return refuse(open, site, rule, outcome)
      const now = site.world().snapshot.mesh.pathNormalization
      const allow = outcome?.kind === 'allow' ? outcome : unchanged
      const same = allow === unchanged && now === mode && !continued
      const request = same ? view : allowedRequest(view, continued ? withoutExpect(allow) : allow, now)
      if (request === null) {
        site.journal.unread(exchange, site.world())
        return exchange.reply(localReply(exchange.head, 400, 'bad path'), 'request_target_refused', null)
      }
      if (outcome !== null) exchange.editResponse = (headers) => applyToResponse(headers, allow)
      exchange.requestId = request.requestId
      next(request)
    },
  })
  open.inquiry?.abandon()
  open.inquiry = inquiry
  inquiry.proceed()
}

/** Whether the policy in force would ask what has been answered, if anything; else it has to be asked now. */
export function isAnswered({ inquiry, view }: OpenRequest, site: ConsultSite): boolean {
  const policy = site.policy()
  if (policy.policy.custom.rules.length === 0) return true
  const rule = custom(policy, view.context)
  if (rule === null) return true
  const found = site.world().authorizers.find(rule.provider)
  return rule.refusal === null && found.ok && inquiry?.asked === found.provider
}

/** Calls `ask` once as much of the body is there as the authorizer wants; true = the client was told to send it. */
function gatherBody(
  { exchange }: OpenRequest,
  { settings }: Provider,
  signal: AbortSignal,
  ask: () => void,
  done: (outcome: CheckOutcome) => void,
): boolean {
  const { head } = exchange
  const rule = settings.body
  const bodiless = head.framing !== Framing.Length && head.framing !== Framing.Chunked
  if (rule === null || bodiless) {
    ask()
    return false
  }
  const end = (): void => void Promise.resolve(tooLarge).then(done)
  if (foreseen(rule, head.contentLength) === 'too-large') {
    end()
    return false
  }
  return exchange.gather((size, whole) => {
    if (signal.aborted) return true
    const state = gathered(rule, size, whole)
    if (state === 'enough') ask()
    else if (state === 'too-large') end()
    return state !== 'more'
  })
}

function refuse(
  open: OpenRequest,
  site: ConsultSite,
  rule: CustomOutcome,
  outcome: CheckOutcome | null,
): void {
  const { exchange } = open
  const { head } = exchange
  const decision = verdictOf(rule, outcome)
  open.verdict = { decision, audits: [], shadows: [] }
  site.journal.unconsented(open, open.verdict, site.policy().policy, site.world())
  if (outcome === null || outcome.kind === 'allow') return exchange.reply(denial(head), decision.detail, null)
  const flag = outcome.kind === 'too-large' ? null : 'UAEX'
  if (outcome.kind === 'error') exchange.upstreamTransportFailureReason = outcome.reason
  exchange.reply(refusalOf(head, outcome), decision.detail, flag)
}

export function mayPass(outcome: CheckOutcome): boolean {
  return outcome.kind === 'allow' || (outcome.kind === 'error' && outcome.allowed)
}

export function verdictOf(rule: CustomOutcome, outcome: CheckOutcome | null): Decision {
  if (outcome === null || outcome.kind === 'allow')
    return rule.refusal ?? customRefusal(rule, 'custom_error', 'ext_authz_error')
  switch (outcome.kind) {
    case 'deny':
      return customRefusal(rule, 'custom_denied', outcome.details)
    case 'error':
      return customRefusal(rule, 'custom_error', outcome.details)
    case 'too-large':
      return customRefusal(rule, 'custom_body_too_large', outcome.details)
  }
}

/** `opa:allowed`, `opa:error:timeout`: for the record. */
export function noteOf({ provider }: CustomOutcome, outcome: CheckOutcome): string {
  switch (outcome.kind) {
    case 'allow':
      return `${provider}:allowed`
    case 'deny':
      return `${provider}:denied`
    case 'too-large':
      return `${provider}:body_too_large`
    case 'error':
      return `${provider}:${outcome.allowed ? 'failed_open' : 'error'}:${outcome.reason}`
  }
}

const unchanged: Allow = Object.freeze({
  kind: 'allow',
  setHeaders: [],
  appendHeaders: [],
  removeHeaders: [],
  responseHeaders: [],
  responseSetHeaders: [],
  responseAbsentHeaders: [],
  responsePresentHeaders: [],
  query: null,
})

const withoutExpect = (allow: Allow): Allow => ({
  ...allow,
  removeHeaders: [...allow.removeHeaders, 'expect'],
})
