/**
 * Starts HTTP service on a connection with the worker's limits and deadlines, and ties its drain to the connection's.
 * What a request means is the caller's: inbound and outbound hand in their own two functions.
 */
import type { Connection } from '../connection.ts'
import type { DataPlane } from '../data-plane.ts'
import { Http2ServerConnection } from '../http2/server-connection.ts'
import type { Exchange } from './exchange.ts'
import { ServerConnection } from './server-connection.ts'
import type { CloseReason, ServerOptions } from './server-options.ts'

export interface HttpService {
  onRequest(exchange: Exchange): void
  onFinish(exchange: Exchange): void
}

/** HTTP/1.1, or requests side by side as two of ours agree to send them. */
export type RequestCarrier = 'http1' | 'multiplexed'

/** A served connection, whatever carries its requests. */
export interface HttpServer {
  /** True once it was upgraded: bytes go both ways unread. */
  readonly tunnelling: boolean
  drain(): void
  destroy(reason: CloseReason): void
}

export function serveHttpConnection(
  connection: Connection,
  carrier: RequestCarrier,
  plane: DataPlane,
  serverHeader: string,
  service: HttpService,
): HttpServer {
  if (carrier === 'http1') return serveHttp1Connection(connection, plane, serverHeader, service)
  const options = serverOptions(connection, plane, serverHeader, service, () => server.drain())
  const server = new Http2ServerConnection(connection.stream, options, connection)
  connection.onDrain = () => server.drain()
  return server
}

/** The only one that can be taken over for CONNECT. */
export function serveHttp1Connection(
  connection: Connection,
  plane: DataPlane,
  serverHeader: string,
  service: HttpService,
): ServerConnection {
  const options = serverOptions(connection, plane, serverHeader, service, () => server.drain())
  const server = new ServerConnection(connection.stream, options, connection)
  connection.onDrain = () => server.drain()
  return server
}

function serverOptions(
  connection: Connection,
  plane: DataPlane,
  serverHeader: string,
  service: HttpService,
  drain: () => void,
): ServerOptions {
  const { limits, deadlines } = plane.settings
  return {
    limits,
    wheel: plane.wheel,
    deadlines: {
      headMs: deadlines.requestHeadMs,
      idleMs: deadlines.httpIdleMs,
      streamIdleMs: 0,
      lingerMs: 2000,
    },
    serverHeader,
    onRequest(exchange) {
      // While draining, whoever still comes is served, and told not to come again here (dataplane trap 44).
      if (plane.draining && connection.direction === 'inbound') drain()
      service.onRequest(exchange)
    },
    onFinish: service.onFinish,
    onClose: ignore,
    onFault: plane.fault,
  }
}

function ignore(): void {
  return undefined
}
