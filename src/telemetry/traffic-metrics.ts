/**
 * Counts of requests and connections in plain integers, one series a set of labels, found once a connection. Nothing
 * here knows prom-client: a scrape copies these numbers (`prometheus.ts`). Names and labels: dataplane §11.
 */

/** Label values that hold for a whole connection, in Istio's order; '' is reported as `unknown`. */
export interface TrafficLabels {
  readonly reporter: 'source' | 'destination'
  readonly source_workload: string
  readonly source_canonical_service: string
  readonly source_canonical_revision: string
  readonly source_workload_namespace: string
  readonly source_principal: string
  readonly source_app: string
  readonly source_version: string
  readonly source_cluster: string
  readonly destination_workload: string
  readonly destination_workload_namespace: string
  readonly destination_principal: string
  readonly destination_app: string
  readonly destination_version: string
  readonly destination_service: string
  readonly destination_canonical_service: string
  readonly destination_canonical_revision: string
  readonly destination_service_name: string
  readonly destination_service_namespace: string
  readonly destination_cluster: string
  readonly request_protocol: 'http' | 'grpc' | 'tcp'
  readonly connection_security_policy: 'mutual_tls' | 'none' | 'unknown'
}

/** Upper bounds of the duration and size histograms; the last bucket is +Inf. */
export const buckets = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000,
  3600000,
] as const

export interface HistogramCounts {
  readonly counts: number[]
  sum: number
}

export interface RequestCell {
  readonly responseCode: number
  readonly responseFlags: string
  readonly grpcStatus: string
  count: number
  readonly duration: HistogramCounts
  readonly requestBytes: HistogramCounts
  readonly responseBytes: HistogramCounts
}

export interface SeriesCounts {
  readonly labels: TrafficLabels
  readonly requests: RequestCell[]
  tcpOpened: number
  tcpClosed: number
  /** To downstream. */
  tcpSent: number
  tcpReceived: number
}

/** One set of labels. */
export class Series {
  readonly counts: SeriesCounts
  #last: RequestCell | null = null

  constructor(labels: TrafficLabels) {
    this.counts = { labels, requests: [], tcpOpened: 0, tcpClosed: 0, tcpSent: 0, tcpReceived: 0 }
  }

  request(
    code: number,
    flags: string,
    grpcStatus: string,
    durationMs: number,
    received: number,
    sent: number,
  ): void {
    let cell = this.#last
    if (
      cell === null ||
      cell.responseCode !== code ||
      cell.responseFlags !== flags ||
      cell.grpcStatus !== grpcStatus
    ) {
      cell = this.#cell(code, flags, grpcStatus)
      this.#last = cell
    }
    cell.count += 1
    observe(cell.duration, durationMs)
    observe(cell.requestBytes, received)
    observe(cell.responseBytes, sent)
  }

  #cell(code: number, flags: string, grpcStatus: string): RequestCell {
    for (const cell of this.counts.requests) {
      if (cell.responseCode === code && cell.responseFlags === flags && cell.grpcStatus === grpcStatus)
        return cell
    }
    const cell: RequestCell = {
      responseCode: code,
      responseFlags: flags,
      grpcStatus,
      count: 0,
      duration: emptyHistogram(),
      requestBytes: emptyHistogram(),
      responseBytes: emptyHistogram(),
    }
    this.counts.requests.push(cell)
    return cell
  }
}

/** All series of a worker, bounded: labels that peers can choose must not exhaust memory (CVE-2025-43915 class). */
export class TrafficMetrics {
  readonly #series = new Map<string, Series>()
  readonly #limit: number
  /** Connections whose labels found no room; they count in a series whose peer is `overflow`. */
  overflowed = 0

  constructor(limit = 2000) {
    this.#limit = limit
  }

  series(labels: TrafficLabels): Series {
    const key = keyOf(labels)
    const known = this.#series.get(key)
    if (known !== undefined) return known
    if (this.#series.size >= this.#limit) {
      this.overflowed += 1
      const pooled: TrafficLabels = {
        ...labels,
        source_principal: 'overflow',
        destination_service: 'overflow',
        destination_service_name: 'overflow',
        destination_principal: 'overflow',
        source_workload_namespace: 'overflow',
        destination_workload_namespace: 'overflow',
        destination_service_namespace: 'overflow',
      }
      const pooledKey = keyOf(pooled)
      const existing = this.#series.get(pooledKey)
      if (existing !== undefined) return existing
      return this.#add(pooledKey, pooled)
    }
    return this.#add(key, labels)
  }

  /** A plain copy that crosses threads. */
  collect(): SeriesCounts[] {
    return structuredClone([...this.#series.values()].map((series) => series.counts))
  }

  #add(key: string, labels: TrafficLabels): Series {
    const series = new Series(labels)
    this.#series.set(key, series)
    return series
  }
}

function keyOf(labels: TrafficLabels): string {
  return Object.values(labels).join('\n')
}

function emptyHistogram(): HistogramCounts {
  return { counts: new Array<number>(buckets.length + 1).fill(0), sum: 0 }
}

function observe(histogram: HistogramCounts, value: number): void {
  let at = 0
  while (at < buckets.length && value > (buckets[at] as number)) at += 1
  histogram.counts[at] = (histogram.counts[at] as number) + 1
  histogram.sum += value
}
