/**
 * `trafficPolicy` of a DestinationRule and its subsets, unknown to typed (policy-semantics §4.6, §8.4). Tuning we do not
 * do is accepted and named in `notEvaluated`; what would change where bytes go or what they look like is refused.
 */
import { DecodeProblem, member } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { integer, items, oneOf, optional, port, record, required } from '../decode/decode.ts'
import type { Fields } from '../decode/decode.ts'
import { duration } from '../decode/duration.ts'
import { clientTls } from './decode-client-tls.ts'
import type { PortTrafficPolicy, TrafficPolicy } from './destination-rule.ts'

export interface TrafficContext {
  /** The rule has a workloadSelector. */
  readonly selected: boolean
  readonly warnings: string[]
  /** Paths of what was accepted and has no effect here. */
  readonly notEvaluated: string[]
}

const settings = ['loadBalancer', 'connectionPool', 'outlierDetection', 'tls']
const uint32 = integer(0, 2 ** 32 - 1)

export function decodeTrafficPolicy(input: unknown, at: Path, context: TrafficContext): TrafficPolicy {
  const fields = record(input, at, [
    ...settings,
    'portLevelSettings',
    'tunnel',
    'proxyProtocol',
    'retryBudget',
  ])
  if (fields.size === 0) throw new DecodeProblem(at, 'must have at least one field')
  if (fields.has('tunnel') && fields.has('proxyProtocol')) {
    throw new DecodeProblem(at, 'tunnel cannot be combined with proxyProtocol')
  }
  for (const key of ['tunnel', 'proxyProtocol']) {
    if (!fields.has(key)) continue
    throw new DecodeProblem(member(at, key), 'is not evaluated yet: the server would not get what it expects')
  }
  idle(fields, ['outlierDetection', 'retryBudget'], at, context)
  const ports: Record<string, PortTrafficPolicy> = {}
  items(fields, 'portLevelSettings', at, (entry, path) => {
    const { number, policy } = portPolicy(entry, path, context)
    if (ports[number] !== undefined)
      throw new DecodeProblem(`${path}.port.number`, `port ${number} is set twice`)
    ports[number] = policy
  })
  return { ...portless(fields, at, context), ports }
}

function portPolicy(
  input: unknown,
  at: Path,
  context: TrafficContext,
): { number: string; policy: PortTrafficPolicy } {
  const fields = record(input, at, ['port', ...settings])
  const number = required(fields, 'port', at, (entry, path) =>
    required(record(entry, path, ['number']), 'number', path, port),
  )
  if (fields.size === 1) throw new DecodeProblem(at, 'must have at least one setting beside port')
  idle(fields, ['outlierDetection'], at, context)
  return { number: String(number), policy: portless(fields, at, context) }
}

function portless(fields: Fields, at: Path, context: TrafficContext): PortTrafficPolicy {
  const pool = optional(fields, 'connectionPool', at, (input, path) => connectionPool(input, path, context))
  return {
    tls: optional(fields, 'tls', at, clientTls(context.selected, context.warnings)),
    connectTimeoutMs: pool?.connectTimeoutMs ?? null,
    maxConnections: pool?.maxConnections ?? null,
    maxPendingRequests: pool?.maxPendingRequests ?? null,
    loadBalancer: optional(fields, 'loadBalancer', at, (input, path) => loadBalancer(input, path, context)),
  }
}

type Pool = Pick<PortTrafficPolicy, 'connectTimeoutMs' | 'maxConnections' | 'maxPendingRequests'>

function connectionPool(input: unknown, at: Path, context: TrafficContext): Pool {
  const fields = record(input, at, ['tcp', 'http'])
  const tcp = optional(fields, 'tcp', at, (entry, path) => {
    const tuning = ['tcpKeepalive', 'maxConnectionDuration', 'idleTimeout']
    const inner = record(entry, path, ['maxConnections', 'connectTimeout', ...tuning])
    idle(inner, tuning, path, context)
    return {
      maxConnections: optional(inner, 'maxConnections', path, uint32),
      connectTimeoutMs: optional(inner, 'connectTimeout', path, duration),
    }
  })
  const http = optional(fields, 'http', at, (entry, path) => {
    const tuning = [
      'http2MaxRequests',
      'maxRequestsPerConnection',
      'maxRetries',
      'idleTimeout',
      'h2UpgradePolicy',
      'useClientProtocol',
      'maxConcurrentStreams',
      'http2KeepAlive',
    ]
    const inner = record(entry, path, ['http1MaxPendingRequests', ...tuning])
    idle(inner, tuning, path, context)
    return { maxPendingRequests: optional(inner, 'http1MaxPendingRequests', path, uint32) }
  })
  return {
    connectTimeoutMs: tcp?.connectTimeoutMs ?? null,
    maxConnections: tcp?.maxConnections ?? null,
    maxPendingRequests: http?.maxPendingRequests ?? null,
  }
}

const simple = oneOf(['UNSPECIFIED', 'LEAST_CONN', 'LEAST_REQUEST', 'RANDOM', 'ROUND_ROBIN', 'PASSTHROUGH'])

function loadBalancer(input: unknown, at: Path, context: TrafficContext): TrafficPolicy['loadBalancer'] {
  const tuning = ['consistentHash', 'localityLbSetting', 'zoneAwareLbSetting', 'warmupDurationSecs', 'warmup']
  const fields = record(input, at, ['simple', ...tuning])
  if (fields.has('simple') && fields.has('consistentHash')) {
    throw new DecodeProblem(at, 'simple cannot be combined with consistentHash')
  }
  idle(fields, tuning, at, context)
  const named = optional(fields, 'simple', at, simple)
  if (named === 'PASSTHROUGH') context.notEvaluated.push(`${at}.simple: PASSTHROUGH`)
  if (named === null || named === 'UNSPECIFIED' || named === 'PASSTHROUGH') return null
  return named === 'LEAST_CONN' ? 'LEAST_REQUEST' : named
}

function idle(fields: Fields, tuning: readonly string[], at: Path, context: TrafficContext): void {
  for (const key of tuning) if (fields.has(key)) context.notEvaluated.push(member(at, key))
}
