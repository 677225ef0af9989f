/** Which protocol a port was declared to speak, by appProtocol or name prefix (dataplane §8.3). It sniffs nothing. */
import type { PortProtocol } from './service.ts'

const names: Readonly<Record<string, PortProtocol>> = {
  http: 'http',
  http_proxy: 'http',
  http2: 'http2',
  grpc: 'grpc',
  'grpc-web': 'grpc',
  tcp: 'tcp',
  tls: 'tls',
  https: 'tls',
  mongo: 'tcp',
  redis: 'tcp',
  mysql: 'tcp',
  // Kubernetes' own values of appProtocol.
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'tls',
}

// Server-first protocols: SMTP, DNS, MySQL, MongoDB (dataplane §3.5). Waiting for the client's bytes would hang them.
const serverFirst = new Set([25, 53, 3306, 27017])

/** `name` is the port's own; appProtocol, when set, is read instead of it. */
export function portProtocol(appProtocol: string | null, name: string, number: number): PortProtocol {
  return namedProtocol(appProtocol === null || appProtocol === '' ? name : appProtocol) ?? undeclared(number)
}

/** The protocol a word stands for, up to its first `-`; null when it stands for none. */
export function namedProtocol(name: string): PortProtocol | null {
  const lower = name.toLowerCase()
  if (lower === 'grpc-web' || lower.startsWith('grpc-web-')) return 'grpc'
  const dash = lower.indexOf('-')
  const prefix = dash < 0 || lower.startsWith('kubernetes.io/') ? lower : lower.slice(0, dash)
  return Object.hasOwn(names, prefix) ? (names[prefix] ?? null) : null
}

const undeclared = (number: number): PortProtocol => (serverFirst.has(number) ? 'tcp' : 'auto')
