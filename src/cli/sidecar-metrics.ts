/** Everything a scrape of a sidecar tells, gathered when asked: the threads' counts and the control thread's own state. */
import { X509Certificate } from 'node:crypto'
import type { ThreadMetrics } from '../dataplane/worker-protocol.ts'
import type { SecretSet } from '../identity/svid.ts'
import { systemClock } from '../lifecycle/clock.ts'
import { Prometheus } from '../telemetry/prometheus.ts'
import type { WorkerPool } from '../dataplane/worker-pool.ts'
import type { ConfigSource } from '../discovery/config-source.ts'
import type { Latest } from '../lifecycle/latest.ts'
import type { KeySets } from '../jwt/key-source.ts'
import type { AccessLogSink } from './access-log-sink.ts'
import type { DecisionLogSink } from './decision-log-sink.ts'
import { keySetRows, type KeySetRow } from './key-set-metrics.ts'
import { version } from './version.ts'

export interface MetricSources {
  readonly workers: WorkerPool
  readonly config: ConfigSource
  readonly secrets: Latest<SecretSet>
  readonly accessLog: AccessLogSink
  readonly decisionLog: DecisionLogSink
  readonly keys: () => KeySets
}

export interface SidecarMetrics {
  readonly contentType: string
  readonly render: () => Promise<string>
}

export function sidecarMetrics(sources: MetricSources): SidecarMetrics {
  const { workers, config, secrets, accessLog, decisionLog } = sources
  const prometheus = new Prometheus(version)
  let threads: ThreadMetrics[] = []
  const sum = (read: (thread: ThreadMetrics) => number): number =>
    threads.reduce((total, thread) => total + read(thread), 0)
  const one = (value: number) => [{ labels: {}, value }]
  const { gauge, counter } = {
    gauge: prometheus.gauge.bind(prometheus),
    counter: prometheus.counter.bind(prometheus),
  }

  gauge({
    name: 'sallyport_config_generation',
    help: 'Configuration in force in every data thread',
    read: () => one(workers.generation),
  })
  gauge({
    name: 'sallyport_quarantined_objects',
    help: 'Configuration objects that are not in force',
    read: () => one(config.snapshots.value?.quarantine.length ?? 0),
  })
  gauge({
    name: 'sallyport_config_connected',
    help: '1 while the source of configuration answers',
    read: () => one(config.status().connected ? 1 : 0),
  })
  counter({
    name: 'sallyport_config_rejected_total',
    help: 'Whole updates refused',
    read: () => one(config.status().rejected),
  })
  gauge({
    name: 'istio_agent_cert_expiry_seconds',
    help: 'Seconds until the certificate in force expires; negative when it has',
    read: () =>
      secrets.value === undefined
        ? []
        : [{ labels: { resource_name: 'default' }, value: expirySeconds(secrets.value) }],
  })
  gauge({
    name: 'sallyport_connections',
    help: 'Live downstream connections',
    read: () => [
      { labels: { direction: 'inbound' }, value: sum(({ connections }) => connections.inbound) },
      { labels: { direction: 'outbound' }, value: sum(({ connections }) => connections.outbound) },
    ],
  })
  counter({
    name: 'sallyport_refused_connections_total',
    help: 'Connections closed before any chain served them, by reason',
    read: () => refusals(threads),
  })
  counter({
    name: 'sallyport_authorizer_checks_total',
    help: 'Questions to the authorizers of CUSTOM policies, by provider and result',
    read: () => checks(threads),
  })
  gauge({
    name: 'sallyport_event_loop_delay_p99_seconds',
    help: 'Worst data thread since the last scrape',
    read: () => one(Math.max(0, ...threads.map(({ loopDelayP99Ms }) => loopDelayP99Ms)) / 1000),
  })
  counter({
    name: 'sallyport_access_log_dropped_total',
    help: 'Access log lines lost to a slow reader',
    read: () => one(accessLog.dropped),
  })
  counter({
    name: 'sallyport_policy_verdicts_total',
    help: 'Verdicts on inbound requests and opaque connections, by the policy that gave them',
    read: () =>
      summed(
        threads.flatMap(({ verdicts }) => verdicts),
        ({ verdict, reason, policy }) => ({ verdict, reason, policy }),
      ),
  })
  counter({
    name: 'sallyport_policy_shadow_verdicts_total',
    help: 'What dry-run policies would have said, by action and the policy that matched',
    read: () =>
      summed(
        threads.flatMap(({ shadows }) => shadows),
        ({ action, result, policy }) => ({ action, result, policy }),
      ),
  })
  counter({
    name: 'sallyport_decision_log_written_total',
    help: 'Decision log lines written',
    read: () => one(decisionLog.written),
  })
  counter({
    name: 'sallyport_decision_log_dropped_total',
    help: 'Decision log lines lost to a slow or failing writer',
    read: () => one(decisionLog.dropped + sum(({ droppedDecisions }) => droppedDecisions)),
  })
  const keySets = (): KeySetRow[] =>
    keySetRows(config.snapshots.value?.requestAuthentications ?? [], sources.keys())
  gauge({
    name: 'sallyport_jwks_keys',
    help: 'Usable keys of an issuer',
    read: () => keySets().map(({ labels, keys }) => ({ labels, value: keys })),
  })
  gauge({
    name: 'sallyport_jwks_last_success_timestamp_seconds',
    help: 'When the keys of an issuer were last fetched',
    read: () =>
      keySets().flatMap(({ labels, lastSuccess }) =>
        lastSuccess === null ? [] : [{ labels, value: lastSuccess }],
      ),
  })
  counter({
    name: 'sallyport_jwks_fetch_failures_total',
    help: 'Attempts to fetch the keys of an issuer that failed',
    read: () =>
      keySets().flatMap(({ labels, failures }) =>
        labels.source === 'inline' ? [] : [{ labels, value: failures }],
      ),
  })
  counter({
    name: 'sallyport_worker_replaced_total',
    help: 'Data threads that died and were replaced',
    read: () => one(workers.replaced),
  })
  counter({
    name: 'sallyport_metric_series_overflow_total',
    help: 'Connections whose labels found no room',
    read: () => one(sum(({ overflowedSeries }) => overflowedSeries)),
  })
  return {
    contentType: prometheus.contentType,
    async render() {
      threads = (await workers.ask('metrics')) as ThreadMetrics[]
      return prometheus.render(threads.map(({ series }) => series))
    },
  }
}

/** Cells of several threads under equal labels, added up. */
function summed<T extends { readonly count: number }>(
  cells: readonly T[],
  labelsOf: (cell: T) => Record<string, string>,
): { labels: Record<string, string>; value: number }[] {
  const total = new Map<string, { labels: Record<string, string>; value: number }>()
  for (const cell of cells) {
    const labels = labelsOf(cell)
    const key = JSON.stringify(labels)
    const known = total.get(key)
    if (known === undefined) total.set(key, { labels, value: cell.count })
    else known.value += cell.count
  }
  return [...total.values()]
}

function refusals(threads: readonly ThreadMetrics[]): { labels: { reason: string }; value: number }[] {
  const total = new Map<string, number>()
  for (const thread of threads) {
    for (const [reason, count] of Object.entries(thread.refusals))
      total.set(reason, (total.get(reason) ?? 0) + count)
  }
  return [...total].map(([reason, value]) => ({ labels: { reason }, value }))
}

/** A provider whose settings changed begins anew. */
function checks(
  threads: readonly ThreadMetrics[],
): { labels: { provider: string; result: string }; value: number }[] {
  const total = new Map<string, Record<string, number>>()
  for (const { authorizers } of threads) {
    for (const [provider, counted] of Object.entries(authorizers)) {
      const { allowed, denied, errors, failedOpen, cancelled } = counted
      const results = { allowed, denied, error: errors - failedOpen, failed_open: failedOpen, cancelled }
      const sums = total.get(provider) ?? {}
      for (const [result, count] of Object.entries(results)) sums[result] = (sums[result] ?? 0) + count
      total.set(provider, sums)
    }
  }
  return [...total].flatMap(([provider, sums]) =>
    Object.entries(sums).map(([result, value]) => ({ labels: { provider, result }, value })),
  )
}

function expirySeconds(secrets: SecretSet): number {
  return Math.floor(
    (new X509Certificate(secrets.certificateChain).validToDate.getTime() - systemClock.now()) / 1000,
  )
}
