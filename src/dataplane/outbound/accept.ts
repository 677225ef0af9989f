/**
 * The outbound itinerary: the application → us → an endpoint of a cluster. It names the steps in order; each step is a
 * file of its own (docs/follow-a-byte.md walks through it).
 */
import type { Socket } from 'node:net'
import type { PortProtocol } from '../../policy/service.ts'
import { classify } from '../classify.ts'
import type { Classified } from '../classify.ts'
import type { Connection } from '../connection.ts'
import type { DataPlane } from '../data-plane.ts'
import { openConnection, refuseConnection } from '../open-connection.ts'
import type { World } from '../world.ts'
import { meshAlpn } from './dial-endpoint.ts'
import { serveOutboundHttp } from './serve-http.ts'
import { serveOutboundTcp } from './serve-tcp.ts'

export function acceptOutbound(socket: Socket, plane: DataPlane): void {
  const captured = plane.settings.interception === 'REDIRECT'
  const connection = openConnection('outbound', socket, captured, plane)
  if (connection === null) return
  const world = plane.world
  if (world === null) return refuseConnection(connection, 'NR', 'no_configuration', plane)
  // Without interception the application speaks to us on purpose: an HTTP proxy that routes by name.
  if (!captured) return serveOutboundHttp(connection, null, plane)
  const protocol = world.routes.protocolFor(connection.destination)
  const { deadlineMs, tls, http } = sniffing(protocol, world)
  classify(socket, { tls, http, deadlineMs, clock: plane.clock }, (first) =>
    // The configuration in force once the first bytes are there, however long they took.
    route(connection, plane.world ?? world, first, plane),
  )
}

function route(connection: Connection, world: World, first: Classified, plane: DataPlane): void {
  if (first.kind === 'gone') return connection.cut(false)
  if (first.kind === 'endless') return refuseConnection(connection, 'NR', 'undecided_first_bytes', plane)
  if (first.http === 'http1') return serveOutboundHttp(connection, connection.destination, plane)
  // Whatever is no HTTP/1.1 goes where it was going: to the service that owns the address, under that service's mTLS, or
  // through as it is. The client's own TLS keeps its server's name.
  const sni = first.hello?.sni ?? ''
  connection.sni = sni
  const cluster = world.routes.byAddress(connection.destination, sni)
  const alpn = first.http === 'http2' ? meshAlpn.http2 : meshAlpn.opaque
  serveOutboundTcp(connection, cluster, alpn, plane)
}

/** A declared TCP service may speak server-first: its first bytes are not waited for (dataplane §8.1). */
function sniffing(protocol: PortProtocol, world: World): { tls: boolean; http: boolean; deadlineMs: number } {
  const deadlineMs = world.snapshot.mesh.protocolDetectionTimeoutMs
  switch (protocol) {
    case 'tcp':
      return { tls: false, http: false, deadlineMs }
    case 'tls':
      return { tls: true, http: false, deadlineMs }
    default:
      return { tls: true, http: true, deadlineMs }
  }
}
