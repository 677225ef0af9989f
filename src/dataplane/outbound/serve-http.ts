/**
 * HTTP service of an outbound connection: each request is routed by its authority to a cluster, an endpoint is picked,
 * and the request goes out under that endpoint's mTLS. Policy is the server's; naming the server is ours.
 */
import type { SocketAddress } from '../../address/socket-address.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Connection } from '../connection.ts'
import type { DataPlane } from '../data-plane.ts'
import { localReply } from '../http/deny-response.ts'
import type { Exchange } from '../http/exchange.ts'
import { exchangeRecord } from '../http/exchange-record.ts'
import { viewRequest } from '../http/request-view.ts'
import { serveHttp1Connection } from '../http/serve-connection.ts'
import type { World } from '../world.ts'
import { serveConnect } from './connect-tunnel.ts'
import { forwardOutbound, leave, outboundRewrite } from './forward-http.ts'
import type { OutboundRequest } from './forward-http.ts'

/** `destination` is null for an explicit proxy, where the request itself says where it goes. */
export function serveOutboundHttp(
  connection: Connection,
  destination: SocketAddress | null,
  plane: DataPlane,
): void {
  const lastRoute = new LastRoute(destination)
  const server = serveHttp1Connection(connection, plane, plane.settings.serverHeader.outbound, {
    onRequest(exchange) {
      const { world } = plane
      if (world === null)
        return exchange.reply(
          localReply(exchange.head, 503, 'no configuration yet'),
          'no_configuration',
          'NC',
        )
      if (exchange.head.method === 'CONNECT') return connect(exchange, world)
      if (asksForTls(exchange.head.target)) return refuseTls(exchange)
      const view = viewRequest(exchange.head, 'NONE', outboundRewrite)
      if (!view.ok)
        return exchange.reply(
          localReply(exchange.head, view.status, view.reason),
          'request_target_refused',
          'DPE',
        )
      exchange.authority = view.host
      const cluster = lastRoute.to(view.host, world)
      if (cluster.kind === 'blackhole') return refuseUnknown(exchange, cluster)
      forwardOutbound(exchange, cluster, view, plane)
    },
    onFinish(exchange) {
      const request = exchange.data as OutboundRequest | null
      if (request !== null) leave(request)
      const outcome = request?.outcome
      const { durationMs, bytesReceived, bytesSent } = exchange
      outcome?.series.request(
        exchange.responseCode,
        exchange.responseFlags,
        exchange.grpcStatus,
        durationMs,
        bytesReceived,
        bytesSent,
      )
      if (!plane.recording) return
      const record = exchangeRecord(exchange, connection, plane)
      record.peerPrincipal =
        exchange.upstreamPrincipal || (outcome?.secured === true ? 'unverified' : 'plaintext')
      plane.finished(record)
    },
  })

  const connect = (exchange: Exchange, world: World): void => {
    if (destination !== null) {
      return exchange.reply(
        localReply(exchange.head, 405, 'CONNECT is not served on captured connections'),
        'connect_refused',
        'DPE',
      )
    }
    serveConnect(exchange, server, connection, world, plane)
  }
}

/** What the connection's last request named, and where that leads in one world: the next mostly names it again. */
class LastRoute {
  readonly #destination: SocketAddress | null
  #world: World | null = null
  #host = ''
  #cluster: Cluster | null = null

  constructor(destination: SocketAddress | null) {
    this.#destination = destination
  }

  to(host: string, world: World): Cluster {
    if (this.#cluster !== null && world === this.#world && host === this.#host) return this.#cluster
    const port = this.#destination?.port ?? portOf(host, 80)
    this.#world = world
    // Its own copy: as cut from a head it would keep all of that alive.
    this.#host = Buffer.from(host, 'latin1').toString('latin1')
    return (this.#cluster = world.routes.byHost(host, port, this.#destination))
  }
}

function asksForTls(target: string): boolean {
  // `h` or `H`: a path is told apart at once.
  return (
    (target.charCodeAt(0) | 32) === 104 &&
    target.length > 8 &&
    target.slice(0, 8).toLowerCase() === 'https://'
  )
}

/** The client wants TLS up to the server: forwarding its request would send it in plaintext where we have none. */
function refuseTls(exchange: Exchange): void {
  const text = 'an https:// target asks for TLS from end to end: use CONNECT'
  exchange.reply(localReply(exchange.head, 400, text), 'https_target_refused', 'DPE')
}

/** REGISTRY_ONLY and nobody knows the host (dataplane §8.1: block_all, 502). */
function refuseUnknown(exchange: Exchange, cluster: Cluster): void {
  exchange.upstreamCluster = cluster.name
  exchange.routeName = 'block_all'
  exchange.reply(
    localReply(exchange.head, 502, 'the host is in no registry, and only registered ones may be called'),
    'direct_response',
    null,
  )
}

/** The port a client named in an authority, else `fallback`. */
function portOf(authority: string, fallback: number): number {
  const found = /:(\d{1,5})$/.exec(authority)
  const port = Number(found?.[1])
  return found !== null && port > 0 && port < 65536 ? port : fallback
}
