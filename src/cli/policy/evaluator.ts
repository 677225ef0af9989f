/**
 * Answers questions with the proxy's own engine: the same reading of a request, the same token verifier, the same compiled
 * policy. It opens no connection, so keys that would have to be fetched are missing, and nobody is asked about CUSTOM rules.
 */
import { audit, authorize, bind, shadow } from '../../authz/authorize.ts'
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import type { Decision } from '../../authz/decision.ts'
import { nearestMiss } from '../../authz/nearest-miss.ts'
import { ConnectionContext, RequestContext } from '../../authz/request-context.ts'
import { denial, isGrpc, localReply, tokenRefusal } from '../../dataplane/http/deny-response.ts'
import type { LocalReply } from '../../dataplane/http/deny-response.ts'
import { viewRequest } from '../../dataplane/http/request-view.ts'
import type { RequestView } from '../../dataplane/http/request-view.ts'
import type { DecodedConfig } from '../../discovery/build-snapshot.ts'
import { Framing } from '../../http1/message.ts'
import type { RequestHead } from '../../http1/message.ts'
import { KeyRing } from '../../jwt/key-ring.ts'
import type { Outcome } from '../../jwt/request-authentication-verifier.ts'
import type { Answer } from './answer.ts'
import { claimedToken } from './claimed-token.ts'
import { headerOf } from './question.ts'
import type { Question } from './question.ts'
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
    if (question.protocol === 'tcp') return judge(workload.policy('tcp'), connection, null, null)
    return this.#http(question, workload, connection)
  }

  #http(
    question: Question,
    workload: WorkloadPolicy,
    connection: ConnectionContext,
  ): Judged | Promise<Judged> {
    const { principalUri } = connection
    const head = headOf(question)
    const proto = principalUri === '' ? 'http' : 'https'
    const view = viewRequest(head, workload.mesh.pathNormalization, {
      clientCertElement: principalUri === '' ? '' : `URI=${principalUri}`,
      proto,
    })
    if (!view.ok)
      return {
        asked: null,
        answer: refused(head, localReply(head, view.status, view.reason), 'request_target_refused', null),
      }
    const settle = (outcome: Outcome): Judged => {
      if (!outcome.ok) {
        const { status, body, authenticate, details } = outcome
        const answer = refused(head, tokenRefusal(head, status, body, authenticate), details, view.target)
        return { asked: null, answer: { ...answer, authenticate } }
      }
      const request = edited(view, outcome)
      request.remoteIp = question.remoteIp
      return judge(workload.policy('http'), connection, request, head)
    }
    const { tokens, requestAuthentications } = workload
    if (question.claims !== null)
      return settle(claimedToken(question.claims, requestAuthentications, view.target))
    if (tokens.idle) return settle(untouched(view.target))
    const { headers, target, host } = view
    const outcome = tokens.verify(
      { method: question.method, headers, target, scheme: proto, host },
      this.#now(),
    )
    return outcome instanceof Promise ? outcome.then(settle) : settle(outcome)
  }
}

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

/** A request as the HTTP codec would hand it over. */
function headOf({ method, path, host, headers }: Question): RequestHead {
  const length = headerOf(headers, 'content-length')
  const chunked = headerOf(headers, 'transfer-encoding') !== ''
  const counted = !chunked && /^\d{1,15}$/.test(length)
  return {
    method,
    target: path,
    version: 11,
    headers: [...headers],
    framing: chunked ? Framing.Chunked : counted ? Framing.Length : Framing.None,
    contentLength: counted ? Number(length) : -1,
    keepAlive: true,
    host,
    expectContinue: false,
    upgrade: headerOf(headers, 'upgrade').toLowerCase(),
  }
}

const nothing: readonly never[] = []

/** `head` is null on TCP. */
function judge(
  policy: CompiledPolicy,
  connection: ConnectionContext,
  request: RequestContext | null,
  head: RequestHead | null,
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
    action: actionOf(decision),
    policy: decision.policy,
    rule: decision.rule,
    reason,
    path,
    shadow: shadows,
    audit: audits,
    miss: reason === 'no_allow_matched' ? nearestMiss(policy, connection, request, { reveal: true }) : null,
  }
  return { answer, asked: { policy, connection, request } }
}

function actionOf({ reason }: Decision): Answer['action'] {
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

/** What the peer is told; HEAD has no body. */
function refused(head: RequestHead, reply: LocalReply, reason: string, path: string | null): Answer {
  const at = reply.headers.indexOf('grpc-status')
  return {
    allowed: false,
    status: reply.status,
    body: head.method === 'HEAD' ? '' : reply.body.toString(),
    ...(isGrpc(head) && at >= 0 ? { grpcStatus: Number(reply.headers[at + 1]) } : {}),
    ...undecided,
    reason,
    path,
  }
}

const undecided = { action: null, policy: null, rule: null, shadow: nothing, audit: nothing, miss: null }

function closed(reason: string): Judged {
  return {
    asked: null,
    answer: { allowed: false, status: null, body: null, ...undecided, reason, path: null },
  }
}
