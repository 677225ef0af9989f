/**
 * Opaque service: judged once before the application is dialled, and again whenever policy changes (architecture §5).
 * It holds no verdict of its own and copies no byte.
 */
import { bind } from '../../authz/authorize.ts'
import type { Decision } from '../../authz/decision.ts'
import type { DataPlane } from '../data-plane.ts'
import { OpaqueSession } from '../opaque-session.ts'
import { startRecord } from '../open-connection.ts'
import { ownPrincipal } from '../own-principal.ts'
import { inboundLabels } from '../traffic-labels.ts'
import { refusesPlaintext } from '../world.ts'
import type { InboundCall } from './inbound-call.ts'
import { applicationDial } from './application-dial.ts'
import { forwardTcp } from './forward-tcp.ts'
import { judgeRequest, recordVerdict } from './judge-request.ts'

export function serveInboundTcp(call: InboundCall, plane: DataPlane): void {
  const { connection, world, port } = call
  const record = startRecord(connection, plane)
  const labels = inboundLabels(
    world.snapshot.workload,
    ownPrincipal(plane),
    connection.peer?.id.uri ?? '',
    port,
    'tcp',
  )
  const session = new OpaqueSession(connection, record, plane.metrics.series(labels), {
    now: () => plane.clock.now(),
    finished: plane.finished,
    sessions: plane.sessions,
  })
  const judge = (): Decision => {
    const policy = (plane.world ?? world).tcpPolicy
    if (connection.context === null) return policy.refusal
    const verdict = judgeRequest(bind(policy, connection.context), null)
    recordVerdict(record, verdict)
    return verdict.decision
  }
  // Registered before it is judged: a policy that changes now finds the connection and judges it again.
  connection.onPolicyChange = () => {
    // The port's mode is policy as well: what came in plaintext may not stay when only mTLS is served.
    if (connection.peer === null && refusesPlaintext(plane.world ?? world, port.port)) {
      record.decision = 'plaintext_refused'
      return session.fail('NR', 'plaintext_refused')
    }
    const decision = judge()
    if (!decision.allowed) session.fail('', decision.detail)
  }
  const decision = judge()
  if (decision.permit === null) return session.fail('', decision.detail)
  forwardTcp(session, decision.permit, applicationDial(call, plane), plane.clock)
}
