/**
 * The inbound itinerary: downstream peer → us → the application. It names the steps in order; each step is a file of its
 * own (docs/follow-a-byte.md walks through it).
 */
import type { Socket } from 'node:net'
import { parseIp } from '../../address/ip.ts'
import { ConnectionContext } from '../../authz/request-context.ts'
import { classify } from '../classify.ts'
import type { Classified } from '../classify.ts'
import type { DataPlane } from '../data-plane.ts'
import type { InboundMapping } from '../dataplane-settings.ts'
import { chooseChain, inspectsHttp, inspectsTls, portKind } from '../filter-chain.ts'
import type { RequestCarrier } from '../http/serve-connection.ts'
import { multiplexedAlpn } from '../http2/multiplexed-alpn.ts'
import { openConnection, refuseConnection } from '../open-connection.ts'
import { inboundPort, refusesPlaintext } from '../world.ts'
import type { InboundCall } from './inbound-call.ts'
import { serveInboundHttp } from './serve-http.ts'
import { serveInboundTcp } from './serve-tcp.ts'
import { terminateMtls } from './terminate-mtls.ts'

export function acceptInbound(socket: Socket, mapping: InboundMapping | null, plane: DataPlane): void {
  const connection = openConnection('inbound', socket, mapping === null, plane)
  if (connection === null) return
  const world = plane.world
  if (world === null) return refuseConnection(connection, 'NR', 'no_configuration', plane)
  const port = inboundPort(world, connection.destination.port)
  const call: InboundCall = { connection, world, port, mapping }
  classify(socket, sniffing(call, plane), (first) => choose(call, first, plane))
}

function choose(call: InboundCall, first: Classified, plane: DataPlane): void {
  const { connection, port } = call
  if (first.kind === 'gone') return connection.cut(false)
  if (first.kind === 'endless') return refuseConnection(connection, 'NR', 'undecided_first_bytes', plane)
  if (first.hello !== null) connection.sni = first.hello.sni ?? ''
  const offered = first.hello?.alpn ?? null
  const chain = chooseChain(portKind(port.protocol), port.mtls, offered, first.http)
  switch (chain) {
    case 'refuse':
      return refuseConnection(
        connection,
        'NR',
        offered === null ? 'plaintext_refused' : 'filter_chain_not_found',
        plane,
      )
    case 'terminate-http':
    case 'terminate-tcp':
      return terminateMtls(call, offered ?? [], chain, plane, (alpn) => onSecure(call, chain, alpn, plane))
    case 'plain-http':
      // A declared port was not sniffed for HTTP/2, which is carried opaque.
      if (first.http === 'not-http') return onPlainHttp(call, plane)
      return serve(call, first.http === 'http1' ? 'http1' : 'http2', plane)
    case 'plain-tcp':
      return serve(call, 'opaque', plane)
  }
}

/** mTLS ended here; what is inside decides as outside, ALPN first. */
function onSecure(
  call: InboundCall,
  chain: 'terminate-http' | 'terminate-tcp',
  alpn: string | null,
  plane: DataPlane,
): void {
  if (chain === 'terminate-tcp') return serve(call, 'opaque', plane)
  if (alpn === multiplexedAlpn) return serve(call, 'multiplexed', plane)
  if (alpn === 'http/1.1') return serve(call, 'http1', plane)
  onPlainHttp(call, plane, alpn === 'h2')
}

/**
 * HTTP was declared or offered: HTTP/2 has no codec here yet and goes on as opaque bytes. Nothing else does, whatever was
 * negotiated: HTTP/1.1 that passed unread would carry its own x-forwarded-client-cert to the application.
 */
function onPlainHttp(call: InboundCall, plane: DataPlane, onlyHttp2 = false): void {
  const { clock, settings } = plane
  const options = { tls: false, http: true, deadlineMs: settings.deadlines.requestHeadMs, clock }
  classify(call.connection.stream, options, (inside) => {
    if (inside.kind === 'gone') return call.connection.cut(false)
    if (inside.kind === 'endless')
      return refuseConnection(call.connection, 'NR', 'undecided_first_bytes', plane)
    if (onlyHttp2 && inside.http !== 'http2')
      return refuseConnection(call.connection, 'DPE', 'not_http2', plane)
    // Neither: the HTTP codec answers 400 (dataplane §3.3, PROTO).
    serve(call, inside.http === 'http2' ? 'http2' : 'http1', plane)
  })
}

/** `http2`: of others, and carried unread. */
function serve(call: InboundCall, carried: RequestCarrier | 'http2' | 'opaque', plane: DataPlane): void {
  const { connection, port } = call
  if (connection.closed) return
  // The port may have turned STRICT while the first bytes were waited for: nobody looked at this connection then.
  if (connection.peer === null && refusesPlaintext(plane.world ?? call.world, port.port))
    return refuseConnection(connection, 'NR', 'plaintext_refused', plane)
  const source = parseIp(connection.remote.address)
  const destination = parseIp(connection.destination.address)
  if (source === null || destination === null) return connection.cut(false)
  // SNI counts only where our own TLS ended (policy-semantics §1.7).
  const sni = connection.peer === null ? '' : connection.sni
  connection.context = new ConnectionContext(
    connection.peer?.id.uri ?? '',
    source,
    destination,
    connection.destination.port,
    sni,
  )
  const judged = carried === 'http1' || carried === 'multiplexed'
  connection.judgedAs = judged ? 'http' : 'tcp'
  if (judged) serveInboundHttp(call, carried, plane)
  else serveInboundTcp(call, carried === 'http2', plane)
}

function sniffing(call: InboundCall, plane: DataPlane): Parameters<typeof classify>[1] {
  const { port, world } = call
  const { deadlines } = plane.settings
  const kind = portKind(port.protocol)
  const patience = deadlines.sniffMs > 0 ? deadlines.sniffMs : world.snapshot.mesh.protocolDetectionTimeoutMs
  return {
    tls: inspectsTls(port.mtls),
    http: inspectsHttp(kind, port.mtls),
    // A declared TCP port may speak server-first: silence there is an answer, and must not stall it.
    deadlineMs: kind === 'tcp' && port.mtls === 'PERMISSIVE' ? deadlines.serverFirstMs : patience,
    clock: plane.clock,
  }
}
