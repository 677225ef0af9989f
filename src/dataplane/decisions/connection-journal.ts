/**
 * The verdicts of one HTTP connection on their way into the journal. On the hot path it counts and, for what is allowed,
 * compares once; everything else is for refusals and for the few requests that are recorded.
 */
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import type { Decision } from '../../authz/decision.ts'
import { isPeers } from '../../authz/request-principal.ts'
import type { DecisionLine } from '../../telemetry/decision-line.ts'
import type { VerdictCell } from '../../telemetry/verdict-counts.ts'
import type { Connection } from '../connection.ts'
import type { Exchange } from '../http/exchange.ts'
import { authorityOf } from '../http/request-view.ts'
import type { Verdict } from '../inbound/judge-request.ts'
import type { OpenRequest } from '../inbound/open-request.ts'
import type { ReadRequest } from '../inbound/request-token.ts'
import type { World } from '../world.ts'
import type { DecisionJournal } from './decision-journal.ts'
import { JudgedConnection, type JudgedRequest } from './judged.ts'

export class ConnectionJournal {
  readonly #journal: DecisionJournal
  readonly #connection: Connection
  #facts: JudgedConnection | null = null
  // Most requests of a connection are judged alike.
  #last: Decision | null = null
  #cell: VerdictCell | null = null

  constructor(journal: DecisionJournal, connection: Connection) {
    this.#journal = journal
    this.#connection = connection
  }

  /** `request` as it was judged. */
  judged(
    open: OpenRequest,
    request: ReadRequest,
    verdict: Verdict,
    policy: CompiledPolicy,
    world: World,
  ): void {
    const { decision, shadows } = verdict
    if (decision !== this.#last) {
      this.#last = decision
      this.#cell = this.#journal.counts.cell(decision)
    }
    ;(this.#cell as VerdictCell).count += 1
    if (shadows.length > 0) this.#journal.counts.shadow(shadows)
    if (decision.allowed && !this.#journal.sampler.take()) return
    this.#record('request', open, request, tokenOf(request), verdict, policy, world)
  }

  /** A tunnel made of the request, judged again after a change and refused. */
  ended(
    open: OpenRequest,
    request: ReadRequest,
    verdict: Verdict,
    policy: CompiledPolicy,
    world: World,
  ): void {
    this.#journal.counts.cell(verdict.decision).count += 1
    this.#record('rejudged', open, request, tokenOf(request), verdict, policy, world)
  }

  /** An authorizer did not let it through, or could not be asked: tokens and the other rules were not looked at. */
  unconsented(open: OpenRequest, verdict: Verdict, policy: CompiledPolicy, world: World): void {
    this.#journal.counts.cell(verdict.decision).count += 1
    this.#record('request', open, open.view, null, verdict, policy, world)
  }

  /** A target that could be read two ways. */
  unread({ head }: Exchange, world: World): void {
    const request = { head, requestId: '', host: authorityOf(head), context: null, token: null }
    this.#journal.refused('request_target_refused', this.#judgedConnection, request, world)
  }

  /** `detail` as the access log has it. */
  tokenRefused(open: OpenRequest, request: ReadRequest, detail: string, world: World): void {
    const { custom } = open
    this.#journal.refused('token_refused', this.#judgedConnection, asRead(open, request, 'refused'), world, {
      detail,
      custom,
    })
  }

  get #judgedConnection(): JudgedConnection {
    return (this.#facts ??= new JudgedConnection(this.#connection))
  }

  #record(
    event: DecisionLine['event'],
    open: OpenRequest,
    request: ReadRequest,
    token: JudgedRequest['token'],
    verdict: Verdict,
    policy: CompiledPolicy,
    world: World,
  ): void {
    const subject = {
      event,
      connection: this.#judgedConnection,
      request: asRead(open, request, token),
      custom: open.custom,
      unreadHttp: false,
    } as const
    this.#journal.record(subject, verdict, policy, world)
  }
}

function tokenOf({ context: { token } }: ReadRequest): JudgedRequest['token'] {
  if (token === null) return 'none'
  return isPeers(token) ? 'peer' : 'verified'
}

function asRead(
  { exchange }: OpenRequest,
  { context, host }: ReadRequest,
  token: JudgedRequest['token'],
): JudgedRequest {
  return { head: exchange.head, requestId: exchange.requestId, host, context, token }
}
