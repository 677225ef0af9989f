/**
 * HTTP service of an inbound connection: each request is read one way for policy and wire, judged, and forwarded to the
 * application or refused. Identity is the connection's, the verdict the request's (dataplane trap 42).
 */
import { authorize, bind } from '../../authz/authorize.ts'
import type { BoundPolicy } from '../../authz/authorize.ts'
import type { Decision } from '../../authz/decision.ts'
import type { ConnectionContext } from '../../authz/request-context.ts'
import type { DataPlane } from '../data-plane.ts'
import { denial, localReply, tokenRefusal } from '../http/deny-response.ts'
import type { Exchange } from '../http/exchange.ts'
import { viewRequest } from '../http/request-view.ts'
import { serveHttpConnection } from '../http/serve-connection.ts'
import { exchangeRecord } from '../http/exchange-record.ts'
import { inboundLabels } from '../traffic-labels.ts'
import { refusesPlaintext } from '../world.ts'
import type { World } from '../world.ts'
import type { InboundCall } from './inbound-call.ts'
import { bearsToken } from './bears-token.ts'
import { forwardHttp, inboundForwarding } from './forward-http.ts'

export function serveInboundHttp(call: InboundCall, plane: DataPlane): void {
  const { connection, port } = call
  const context = connection.context as ConnectionContext
  const peerUri = connection.peer?.id.uri ?? ''
  const forwarding = inboundForwarding(call, plane)
  const { workload } = call.world.snapshot
  const series = plane.metrics.series(
    inboundLabels(workload, call.world.localPrincipal, peerUri, port, 'http'),
  )
  // The policy of a generation is bound to the connection once; the next generation binds again.
  let boundWorld: World = call.world
  let bound: BoundPolicy = bind(boundWorld.httpPolicy, context)

  const server = serveHttpConnection(connection, plane, plane.settings.serverHeader.inbound, {
    onRequest(exchange) {
      const world = plane.world ?? call.world
      if (world !== boundWorld) {
        bound = bind(world.httpPolicy, context)
        boundWorld = world
      }
      const view = viewRequest(exchange.head, world.snapshot.mesh.pathNormalization, forwarding.rewrite)
      if (!view.ok) return refuse(exchange, view.status, view.reason)
      exchange.authority = view.host
      exchange.requestId = view.requestId
      if (world.refusesTokens && bearsToken(exchange.head, view.target)) return refuseToken(exchange)
      const decision = authorize(bound, view.context)
      exchange.data = decision
      if (decision.permit === null) return exchange.reply(denial(exchange.head), decision.detail, null)
      forwardHttp(exchange, decision.permit, view, forwarding)
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
      const decision = exchange.data as Decision | null
      if (decision !== null) {
        record.policy = decision.policy ?? ''
        record.rule = decision.rule ?? -1
        record.decision = decision.reason
      }
      plane.finished(record)
    },
  })
  // A request under way was allowed and is finished; nothing further comes in plaintext when only mTLS is served.
  connection.onPolicyChange = () => {
    const { world } = plane
    if (connection.peer === null && world !== null && refusesPlaintext(world, port.port)) server.drain()
  }
}

function refuse(exchange: Exchange, status: number, reason: string): void {
  exchange.reply(localReply(exchange.head, status, reason), 'request_target_refused', 'DPE')
}

/** A RequestAuthentication that was refused cannot be trusted to have meant less (architecture §4). */
function refuseToken(exchange: Exchange): void {
  const text = 'Jwt verification fails'
  exchange.reply(
    tokenRefusal(exchange.head, 401, text, null),
    'jwt_authn_access_denied{quarantined_request_authentication}',
    null,
  )
}
