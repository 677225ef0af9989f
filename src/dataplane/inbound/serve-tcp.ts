/**
 * Opaque service: judged once before the application is dialled, and again whenever policy changes (architecture §5).
 * It holds no verdict of its own and copies no byte.
 */
import { bind } from '../../authz/authorize.ts'
import type { BoundPolicy } from '../../authz/authorize.ts'
import type { Decision } from '../../authz/decision.ts'
import type { ConnectionContext } from '../../authz/request-context.ts'
import type { DataPlane } from '../data-plane.ts'
import { JudgedConnection } from '../decisions/judged.ts'
import { OpaqueSession } from '../opaque-session.ts'
import { startRecord } from '../open-connection.ts'
import { ownPrincipal } from '../own-principal.ts'
import { inboundLabels } from '../traffic-labels.ts'
import { escapesOrigins, refusesPlaintext } from '../world.ts'
import type { World } from '../world.ts'
import { checkConnection } from './check-subject.ts'
import { connectionInquiry } from './consult-about-connection.ts'
import type { InboundCall } from './inbound-call.ts'
import type { Inquiry } from './inquiry.ts'
import { applicationDial } from './application-dial.ts'
import { forwardTcp } from './forward-tcp.ts'
import { judgeRequest, recordVerdict } from './judge-request.ts'
import type { Verdict } from './judge-request.ts'

/** `unreadHttp`: HTTP/2 on a port where requests would be judged. */
export function serveInboundTcp(call: InboundCall, unreadHttp: boolean, plane: DataPlane): void {
  const { connection, port } = call
  const record = startRecord(connection, plane)
  const labels = inboundLabels(
    call.world.snapshot.workload,
    ownPrincipal(plane),
    connection.peer?.id.uri ?? '',
    port,
    'tcp',
  )
  let inquiry: Inquiry | null = null
  let forwarded = false
  const session = new OpaqueSession(connection, record, plane.metrics.series(labels), {
    now: () => plane.clock.now(),
    finished(ended) {
      inquiry?.abandon()
      plane.finished(ended)
    },
    sessions: plane.sessions,
  })
  const world = (): World => plane.world ?? call.world
  const policy = (): BoundPolicy => bind(world().tcpPolicy, connection.context as ConnectionContext)
  const note = (verdict: Verdict): void =>
    plane.journal.opaque(
      { connection, again: forwarded, unreadHttp, custom: record.custom },
      verdict,
      policy().policy,
      world(),
    )
  const judge = (): Decision => {
    const verdict = judgeRequest(policy(), null)
    recordVerdict(record, verdict)
    note(verdict)
    return verdict.decision
  }
  const pass = (): void => {
    if (forwarded) return
    const decision = judge()
    if (decision.permit === null) return session.fail('', decision.detail)
    forwarded = true
    forwardTcp(session, decision.permit, applicationDial(call, plane), plane.clock)
  }
  const escapes = (): boolean => {
    if (!escapesOrigins(world(), port.port)) return false
    record.decision = 'origin_not_shown'
    plane.journal.refused('origin_not_shown', new JudgedConnection(connection), null, world())
    session.fail('', 'origin_not_shown')
    return true
  }
  // CUSTOM, then AUDIT, DENY and ALLOW (policy-semantics §2.1).
  const consult = (): void => {
    if (inquiry === null && policy().policy.custom.rules.length === 0) return pass()
    inquiry ??= connectionInquiry({
      policy,
      world,
      connection: () => checkConnection(connection, plane),
      unreadHttp,
      again: () => (forwarded ? plane.askedAgain : null),
      fault: plane.fault,
      note(text) {
        record.custom = text
      },
      pass,
      refuse(decision, reason) {
        const verdict = { decision, audits: [], shadows: [] }
        recordVerdict(record, verdict)
        note(verdict)
        session.fail(decision.reason === 'bad_custom_provider' ? '' : 'UAEX', decision.detail, reason)
      },
    })
    inquiry.proceed()
  }
  // Registered before it is judged: a policy that changes now finds the connection and judges it again.
  connection.onPolicyChange = () => {
    // The port's mode is policy as well: what came in plaintext may not stay when only mTLS is served.
    if (connection.peer === null && refusesPlaintext(world(), port.port)) {
      record.decision = 'plaintext_refused'
      plane.journal.refused('plaintext_refused', new JudgedConnection(connection), null, world())
      return session.fail('NR', 'plaintext_refused')
    }
    if (escapes()) return
    // Bytes that flow already do not wait for an authorizer to be judged by the rest.
    if (forwarded) {
      const decision = judge()
      if (!decision.allowed) return session.fail('', decision.detail)
    }
    consult()
  }
  if (escapes()) return
  consult()
  // Nobody reads from a connection that waits: a peer that breaks it off would not be noticed.
  if (!forwarded && !session.finished) connection.stream.read(0)
}
