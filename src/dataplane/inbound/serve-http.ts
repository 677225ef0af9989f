/**
 * HTTP service of an inbound connection: each request is read one way for policy and wire, judged, and forwarded to the
 * application or refused. Identity is the connection's, the verdict the request's (dataplane trap 42).
 */
import { bind } from '../../authz/authorize.ts'
import type { BoundPolicy } from '../../authz/authorize.ts'
import type { ConnectionContext } from '../../authz/request-context.ts'
import type { DataPlane } from '../data-plane.ts'
import { denial, localReply } from '../http/deny-response.ts'
import type { Exchange } from '../http/exchange.ts'
import { viewRequest } from '../http/request-view.ts'
import { serveHttpConnection } from '../http/serve-connection.ts'
import { exchangeRecord } from '../http/exchange-record.ts'
import { ownPrincipal } from '../own-principal.ts'
import { inboundLabels } from '../traffic-labels.ts'
import { refusesPlaintext } from '../world.ts'
import type { World } from '../world.ts'
import type { InboundCall } from './inbound-call.ts'
import { forwardHttp, inboundForwarding } from './forward-http.ts'
import { judgeRequest, recordVerdict } from './judge-request.ts'
import type { Verdict } from './judge-request.ts'
import { verifyToken } from './request-token.ts'
import type { ReadRequest } from './request-token.ts'

export function serveInboundHttp(call: InboundCall, plane: DataPlane): void {
  const { connection, port } = call
  const context = connection.context as ConnectionContext
  const peerUri = connection.peer?.id.uri ?? ''
  const forwarding = inboundForwarding(call, plane)
  const { workload } = call.world.snapshot
  const series = plane.metrics.series(inboundLabels(workload, ownPrincipal(plane), peerUri, port, 'http'))
  // The policy of a generation is bound to the connection once; the next generation binds again.
  let boundWorld: World = call.world
  let bound: BoundPolicy = bind(boundWorld.httpPolicy, context)
  const policy = (): BoundPolicy => {
    const world = plane.world ?? call.world
    if (world !== boundWorld) {
      bound = bind(world.httpPolicy, context)
      boundWorld = world
    }
    return bound
  }
  // The request under way: a tunnel made of it is judged again when policy changes.
  let judged: ReadRequest | null = null
  const judge = (exchange: Exchange, request: ReadRequest): void => {
    const verdict = judgeRequest(policy(), request.context)
    exchange.data = verdict
    judged = request
    const { decision } = verdict
    if (decision.permit === null) return exchange.reply(denial(exchange.head), decision.detail, null)
    forwardHttp(exchange, decision.permit, request, forwarding)
  }

  const server = serveHttpConnection(connection, plane, plane.settings.serverHeader.inbound, {
    onRequest(exchange) {
      const world = plane.world ?? call.world
      const view = viewRequest(exchange.head, world.snapshot.mesh.pathNormalization, forwarding.rewrite)
      if (!view.ok) return refuse(exchange, view.status, view.reason)
      exchange.authority = view.host
      exchange.requestId = view.requestId
      verifyToken(exchange, view, forwarding.rewrite.proto, world, plane, (request) =>
        judge(exchange, request),
      )
    },
    onFinish(exchange) {
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
      recordVerdict(record, exchange.data as Verdict | null)
      plane.finished(record)
    },
  })
  // A request under way was allowed and is finished; nothing further comes in plaintext when only mTLS is served.
  connection.onPolicyChange = () => {
    const { world } = plane
    const plaintextEnds = connection.peer === null && world !== null && refusesPlaintext(world, port.port)
    if (server.tunnelling) {
      // A WebSocket is an opaque connection by now, and ends as one.
      const allowed = judged !== null && judgeRequest(policy(), judged.context).decision.allowed
      if (plaintextEnds || !allowed) server.destroy('refused')
    } else if (plaintextEnds) server.drain()
  }
}

function refuse(exchange: Exchange, status: number, reason: string): void {
  exchange.reply(localReply(exchange.head, status, reason), 'request_target_refused', 'DPE')
}
