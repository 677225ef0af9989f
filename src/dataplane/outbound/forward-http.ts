/**
 * Sends a request to an endpoint of its cluster, and to another one when the connection cannot be made. A wrong server
 * identity is a failed connection here: nothing of the request has left (architecture §3, secure naming).
 */
import type { Cluster } from '../../cluster/cluster.ts'
import type { Endpoint } from '../../cluster/endpoint.ts'
import { pick } from '../../cluster/load-balancer.ts'
import type { Series } from '../../telemetry/traffic-metrics.ts'
import type { DataPlane } from '../data-plane.ts'
import { localReply } from '../http/deny-response.ts'
import type { Exchange, UpstreamTarget } from '../http/exchange.ts'
import { upgrades } from '../http/headers.ts'
import type { RequestView } from '../http/request-view.ts'
import type { World } from '../world.ts'
import { ownPrincipal } from '../own-principal.ts'
import { outboundLabels } from '../traffic-labels.ts'
import { dialEndpoint, meshAlpn } from './dial-endpoint.ts'

/** What only the outbound side knows of an exchange, for its record and its counts. */
export interface OutboundOutcome {
  readonly series: Series
  /** Identity of the server that was asked for, '' outside the mesh. */
  readonly serverUri: string
  /** TLS was asked for: a server that did not prove itself is unverified, not plaintext. */
  readonly secured: boolean
  /** Where the request counts as in flight, until another endpoint is tried or the exchange is over. */
  readonly endpoint: Endpoint
}

/** Connect failures are tried on two more endpoints (dataplane §8.5). */
const attempts = 3
export const outboundRewrite = { clientCertElement: '', proto: 'http' } as const

const none: readonly Endpoint[] = []

/** A request on its way, as its exchange's `data`: what another attempt needs to know. */
export class OutboundRequest {
  readonly cluster: Cluster
  readonly view: Extract<RequestView, { ok: true }>
  readonly plane: DataPlane
  /** Endpoints that could not be connected to. */
  failed: readonly Endpoint[] = none
  /** Of the attempt under way; null before the first. */
  outcome: OutboundOutcome | null = null

  constructor(cluster: Cluster, view: Extract<RequestView, { ok: true }>, plane: DataPlane) {
    this.cluster = cluster
    this.view = view
    this.plane = plane
  }
}

export function forwardOutbound(
  exchange: Exchange,
  cluster: Cluster,
  view: Extract<RequestView, { ok: true }>,
  plane: DataPlane,
): void {
  exchange.requestId = view.requestId
  exchange.upstreamCluster = cluster.name
  const first = pick(cluster, plane.random)
  if (first === null)
    return exchange.reply(localReply(exchange.head, 503, 'no healthy upstream'), 'no_healthy_upstream', 'UH')
  const request = new OutboundRequest(cluster, view, plane)
  exchange.data = request
  attempt(exchange, request, first)
}

function attempt(exchange: Exchange, request: OutboundRequest, endpoint: Endpoint): void {
  const { cluster, view, plane } = request
  const route = routeTo(cluster, endpoint, view.host, plane)
  leave(request)
  endpoint.inFlight += 1
  request.outcome = route.outcome
  exchange.upstreamHost = route.address
  let { target } = route
  // A WebSocket takes its connection over: it cannot share one.
  if (upgrades(exchange.head)) target = { ...target, upstreams: plane.meshPool.oneByOne }
  if (request.failed.length + 1 === attempts) target = { ...target, onDialFailure: null }
  exchange.forward(target, view.target, view.headers)
}

/** `onDialFailure` of every outbound request. */
function elsewhere(exchange: Exchange): boolean {
  const request = exchange.data as OutboundRequest
  const { cluster, plane, failed, outcome } = request
  const tried = outcome === null ? failed : [...failed, outcome.endpoint]
  request.failed = tried
  const next = pick(cluster, plane.random, tried)
  if (next === null || tried.includes(next)) return false
  attempt(exchange, request, next)
  return true
}

/** The exchange is over, or goes on elsewhere. */
export function leave({ outcome }: OutboundRequest): void {
  if (outcome !== null) outcome.endpoint.inFlight -= 1
}

interface Route {
  readonly target: UpstreamTarget
  readonly outcome: OutboundOutcome
  /** `address:port` */
  readonly address: string
}

/**
 * What forwarding to an endpoint of a cluster takes. A cluster is one world's, and those that clients make up by the
 * address they name are made anew for each request: what is known of either goes with it, and nothing grows.
 */
const routes = new WeakMap<Cluster, WeakMap<Endpoint, Route>>()

function routeTo(cluster: Cluster, endpoint: Endpoint, authority: string, plane: DataPlane): Route {
  let known = routes.get(cluster)
  if (known === undefined) routes.set(cluster, (known = new WeakMap()))
  const cached = known.get(endpoint)
  if (cached !== undefined) return cached
  const world = plane.world as World
  const host = cluster.service?.hostname ?? authority
  const { tls } = endpoint
  const serverUri = tls.mode === 'mtls' ? (tls.expected[0] ?? '') : ''
  const labels = outboundLabels(
    world.snapshot.workload,
    ownPrincipal(plane),
    cluster.name,
    cluster.service,
    serverUri,
    'http',
  )
  const route: Route = {
    target: {
      upstreams: tls.mode === 'mtls' ? plane.meshPool : plane.meshPool.oneByOne,
      key: endpoint.key,
      dial: (done, offer) => {
        const alpn = offer === 'multiplexed' ? meshAlpn.multiplexed : meshAlpn.http1
        dialEndpoint({ endpoint, alpn, timeoutMs: cluster.connectTimeoutMs, host }, plane, done)
      },
      response: { server: plane.settings.serverHeader.outbound, serviceTime: true },
      timeoutMs: 0,
      onDialFailure: elsewhere,
    },
    outcome: { series: plane.metrics.series(labels), serverUri, secured: tls.mode !== 'plaintext', endpoint },
    address: `${endpoint.address}:${endpoint.port}`,
  }
  known.set(endpoint, route)
  return route
}
