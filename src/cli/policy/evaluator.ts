/**
 * Answers questions with the proxy's own engine: the same reading of a request, the same token verifier, the same compiled
 * policy. It opens no connection: keys that would have to be fetched are missing, and an authorizer says what the question
 * says that it says.
 */
import { audit, authorize, bind, shadow } from '../../authz/authorize.ts'
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import type { CustomOutcome } from '../../authz/custom-outcome.ts'
import { decidingAction } from '../../authz/deciding-action.ts'
import { nearestMiss } from '../../authz/nearest-miss.ts'
import { ConnectionContext, RequestContext } from '../../authz/request-context.ts'
import { denial, localReply, tokenRefusal } from '../../dataplane/http/deny-response.ts'
import type { LocalReply } from '../../dataplane/http/deny-response.ts'
import { viewRequest } from '../../dataplane/http/request-view.ts'
import type { RequestView } from '../../dataplane/http/request-view.ts'
import { allowedRequest, refusalOf } from '../../dataplane/inbound/apply-answer.ts'
import type { DecodedConfig } from '../../discovery/build-snapshot.ts'
import type { RequestHead } from '../../http1/message.ts'
import { KeyRing } from '../../jwt/key-ring.ts'
import type { Outcome } from '../../jwt/bearer-request.ts'
import type { Answer } from './answer.ts'
import { claimedToken } from './claimed-token.ts'
import { consultGiven } from './consult-given.ts'
import type { Consulted } from './consult-given.ts'
import { headOf } from './question-head.ts'
import type { Question } from './question.ts'
import { refused, unanswered } from './refused-answer.ts'
import { WorkloadPolicies } from './workload-policies.ts'
import type { WorkloadPolicy } from './workload-policies.ts'

type Readable = Extract<RequestView, { ok: true }>

/** What was judged, for whoever wants to explain it. */
export interface Judged {
  readonly answer: Answer
  /** null where the engine was not asked: plaintext on a STRICT port, an unreadable target, a refused token. */
  readonly asked: {
    readonly policy: CompiledPolicy
    readonly connection: ConnectionContext
    readonly request: RequestContext | null
  } | null
}

export class Evaluator {
  readonly #now: () => number
  readonly #workloads: WorkloadPolicies

  /** `now` is milliseconds since the epoch, for the lifetimes of tokens. */
  constructor(config: DecodedConfig, now: () => number) {
    this.#now = now
    const soon = (task: () => void) => {
      const handle = setImmediate(task)
      return { cancel: () => clearImmediate(handle) }
    }
    // Nobody fetches keys here, so nobody waits for them either.
    const clock = {
      now,
      after: (_: number, task: () => void) => soon(task),
      every: () => soon(() => undefined),
      soon,
    }
    this.#workloads = new WorkloadPolicies(config, new KeyRing({ clock, refetch: () => undefined }))
  }

  /** At once unless a token's signature has to be looked at. */
  evaluate(question: Question): Judged | Promise<Judged> {
    const workload = this.#workloads.of(question.workload)
    const mode = workload.mtls(question.destinationPort)
    if (mode === 'STRICT' && question.principalUri === '') return closed('plaintext_refused')
    // TLS is not ended on such a port, so nobody's identity is known there.
    const principalUri = mode === 'DISABLE' ? '' : question.principalUri
    const connection = new ConnectionContext(
      principalUri,
      question.sourceIp,
      question.destinationIp,
      question.destinationPort,
      principalUri === '' ? '' : question.sni,
    )
    return question.protocol === 'tcp'
      ? tcp(question, workload, connection)
      : this.#http(question, workload, connection)
  }

  #http(
    question: Question,
    workload: WorkloadPolicy,
    connection: ConnectionContext,
  ): Judged | Promise<Judged> {
    const { principalUri } = connection
    const head = headOf(question)
    const read = viewRequest(head, workload.mesh.pathNormalization, {
      clientCertElement: principalUri === '' ? '' : `URI=${principalUri}`,
      proto: schemeOf(connection),
    })
    if (!read.ok) return unreadable(head, read.status, read.reason)
    read.context.remoteIp = question.remoteIp
    const policy = workload.policy('http')
    const consulted = consultGiven(
      bind(policy, connection),
      read.context,
      workload.authorizers,
      question.custom,
    )
    const { rule, outcome, note } = consulted
    if (rule !== null && !consulted.passes) {
      const reply = replyTo(head, consulted)
      const base = reply === null ? unanswered : refused(head, reply, consulted.reason, read.target)
      const answer = { ...base, ...customAnswer(rule, consulted), path: read.target }
      return { answer, asked: { policy, connection, request: read.context } }
    }
    const view =
      outcome?.kind === 'allow' ? allowedRequest(read, outcome, workload.mesh.pathNormalization) : read
    if (view === null) return unreadable(head, 400, 'bad path')
    return this.#onward(question, workload, connection, { head, view, note })
  }

  /** After CUSTOM: the token, then the other actions. */
  #onward(
    question: Question,
    workload: WorkloadPolicy,
    connection: ConnectionContext,
    { head, view, note }: Passed,
  ): Judged | Promise<Judged> {
    const settle = (outcome: Outcome): Judged => {
      if (!outcome.ok) {
        const { status, body, authenticate, details } = outcome
        const answer = refused(head, tokenRefusal(head, status, body, authenticate), details, view.target)
        const told = { ...answer, custom: note }
        return { asked: null, answer: authenticate === null ? told : { ...told, authenticate } }
      }
      const request = edited(view, outcome)
      request.remoteIp = question.remoteIp
      return judge(workload.policy('http'), connection, request, head, note)
    }
    const { tokens, requestAuthentications } = workload
    if (question.claims === null && tokens.idle) return settle(untouched(view.target))
    const { headers, target, host } = view
    const { method, path } = view.context
    const peer = connection.principalUri.slice('spiffe://'.length)
    const bearer = { scheme: schemeOf(connection), port: question.destinationPort, peer }
    const request = { connection: bearer, method, headers, target, path, host }
    if (question.claims !== null)
      return settle(claimedToken(question.claims, requestAuthentications, tokens, request))
    const verified = tokens.verify(request, this.#now())
    return verified instanceof Promise ? verified.then(settle) : settle(verified)
  }
}

interface Passed {
  readonly head: RequestHead
  readonly view: Readable
  /** What the authorizer said. */
  readonly note: string | null
}

const schemeOf = ({ principalUri }: ConnectionContext): 'http' | 'https' =>
  principalUri === '' ? 'http' : 'https'

const untouched = (target: string): Outcome => ({
  ok: true,
  token: null,
  edits: { removeHeaders: [], addHeaders: [], target },
})

/** The request as the rules leave it; policy judges what is forwarded. */
function edited(view: Readable, { token, edits }: Extract<Outcome, { ok: true }>): RequestContext {
  const { removeHeaders, addHeaders, target } = edits
  const { method, path, host } = view.context
  const kept: string[] = []
  for (let at = 0; at < view.headers.length; at += 2) {
    const name = view.headers[at] as string
    if (!removeHeaders.includes(name)) kept.push(name, view.headers[at + 1] as string)
  }
  const request = new RequestContext(method, path, target, host, [...kept, ...addHeaders])
  request.token = token
  return request
}

/** `head` is null on TCP. */
function judge(
  policy: CompiledPolicy,
  connection: ConnectionContext,
  request: RequestContext | null,
  head: RequestHead | null,
  custom: string | null,
): Judged {
  const bound = bind(policy, connection)
  const audits = audit(bound, request)
  const shadows = shadow(bound, request)
  const decision = authorize(bound, request)
  const { allowed, reason } = decision
  const path = request?.pathWithQuery ?? null
  const base = head !== null && !allowed ? refused(head, denial(head), reason, path) : null
  const answer: Answer = {
    ...(base ?? { allowed, status: head === null ? null : 200, body: null }),
    action: decidingAction(reason),
    policy: decision.policy,
    rule: decision.rule,
    reason,
    path,
    shadow: shadows,
    audit: audits,
    miss: reason === 'no_allow_matched' ? nearestMiss(policy, connection, request, { reveal: true }) : null,
    custom,
  }
  return { answer, asked: { policy, connection, request } }
}

function tcp(question: Question, workload: WorkloadPolicy, connection: ConnectionContext): Judged {
  const policy = workload.policy('tcp')
  const consulted = consultGiven(bind(policy, connection), null, workload.authorizers, question.custom)
  const { rule, passes, note } = consulted
  if (rule === null || passes) return judge(policy, connection, null, null, note)
  const answer = { ...unanswered, ...customAnswer(rule, consulted) }
  return { answer, asked: { policy, connection, request: null } }
}

/** What the client of a refused request is told; null where nobody knows. */
function replyTo(head: RequestHead, { rule, outcome }: Consulted): LocalReply | null {
  if (outcome !== null && outcome.kind !== 'allow') return refusalOf(head, outcome)
  return rule?.refusal === null ? null : denial(head)
}

const customAnswer = ({ policy, rule }: CustomOutcome, { reason, note }: Consulted) =>
  ({ action: 'CUSTOM', policy, rule, reason, custom: note }) as const

function unreadable(head: RequestHead, status: number, reason: string): Judged {
  const answer = refused(head, localReply(head, status, reason), 'request_target_refused', null)
  return { asked: null, answer }
}

function closed(reason: string): Judged {
  return { asked: null, answer: { ...unanswered, reason } }
}
