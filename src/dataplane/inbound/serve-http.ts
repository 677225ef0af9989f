/**
 * HTTP service of an inbound connection: each request is read one way for policy and wire, judged, and forwarded to the
 * application or refused. Identity is the connection's, the verdict the request's (dataplane trap 42).
 */
import { bind } from '../../authz/authorize.ts'
import type { BoundPolicy } from '../../authz/authorize.ts'
import type { ConnectionContext } from '../../authz/request-context.ts'
import { Roster } from '../../lifecycle/roster.ts'
import type { DataPlane } from '../data-plane.ts'
import { ConnectionJournal } from '../decisions/connection-journal.ts'
import { denial, localReply } from '../http/deny-response.ts'
import type { Exchange } from '../http/exchange.ts'
import { viewRequest } from '../http/request-view.ts'
import { serveHttpConnection } from '../http/serve-connection.ts'
import type { RequestCarrier } from '../http/serve-connection.ts'
import { exchangeRecord } from '../http/exchange-record.ts'
import { ownPrincipal } from '../own-principal.ts'
import { inboundLabels } from '../traffic-labels.ts'
import { refusesPlaintext } from '../world.ts'
import type { World } from '../world.ts'
import { checkConnection } from './check-subject.ts'
import { consultAuthorizer, isAnswered } from './consult-authorizer.ts'
import type { ConsultSite } from './consult-authorizer.ts'
import type { InboundCall } from './inbound-call.ts'
import { forwardHttp, inboundForwarding } from './forward-http.ts'
import { judgeRequest, recordVerdict } from './judge-request.ts'
import { OpenRequest } from './open-request.ts'
import { verifyAgain, verifyToken } from './request-token.ts'
import type { ReadRequest } from './request-token.ts'

export function serveInboundHttp(call: InboundCall, carrier: RequestCarrier, plane: DataPlane): void {
  const { connection, port } = call
  const context = connection.context as ConnectionContext
  const peerUri = connection.peer?.id.uri ?? ''
  const forwarding = inboundForwarding(call, plane)
  // What token rules may ask of the connection.
  const bearer = {
    scheme: forwarding.rewrite.proto,
    port: port.port,
    peer: peerUri.slice('spiffe://'.length),
  }
  const { workload } = call.world.snapshot
  const series = plane.metrics.series(inboundLabels(workload, ownPrincipal(plane), peerUri, port, 'http'))
  const world = (): World => plane.world ?? call.world
  // The policy of a generation is bound to the connection once; the next generation binds again.
  let boundWorld: World = call.world
  let bound: BoundPolicy = bind(boundWorld.httpPolicy, context)
  const policy = (): BoundPolicy => {
    if (world() !== boundWorld) {
      boundWorld = world()
      bound = bind(boundWorld.httpPolicy, context)
    }
    return bound
  }
  const journal = new ConnectionJournal(plane.journal, connection)
  const site: ConsultSite = {
    policy,
    world,
    connection: () => checkConnection(connection, plane),
    journal,
    scheme: forwarding.rewrite.proto,
    again: plane.askedAgain,
    cut: () => server.destroy('refused'),
    fault: plane.fault,
  }
  const requests = new Roster<OpenRequest>()
  // The token rules that a tunnel of this connection passed.
  let { tokens } = world()
  // CUSTOM, then tokens, then AUDIT, DENY and ALLOW (policy-semantics §2.1). Steps that nothing asks for are not taken.
  const begin = (open: OpenRequest): void => {
    if (policy().policy.custom.rules.length === 0) verify(open, open.view)
    else consultAuthorizer(open, site, (passed) => verify(open, passed))
  }
  const verify = (open: OpenRequest, view: ReadRequest): void => {
    if (world().tokens.idle) return judge(open, view)
    verifyToken(open.exchange, view, bearer, world(), plane, {
      next(request) {
        // Policy may have changed while keys were fetched.
        if (isAnswered(open, site)) judge(open, request)
        else begin(open)
      },
      refused: (detail) => journal.tokenRefused(open, view, detail, world()),
    })
  }
  const judge = (open: OpenRequest, request: ReadRequest): void => {
    const { exchange } = open
    const verdict = judgeRequest(policy(), request.context)
    open.verdict = verdict
    journal.judged(open, request, verdict, bound.policy, boundWorld)
    const { decision } = verdict
    if (decision.permit === null) return exchange.reply(denial(exchange.head), decision.detail, null)
    open.forwarded = request
    forwardHttp(exchange, decision.permit, request, forwarding)
  }

  const server = serveHttpConnection(connection, carrier, plane, plane.settings.serverHeader.inbound, {
    onRequest(exchange) {
      const { pathNormalization } = world().snapshot.mesh
      const view = viewRequest(exchange.head, pathNormalization, forwarding.rewrite)
      if (!view.ok) {
        journal.unread(exchange, world())
        return refuse(exchange, view.status, view.reason)
      }
      exchange.authority = view.host
      exchange.requestId = view.requestId
      const open = new OpenRequest(exchange, view)
      exchange.data = open
      requests.join(open)
      begin(open)
    },
    onFinish(exchange) {
      const open = exchange.data as OpenRequest | null
      if (open !== null) {
        requests.leave(open)
        open.inquiry?.abandon()
      }
      const { durationMs, bytesReceived, bytesSent } = exchange
      series.request(
        exchange.responseCode,
        exchange.responseFlags,
        exchange.grpcStatus,
        durationMs,
        bytesReceived,
        bytesSent,
      )
      if (!plane.recording) return
      const record = exchangeRecord(exchange, connection, plane)
      recordVerdict(record, open?.verdict ?? null)
      record.custom = open?.custom ?? ''
      plane.finished(record)
    },
  })
  connection.onPolicyChange = () => {
    const plaintextEnds = connection.peer === null && refusesPlaintext(world(), port.port)
    for (const open of requests.list()) {
      const { forwarded, inquiry } = open
      if (forwarded === null) {
        // Not judged yet: it must not pass on a connection that would not be served now.
        if (plaintextEnds) return server.destroy('refused')
        if (inquiry?.pending === true) inquiry.proceed()
      } else if (server.tunnelling) {
        // A WebSocket is an opaque connection by now, and ends as one.
        const verdict = judgeRequest(policy(), forwarded.context)
        const { allowed } = verdict.decision
        if (!allowed) journal.ended(open, forwarded, verdict, bound.policy, boundWorld)
        if (plaintextEnds || !allowed) return server.destroy('refused')
        if (!isAnswered(open, site)) consultAuthorizer(open, site, ignore)
        if (tokens !== world().tokens && world().tokens.demandsRequests(port.port))
          verifyAgain(forwarded, bearer, world(), plane, () => server.destroy('refused'))
      }
    }
    ;({ tokens } = world())
    // A request under way was allowed and is finished; nothing further comes in plaintext when only mTLS is served.
    if (plaintextEnds) server.drain()
  }
}

function refuse(exchange: Exchange, status: number, reason: string): void {
  exchange.reply(localReply(exchange.head, status, reason), 'request_target_refused', 'DPE')
}

function ignore(): void {
  return undefined
}
