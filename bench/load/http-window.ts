/**
 * One window of HTTP/1.1 keep-alive load by autocannon: warm up, read the counters, measure, read them again, stop. Every
 * status and body is looked at; it judges nothing.
 */
import autocannon from 'autocannon'
import { LatencyHistogram } from './latency-histogram.ts'
import { readUsage, usedBetween } from './usage-window.ts'
import type { HttpTask, WindowResult } from './window.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export async function httpWindow(task: HttpTask): Promise<WindowResult> {
  const latency = new LatencyHistogram()
  const statuses = new Map<number, number>()
  const client = task.client
  const options = {
    url: `${client === null ? 'http' : 'https'}://${task.address}:${task.port}/bench/item?id=1`,
    headers: { host: task.host },
    connections: task.connections,
    // A bound only: the window ends it.
    duration: Math.ceil((task.warmMs + task.windowMs) / 1000) + 20,
    sampleInt: 50,
    timeout: 10,
    expectBody: task.body,
    servername: task.serverName,
    ...(client !== null && {
      tlsOptions: { cert: client.certificate, key: client.key, minVersion: 'TLSv1.3' },
    }),
  }
  const ended = Promise.withResolvers<autocannon.Result>()
  const load = autocannon(options as autocannon.Options, (error, result) =>
    error ? ended.reject(error as Error) : ended.resolve(result),
  )
  load.on('response', (_client, status, _bytes, milliseconds) => {
    latency.record(milliseconds * 1000)
    if (status !== 200) statuses.set(status, (statuses.get(status) ?? 0) + 1)
  })
  let firstError: string | null = null
  load.on('reqError', (error: Error) => (firstError ??= error.message))

  await pause(task.warmMs)
  latency.reset()
  const began = performance.now()
  const before = readUsage(task.watched)
  await pause(task.windowMs)
  const requests = latency.count
  const seconds = (performance.now() - began) / 1000
  const usage = usedBetween(before, task.watched)
  const p50 = latency.percentile(0.5)
  const p99 = latency.percentile(0.99)
  load.stop?.()
  const result = await ended.promise

  const faults = [...statuses].map(([status, count]) => `${count} answers with status ${status}`)
  if (result.errors > 0) faults.push(`${result.errors} errors (${firstError ?? 'unknown'})`)
  if (result.mismatches > 0) faults.push(`${result.mismatches} wrong bodies`)
  if (requests === 0) faults.push('no answer at all')
  return { seconds, requests, bytes: 0, p50, p99, usage, faults }
}
