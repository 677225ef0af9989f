/**
 * Starts HTTP service on a connection with the worker's limits and deadlines, and ties its drain to the connection's.
 * What a request means is the caller's: inbound and outbound hand in their own two functions.
 */
import type { Connection } from '../connection.ts'
import type { DataPlane } from '../data-plane.ts'
import type { Exchange } from './exchange.ts'
import { ServerConnection } from './server-connection.ts'

export interface HttpService {
  onRequest(exchange: Exchange): void
  onFinish(exchange: Exchange): void
}

export function serveHttpConnection(
  connection: Connection,
  plane: DataPlane,
  serverHeader: string,
  service: HttpService,
): ServerConnection {
  const { limits, deadlines } = plane.settings
  const server = new ServerConnection(
    connection.stream,
    {
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
        if (plane.draining && connection.direction === 'inbound') server.drain()
        service.onRequest(exchange)
      },
      onFinish: service.onFinish,
      onClose: ignore,
      onFault: plane.fault,
    },
    connection,
  )
  connection.onDrain = () => server.drain()
  return server
}

function ignore(): void {
  return undefined
}
