/**
 * Metrics for a scrape: numbers counted elsewhere, copied under Istio's names and labels (dataplane §11). It counts
 * nothing itself and runs only when asked.
 */
import { Gauge, Registry } from 'prom-client'
import { buckets } from './traffic-metrics.ts'
import type { HistogramCounts, RequestCell, SeriesCounts } from './traffic-metrics.ts'

interface Sample {
  readonly metricName?: string
  readonly labels: Record<string, string | number>
  readonly value: number
}

/** A gauge that is read when scraped; `labels` may be empty. */
export interface GaugeSource {
  readonly name: string
  readonly help: string
  readonly read: () => readonly { readonly labels: Record<string, string>; readonly value: number }[]
}

export class Prometheus {
  readonly #registry = new Registry()
  #series: readonly SeriesCounts[] = []

  constructor(version: string) {
    const build = new Gauge({
      name: 'istio_build',
      help: 'Version of the proxy',
      labelNames: ['component', 'tag'],
      registers: [this.#registry],
    })
    build.set({ component: 'proxy', tag: version }, 1)
    this.#counter('istio_requests_total', 'Requests', (cell) => cell.count)
    this.#histogram('istio_request_duration_milliseconds', 'Duration of requests', (cell) => cell.duration)
    this.#histogram('istio_request_bytes', 'Size of requests', (cell) => cell.requestBytes)
    this.#histogram('istio_response_bytes', 'Size of responses', (cell) => cell.responseBytes)
    this.#tcp('istio_tcp_connections_opened_total', 'Opaque connections opened', (series) => series.tcpOpened)
    this.#tcp('istio_tcp_connections_closed_total', 'Opaque connections closed', (series) => series.tcpClosed)
    this.#tcp('istio_tcp_sent_bytes_total', 'Bytes sent to downstream', (series) => series.tcpSent)
    this.#tcp(
      'istio_tcp_received_bytes_total',
      'Bytes received from downstream',
      (series) => series.tcpReceived,
    )
  }

  gauge(source: GaugeSource): void {
    this.#register(source.name, source.help, 'gauge', () =>
      source.read().map(({ labels, value }) => ({ labels, value })),
    )
  }

  counter(source: GaugeSource): void {
    this.#register(source.name, source.help, 'counter', () =>
      source.read().map(({ labels, value }) => ({ labels, value })),
    )
  }

  /** Text exposition of everything, with these traffic counts (one list a worker, added up). */
  render(workers: readonly (readonly SeriesCounts[])[]): Promise<string> {
    this.#series = workers.flat()
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  #counter(name: string, help: string, value: (cell: RequestCell) => number): void {
    this.#register(name, help, 'counter', () => {
      const sums = new Map<string, { labels: Record<string, string | number>; value: number }>()
      for (const [labels, cell] of this.#cells()) add(sums, labels, value(cell))
      return [...sums.values()]
    })
  }

  #tcp(name: string, help: string, value: (series: SeriesCounts) => number): void {
    this.#register(name, help, 'counter', () => {
      const sums = new Map<string, { labels: Record<string, string | number>; value: number }>()
      for (const series of this.#series) {
        if (series.labels.request_protocol === 'tcp') add(sums, shown(series), value(series))
      }
      return [...sums.values()]
    })
  }

  #histogram(name: string, help: string, value: (cell: RequestCell) => HistogramCounts): void {
    this.#register(name, help, 'histogram', () => {
      const sums = new Map<
        string,
        { labels: Record<string, string | number>; counts: number[]; sum: number }
      >()
      for (const [labels, cell] of this.#cells()) {
        const key = JSON.stringify(labels)
        const histogram = value(cell)
        const known = sums.get(key)
        if (known === undefined) sums.set(key, { labels, counts: [...histogram.counts], sum: histogram.sum })
        else {
          known.sum += histogram.sum
          histogram.counts.forEach((count, at) => (known.counts[at] = (known.counts[at] as number) + count))
        }
      }
      return [...sums.values()].flatMap(({ labels, counts, sum }) =>
        histogramSamples(name, labels, counts, sum),
      )
    })
  }

  *#cells(): Generator<[Record<string, string | number>, RequestCell]> {
    for (const series of this.#series) {
      const { connection_security_policy, ...labels } = shown(series)
      for (const cell of series.requests) {
        yield [
          {
            ...labels,
            response_code: String(cell.responseCode),
            grpc_response_status: cell.grpcStatus,
            response_flags: cell.responseFlags === '' ? '-' : cell.responseFlags,
            // Last, as Istio has it (dataplane §11).
            connection_security_policy: connection_security_policy ?? 'unknown',
          },
          cell,
        ]
      }
    }
  }

  // The registry renders anything that answers get() in its shape: no copy of the counts is kept twice.
  #register(
    name: string,
    help: string,
    type: 'counter' | 'gauge' | 'histogram',
    values: () => Sample[],
  ): void {
    const metric = {
      name,
      help,
      type,
      aggregator: 'sum',
      get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: values() }),
    }
    this.#registry.registerMetric(metric as unknown as Gauge)
  }
}

function shown(series: SeriesCounts): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(series.labels).map(([key, value]) => [
      key,
      value === '' ? (key.endsWith('canonical_revision') ? 'latest' : 'unknown') : (value as string),
    ]),
  )
}

function add(
  sums: Map<string, { labels: Record<string, string | number>; value: number }>,
  labels: Record<string, string | number>,
  value: number,
): void {
  const key = JSON.stringify(labels)
  const known = sums.get(key)
  if (known === undefined) sums.set(key, { labels, value })
  else known.value += value
}

function histogramSamples(
  name: string,
  labels: Record<string, string | number>,
  counts: readonly number[],
  sum: number,
): Sample[] {
  const samples: Sample[] = []
  let total = 0
  counts.forEach((count, at) => {
    total += count
    samples.push({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: at < buckets.length ? String(buckets[at]) : '+Inf' },
      value: total,
    })
  })
  samples.push(
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  )
  return samples
}
