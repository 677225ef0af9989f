/**
 * Carries an opaque connection of the application to an endpoint of a cluster: pick, dial, splice, and on a connect
 * failure another endpoint. The cluster was chosen by whoever calls.
 */
import type { Cluster } from '../../cluster/cluster.ts'
import type { Endpoint } from '../../cluster/endpoint.ts'
import { pick } from '../../cluster/load-balancer.ts'
import type { Connection } from '../connection.ts'
import type { DataPlane } from '../data-plane.ts'
import { OpaqueSession } from '../opaque-session.ts'
import { refuseConnection, startRecord } from '../open-connection.ts'
import { failureAnswers } from '../response-flag.ts'
import { ownPrincipal } from '../own-principal.ts'
import { outboundLabels } from '../traffic-labels.ts'
import { dialEndpoint } from './dial-endpoint.ts'

/** Endpoints tried before giving up: the first and, as for HTTP, two more. */
const attempts = 3

/** For a client that is told: CONNECT answers its 200 once the upstream is there, before the first byte is copied. */
export interface TunnelAnswers {
  onOpen(): void
  onFailure(status: number, body: string): void
}

export function serveOutboundTcp(
  connection: Connection,
  cluster: Cluster,
  alpn: readonly string[],
  plane: DataPlane,
  answers: TunnelAnswers | null = null,
): void {
  if (cluster.kind === 'blackhole') {
    answers?.onFailure(502, 'the destination is in no registry, and only registered ones may be called')
    return refuseConnection(connection, 'UH', 'blackhole_cluster', plane)
  }
  const first = pick(cluster, plane.random)
  if (first === null) {
    answers?.onFailure(503, 'no healthy upstream')
    return refuseConnection(connection, 'UH', 'no_healthy_upstream', plane)
  }
  const record = startRecord(connection, plane)
  record.upstreamCluster = cluster.name
  const tried: Endpoint[] = []
  let session: OpaqueSession | null = null

  const attempt = (endpoint: Endpoint): void => {
    tried.push(endpoint)
    endpoint.inFlight += 1
    record.upstreamHost = `${endpoint.address}:${endpoint.port}`
    const dial = {
      endpoint,
      alpn,
      timeoutMs: cluster.connectTimeoutMs,
      host: cluster.service?.hostname ?? endpoint.address,
    }
    dialEndpoint(dial, plane, (result) => {
      if (!result.ok) {
        endpoint.inFlight -= 1
        const next = tried.length < attempts ? pick(cluster, plane.random, tried) : null
        if (next !== null && !tried.includes(next) && !connection.closed) return attempt(next)
        const answer = failureAnswers[result.failure.kind]
        answers?.onFailure(answer.status, answer.body)
        open('').fail(answer.flag, answer.details, result.failure.reason)
        return
      }
      const uri = result.info.peer?.id.uri ?? ''
      record.upstreamHost = result.info.remoteAddress
      record.upstreamLocalAddress = result.info.localAddress
      record.peerPrincipal = uri === '' ? 'plaintext' : uri
      result.stream.once('close', () => (endpoint.inFlight -= 1))
      const opened = open(uri)
      // The client left while we dialled, before there was a session to hear of it.
      if (connection.closed) opened.fail('DC', 'downstream_remote_disconnect')
      if (opened.finished) {
        result.stream.destroy()
        return
      }
      answers?.onOpen()
      opened.begin(result.stream)
    })
  }
  // The series is known once the server is: its identity is a label.
  const open = (serverUri: string): OpaqueSession => {
    if (session !== null) return session
    const { world } = plane
    const own = world?.snapshot.workload
    const labels = outboundLabels(
      own ?? nobody,
      ownPrincipal(plane),
      cluster.name,
      cluster.service,
      serverUri,
      'tcp',
    )
    session = new OpaqueSession(connection, record, plane.metrics.series(labels), {
      now: () => plane.clock.now(),
      finished: plane.finished,
      sessions: plane.sessions,
    })
    return session
  }
  attempt(first)
}

const nobody = { name: '', namespace: '', serviceAccount: '', labels: {}, addresses: [] }
