import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Prometheus } from '../../src/telemetry/prometheus.ts'
import { TrafficMetrics, buckets } from '../../src/telemetry/traffic-metrics.ts'
import type { TrafficLabels } from '../../src/telemetry/traffic-metrics.ts'

const labelOrder = (
  'reporter source_workload source_canonical_service source_canonical_revision source_workload_namespace ' +
  'source_principal source_app source_version source_cluster destination_workload ' +
  'destination_workload_namespace destination_principal destination_app destination_version destination_service ' +
  'destination_canonical_service destination_canonical_revision destination_service_name ' +
  'destination_service_namespace destination_cluster request_protocol'
).split(' ')

const labels = (more: Partial<TrafficLabels> = {}): TrafficLabels => ({
  reporter: 'destination',
  source_workload: '',
  source_canonical_service: '',
  source_canonical_revision: '',
  source_workload_namespace: 'ns1',
  source_principal: 'spiffe://cluster.local/ns/ns1/sa/a',
  source_app: '',
  source_version: '',
  source_cluster: '',
  destination_workload: 'web',
  destination_workload_namespace: 'shop',
  destination_principal: '',
  destination_app: '',
  destination_version: '',
  destination_service: 'web.shop.svc.cluster.local',
  destination_canonical_service: 'web',
  destination_canonical_revision: '',
  destination_service_name: 'web',
  destination_service_namespace: 'shop',
  destination_cluster: '',
  request_protocol: 'http',
  connection_security_policy: 'mutual_tls',
  ...more,
})

const namesIn = (line: string): string[] =>
  [...line.matchAll(/([a-z_]+)="/g)].map((found) => found[1] as string)
const lineOf = (text: string, start: string): string =>
  text.split('\n').find((line) => line.startsWith(start)) ?? assert.fail(`no ${start} in ${text}`)
const valueOf = (line: string): number => Number(line.slice(line.lastIndexOf(' ') + 1))

test('requests are counted under Istio’s name with Istio’s labels in Istio’s order', async () => {
  const metrics = new TrafficMetrics()
  const series = metrics.series(labels())
  series.request(200, '', '', 3, 10, 20)
  series.request(200, '', '', 3, 10, 20)
  series.request(403, 'UAEX', '', 3, 0, 19)
  const text = await new Prometheus('1.2.3').render([metrics.collect()])
  const ok = lineOf(text, 'istio_requests_total{')
  assert.deepEqual(namesIn(ok), [
    ...labelOrder,
    'response_code',
    'grpc_response_status',
    'response_flags',
    'connection_security_policy',
  ])
  assert.equal(valueOf(ok), 2)
  assert.match(ok, /source_workload="unknown"/)
  assert.match(ok, /destination_canonical_revision="latest"/)
  assert.match(ok, /response_flags="-"/)
  assert.match(ok, /grpc_response_status=""/)
  assert.match(text, /response_code="403"[^\n]*response_flags="UAEX"[^\n]* 1\n/)
  assert.match(text, /^istio_build\{component="proxy",tag="1\.2\.3"\} 1$/m)
})

test('histograms are cumulative over Istio’s buckets, with their sum and count', async () => {
  const metrics = new TrafficMetrics()
  const series = metrics.series(labels())
  for (const ms of [0.2, 0.5, 3, 7_200_000]) series.request(200, '', '', ms, 0, 0)
  const text = await new Prometheus('x').render([metrics.collect()])
  const counts = text
    .split('\n')
    .filter((line) => line.startsWith('istio_request_duration_milliseconds_bucket{'))
    .map((line) => [/le="([^"]+)"/.exec(line)?.[1], valueOf(line)] as const)
  assert.deepEqual(
    counts.map(([le]) => le),
    [...buckets.map(String), '+Inf'],
  )
  assert.deepEqual(
    counts.map(([, count]) => count),
    [2, 2, ...new Array<number>(buckets.length - 2).fill(3), 4],
  )
  assert.equal(valueOf(lineOf(text, 'istio_request_duration_milliseconds_count{')), 4)
  assert.equal(valueOf(lineOf(text, 'istio_request_duration_milliseconds_sum{')), 7_200_003.7)
})

test('workers are added up, and a scrape changes nothing', async () => {
  const workers = [new TrafficMetrics(), new TrafficMetrics()]
  for (const metrics of workers) metrics.series(labels()).request(200, '', '', 1, 0, 0)
  const prometheus = new Prometheus('x')
  const render = (): Promise<string> => prometheus.render(workers.map((metrics) => metrics.collect()))
  assert.equal(valueOf(lineOf(await render(), 'istio_requests_total{')), 2)
  assert.equal(valueOf(lineOf(await render(), 'istio_requests_total{')), 2)
})

test('opaque connections are counted without response code and gRPC status, and say no requests', async () => {
  const metrics = new TrafficMetrics()
  const { counts } = metrics.series(labels({ request_protocol: 'tcp' }))
  counts.tcpOpened = 2
  counts.tcpClosed = 1
  counts.tcpSent = 30
  counts.tcpReceived = 40
  const text = await new Prometheus('x').render([metrics.collect()])
  const opened = lineOf(text, 'istio_tcp_connections_opened_total{')
  assert.equal(valueOf(opened), 2)
  assert.ok(!namesIn(opened).includes('response_code') && !namesIn(opened).includes('grpc_response_status'))
  assert.equal(valueOf(lineOf(text, 'istio_tcp_sent_bytes_total{')), 30)
  assert.doesNotMatch(text, /^istio_requests_total\{/m)
})

test('labels that peers choose cannot grow the table without end, nor break the text', async () => {
  const metrics = new TrafficMetrics(10)
  for (let i = 0; i < 1000; i += 1)
    metrics
      .series(labels({ source_principal: `spiffe://cluster.local/ns/n${i}/sa/a` }))
      .request(200, '', '', 1, 0, 0)
  const series = metrics.collect()
  assert.ok(series.length <= 11, String(series.length))
  assert.equal(metrics.overflowed, 990)
  assert.equal(
    series.flatMap(({ requests }) => requests).reduce((sum, { count }) => sum + count, 0),
    1000,
  )
  const hostile = new TrafficMetrics()
  hostile.series(labels({ source_principal: 'a"} 1\nforged_total 7\n' })).request(200, '', '', 1, 0, 0)
  assert.doesNotMatch(await new Prometheus('x').render([hostile.collect()]), /^forged_total/m)
})

test('the overflow series is bounded as well, whatever the other labels are', () => {
  const metrics = new TrafficMetrics(10)
  for (let i = 0; i < 1000; i += 1)
    metrics.series(labels({ destination_workload_namespace: `n${i}`, source_principal: `p${i}` }))
  assert.ok(metrics.collect().length <= 30, String(metrics.collect().length))
})

test('cells of one series do not mix codes, flags and gRPC statuses', () => {
  const series = new TrafficMetrics().series(labels())
  series.request(200, '', '0', 1, 0, 0)
  series.request(200, '', '7', 1, 0, 0)
  series.request(200, 'UC', '0', 1, 0, 0)
  series.request(200, '', '0', 1, 0, 0)
  assert.deepEqual(
    series.counts.requests.map(({ count }) => count),
    [2, 1, 1],
  )
})
