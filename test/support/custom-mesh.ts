/**
 * A workload whose CUSTOM policy asks a real authorizer on loopback, as parts of a snapshot. What the authorizer answers,
 * and whether it answers, is the test's.
 */
import type { ExtensionProvider } from '../../src/policy/mesh-config.ts'
import type { Service, ServiceEndpoint } from '../../src/policy/service.ts'
import { configured } from '../ext-authz/authorizers.ts'
import { endpoint, meta } from '../cluster/mesh.ts'
import type { SnapshotParts } from './data-plane-harness.ts'
import { policies } from './data-plane-harness.ts'

export const authorizerHost = 'authz.ext.svc.cluster.local'

export interface AuthorizerOptions {
  readonly kind: 'http' | 'grpc'
  readonly port: number
  /** Provider settings but for service and port. */
  readonly settings?: Record<string, unknown>
  /** Flow-style YAML of the CUSTOM policy's rules; everything by default. */
  readonly rules?: string
  /** Labels and the like: by default the authorizer has no sidecar and is asked in plaintext. */
  readonly endpoint?: Partial<ServiceEndpoint>
}

export function authorizerService(port: number, more: Partial<ServiceEndpoint> = {}): Service {
  return {
    meta: meta('authz', 'ext'),
    hostname: authorizerHost,
    addresses: ['10.9.0.1'],
    ports: [{ number: 9000, name: 'check', protocol: 'auto' }],
    endpoints: [endpoint('127.0.0.1', { ports: { 9000: port }, labels: {}, namespace: 'ext', ...more })],
    resolution: 'STATIC',
    location: 'MESH_INTERNAL',
    headless: false,
    subjectAltNames: [],
    exportTo: [],
  }
}

export function authorizerProvider(
  kind: 'http' | 'grpc',
  settings: Record<string, unknown> = {},
): ExtensionProvider {
  return configured(kind, { service: authorizerHost, ...settings })
}

export const customPolicy = (rules = '[{}]', name = 'ask', provider = 'it') =>
  policies(
    `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}, namespace: shop}\n` +
      `spec: {action: CUSTOM, provider: {name: ${provider}}, rules: ${rules}}\n`,
  )

/** To be spread into `apply`. */
export function asking(options: AuthorizerOptions): SnapshotParts {
  const { kind, port, settings = {}, rules, endpoint: labels } = options
  return {
    mesh: { extensionProviders: [authorizerProvider(kind, settings)] },
    services: [authorizerService(port, labels)],
    authorizationPolicies: customPolicy(rules),
  }
}
