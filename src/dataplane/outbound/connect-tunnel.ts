/**
 * CONNECT on the explicit proxy: the application asks for an opaque stream by name, and gets one under the destination's
 * mTLS like any captured connection. No byte of the tunnel moves before the upstream is there and named.
 */
import { parseIp, formatIp } from '../../address/ip.ts'
import { responseHead } from '../../http1/write-head.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Connection } from '../connection.ts'
import type { DataPlane } from '../data-plane.ts'
import { localReply } from '../http/deny-response.ts'
import type { Exchange } from '../http/exchange.ts'
import { reasonPhrase } from '../http/reason-phrase.ts'
import type { ServerConnection } from '../http/server-connection.ts'
import type { World } from '../world.ts'
import { meshAlpn } from './dial-endpoint.ts'
import { serveOutboundTcp } from './serve-tcp.ts'

export function serveConnect(
  exchange: Exchange,
  server: ServerConnection,
  connection: Connection,
  world: World,
  plane: DataPlane,
): void {
  const found = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):(\d{1,5})$/.exec(exchange.head.target)
  const port = Number(found?.[2])
  if (found === null || port < 1 || port > 65535) {
    return exchange.reply(
      localReply(exchange.head, 400, 'CONNECT wants host:port'),
      'connect_target_refused',
      'DPE',
    )
  }
  const cluster = clusterOf(found[1] as string, port, world)
  server.takeOver((stream) => {
    connection.onDrain = null
    const answer = (head: string): void => void stream.write(head, 'latin1')
    serveOutboundTcp(connection, cluster, meshAlpn.opaque, plane, {
      onOpen: () => answer('HTTP/1.1 200 Connection Established\r\n\r\n'),
      onFailure(status, body) {
        answer(refusal(status, body))
        connection.answered = true
      },
    })
  })
}

function refusal(status: number, body: string): string {
  const headers = ['content-type', 'text/plain', 'content-length', String(body.length), 'connection', 'close']
  return responseHead(status, reasonPhrase(status), headers) + body
}

function clusterOf(host: string, port: number, world: World): Cluster {
  const ip = parseIp(host.replace(/^\[|\]$/g, ''))
  if (ip !== null) return world.routes.byAddress({ address: formatIp(ip), port })
  return world.routes.byHost(`${host}:${port}`, port, null)
}
