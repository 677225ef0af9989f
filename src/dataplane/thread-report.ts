/** A data thread's answers to the control thread: plain copies of what it counted. It resets nothing but the delay gauge. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { ProviderCounters } from '../ext-authz/provider.ts'
import type { DataPlane } from './data-plane.ts'
import type { Listener } from './listener.ts'
import type { Question, ThreadMetrics } from './worker-protocol.ts'

/** What `/clusters` shows of one endpoint. */
export interface EndpointReport {
  readonly cluster: string
  readonly endpoint: string
  readonly tls: string
  readonly expected: readonly string[]
  readonly inFlight: number
}

// Ten times a second: each look wakes the thread, idle or not.
const delay = monitorEventLoopDelay({ resolution: 100 })
delay.enable()

export function threadReport(
  question: Question,
  plane: DataPlane,
  listeners: readonly Listener[],
  droppedDecisions: number,
): unknown {
  if (typeof question === 'object') return plane.journal.recent.explain(question.explain)
  switch (question) {
    case 'metrics':
      return metrics(plane, listeners, droppedDecisions)
    case 'clusters':
      return clusters(plane)
    case 'decisions':
      return plane.journal.recent.list()
  }
}

function metrics(plane: DataPlane, listeners: readonly Listener[], droppedDecisions: number): ThreadMetrics {
  const dropped = listeners.reduce((sum, listener) => sum + listener.dropped, 0)
  const loopDelayP99Ms = delay.percentile(99) / 1e6
  delay.reset()
  return {
    series: plane.metrics.collect(),
    refusals: {
      ...Object.fromEntries(plane.refusals),
      ...(dropped > 0 ? { connection_limit: dropped } : {}),
    },
    connections: { inbound: plane.table.count('inbound'), outbound: plane.table.count('outbound') },
    handshakes: plane.handshakes,
    overflowedSeries: plane.metrics.overflowed,
    generation: plane.world?.generation ?? 0,
    authorizers: authorizers(plane),
    ...plane.journal.counts.collect(),
    droppedDecisions,
    pools: { application: plane.applicationPool.counts(), mesh: plane.meshPool.counts() },
    loopDelayP99Ms,
    heapUsedBytes: process.memoryUsage().heapUsed,
  }
}

function authorizers({ authorizers }: DataPlane): ThreadMetrics['authorizers'] {
  const counters: Record<string, ProviderCounters> = {}
  for (const [name, found] of authorizers.inForce.all)
    if (found.ok) counters[name] = { ...found.provider.counters }
  return counters
}

function clusters(plane: DataPlane): EndpointReport[] {
  const { world } = plane
  if (world === null) return []
  return [...world.routes.clusters.values()].flatMap((cluster) =>
    cluster.endpoints.map((endpoint) => ({
      cluster: cluster.name,
      endpoint: `${endpoint.address}:${endpoint.port}`,
      tls: endpoint.tls.mode,
      expected: 'expected' in endpoint.tls ? endpoint.tls.expected : [],
      inFlight: endpoint.inFlight,
    })),
  )
}
