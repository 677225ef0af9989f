/**
 * Writes one access record as a JSON line: Istio's keys in Istio's order (dataplane §11), then ours. What seldom changes
 * from line to line is remembered as text. It batches nothing; why not pino here: docs/decisions/0003-access-log-lines.md.
 */
import type { AccessRecord } from './access-record.ts'
import { text, whole } from './json-text.ts'
import { ClientPart, MethodPart, OutcomePart, UpstreamPart, VerdictPart } from './line-parts.ts'

/**
 * One line, ASCII only, with its newline. Every text a peer chose is JSON-escaped, so that no field can forge another
 * (CVE-2024-45808 class).
 */
export function accessLine(record: AccessRecord): string {
  return (
    secondOf(record.startTime) +
    millisecond +
    methodPart.of(record) +
    text(record.path) +
    outcomePart.of(record) +
    record.bytesReceived +
    ',"bytes_sent":' +
    record.bytesSent +
    ',"duration":' +
    Math.round(record.durationMs) +
    ',"upstream_service_time":' +
    (record.upstreamServiceTimeMs < 0 || record.method === ''
      ? 'null'
      : Math.round(record.upstreamServiceTimeMs)) +
    clientPart.of(record) +
    text(record.requestId) +
    upstreamPart.of(record) +
    text(record.upstreamLocalAddress) +
    record.connectionPart.of(record) +
    verdictPart.of(record)
  )
}

const methodPart = new MethodPart()
const outcomePart = new OutcomePart()
const clientPart = new ClientPart()
const upstreamPart = new UpstreamPart()
const verdictPart = new VerdictPart()

let lastSecond = -1
let lastPrefix = ''
let millisecond = ''

// Thousands of records share a second: its text is made once. Leaves the fraction's three digits in `millisecond`.
function secondOf(startTime: number): string {
  const ms = Math.floor(startTime)
  const second = Math.floor(ms / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    lastPrefix = whole(`{"start_time":"${new Date(second * 1000).toISOString().slice(0, 20)}`)
  }
  const rest = ms - second * 1000
  millisecond = rest < 10 ? `00${rest}` : rest < 100 ? `0${rest}` : String(rest)
  return lastPrefix
}
