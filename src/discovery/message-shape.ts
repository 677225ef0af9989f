/**
 * Where Istio's messages hold durations, wrapped scalars and maps: the places at which a spec's JSON and the message
 * differ in form. It lists places only; which fields exist is the .proto files' say.
 */

/** What stands at a place; an object gives the places inside a message, and inside each element of a list of them. */
export type Shape = 'duration' | 'wrapper' | 'map' | { readonly [field: string]: Shape }

const selector: Shape = { matchLabels: 'map' }
const body: Shape = {
  loadBalancer: {
    consistentHash: { httpCookie: { ttl: 'duration' } },
    localityLbSetting: { distribute: { to: 'map' }, enabled: 'wrapper' },
    zoneAwareLbSetting: { enabled: 'wrapper', minClusterSize: 'wrapper' },
    warmupDurationSecs: 'duration',
    warmup: { duration: 'duration', minimumPercent: 'wrapper', aggression: 'wrapper' },
  },
  connectionPool: {
    tcp: {
      connectTimeout: 'duration',
      tcpKeepalive: { time: 'duration', interval: 'duration' },
      maxConnectionDuration: 'duration',
      idleTimeout: 'duration',
    },
    http: { idleTimeout: 'duration', http2KeepAlive: { interval: 'duration', timeout: 'duration' } },
  },
  outlierDetection: {
    interval: 'duration',
    baseEjectionTime: 'duration',
    consecutiveGatewayErrors: 'wrapper',
    consecutive5xxErrors: 'wrapper',
    consecutiveLocalOriginFailures: 'wrapper',
  },
  tls: { insecureSkipVerify: 'wrapper' },
}
const trafficPolicy: Shape = {
  ...body,
  portLevelSettings: body,
  retryBudget: { percent: 'wrapper', budgetInterval: 'duration' },
}

export const authorizationPolicyShape: Shape = { selector }
export const peerAuthenticationShape: Shape = { selector, portLevelMtls: 'map' }
export const requestAuthenticationShape: Shape = { selector, jwtRules: { timeout: 'duration' } }
/** Nothing in it differs between JSON and message. */
export const legacyPolicyShape: Shape = {}
export const destinationRuleShape: Shape = {
  trafficPolicy,
  subsets: { labels: 'map', trafficPolicy },
  workloadSelector: selector,
}
export const serviceEntryShape: Shape = {
  endpoints: { ports: 'map', labels: 'map' },
  workloadSelector: { labels: 'map' },
}
export const meshConfigShape: Shape = {
  connectTimeout: 'duration',
  protocolDetectionTimeout: 'duration',
  enableAutoMtls: 'wrapper',
  extensionProviders: {
    envoyExtAuthzHttp: { timeout: 'duration', includeAdditionalHeadersInCheck: 'map' },
    envoyExtAuthzGrpc: { timeout: 'duration' },
  },
}

const unitNanos: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, ns: 1 }

/** `10s`, `0.25s` (proto3 JSON) or `1m30s`, `100ms` (as Go and Kubernetes write it); null when it is neither. */
export function durationFields(value: unknown): { seconds: number; nanos: number } | null {
  if (value === 0 || value === '0') return { seconds: 0, nanos: 0 }
  if (typeof value !== 'string' || !/^-?(?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|us|ns|m|s))+$/.test(value))
    return null
  let nanos = 0
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)/g)) {
    nanos += Math.round(Number(amount) * (unitNanos[unit ?? ''] ?? 0))
  }
  const sign = value.startsWith('-') ? -1 : 1
  // + 0: no negative zero.
  return { seconds: sign * Math.floor(nanos / 1e9) + 0, nanos: sign * Math.round(nanos % 1e9) + 0 }
}
