/** Short ways to write services, rules and meshes for routing tests; the client is `client` in namespace `ns1`. */
import { Routes, type RouteParts } from '../../src/cluster/route.ts'
import type { ClientTlsSettings, DestinationRule, TrafficPolicy } from '../../src/policy/destination-rule.ts'
import type { MeshConfig } from '../../src/policy/mesh-config.ts'
import type { PeerAuthentication } from '../../src/policy/peer-authentication.ts'
import type { ResourceMeta } from '../../src/policy/resource.ts'
import type { Service, ServiceEndpoint } from '../../src/policy/service.ts'
import type { Workload } from '../../src/policy/workload.ts'

export const client: Workload = {
  name: 'client',
  namespace: 'ns1',
  serviceAccount: 'client',
  labels: { app: 'client' },
  addresses: ['10.1.0.99'],
}

export const mesh: MeshConfig = {
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  rootNamespace: 'istio-system',
  domain: 'cluster.local',
  pathNormalization: 'BASE',
  outboundTrafficPolicy: 'ALLOW_ANY',
  enableAutoMtls: true,
  protocolDetectionTimeoutMs: 0,
  connectTimeoutMs: 10_000,
  extensionProviders: [],
  meshMtls: { minProtocolVersion: 'TLSv1.2', cipherSuites: [] },
  accessLogFile: '',
}

export function meta(name: string, namespace: string, createdAt = 0): ResourceMeta {
  return { name, namespace, labels: {}, annotations: {}, createdAt, origin: 'test.yaml:1' }
}

export const sidecar = { 'security.istio.io/tlsMode': 'istio' }

/** Serves service port 80 on 8080, with a sidecar, as account `app`. */
export function endpoint(address: string, more: Partial<ServiceEndpoint> = {}): ServiceEndpoint {
  return {
    address,
    ports: { 80: 8080 },
    labels: sidecar,
    namespace: 'ns2',
    serviceAccount: 'app',
    weight: 1,
    ready: true,
    ...more,
  }
}

/** `name.ns2`: VIP 10.2.0.1, HTTP on port 80, one endpoint 10.1.0.1. */
export function service(name: string, more: Partial<Service> = {}): Service {
  const namespace = more.meta?.namespace ?? 'ns2'
  return {
    meta: meta(name, namespace),
    hostname: `${name}.${namespace}.svc.cluster.local`,
    addresses: ['10.2.0.1'],
    ports: [{ number: 80, name: 'http', protocol: 'http' }],
    endpoints: [endpoint('10.1.0.1')],
    resolution: 'STATIC',
    location: 'MESH_INTERNAL',
    headless: false,
    subjectAltNames: [],
    exportTo: [],
    ...more,
  }
}

export function settings(
  mode: ClientTlsSettings['mode'],
  more: Partial<ClientTlsSettings> = {},
): ClientTlsSettings {
  return {
    mode,
    clientCertificate: null,
    privateKey: null,
    caCertificates: null,
    caCrl: null,
    credentialName: null,
    subjectAltNames: [],
    sni: null,
    insecureSkipVerify: false,
    ...more,
  }
}

export function traffic(more: Partial<TrafficPolicy>): TrafficPolicy {
  return {
    tls: null,
    connectTimeoutMs: null,
    maxConnections: null,
    maxPendingRequests: null,
    loadBalancer: null,
    ports: {},
    ...more,
  }
}

export function destinationRule(host: string, more: Partial<DestinationRule> = {}): DestinationRule {
  return {
    meta: meta('rule', 'ns2'),
    host,
    trafficPolicy: null,
    subsets: [],
    exportTo: [],
    workloadSelector: null,
    quarantined: null,
    ...more,
  }
}

export function peerAuthentication(
  namespace: string,
  mode: PeerAuthentication['mode'],
  more: Partial<PeerAuthentication> = {},
): PeerAuthentication {
  return {
    meta: meta('peer', namespace),
    selector: null,
    mode,
    portLevel: {},
    quarantined: null,
    legacy: null,
    ...more,
  }
}

export function routes(
  services: readonly Service[],
  more: Partial<Omit<RouteParts, 'mesh'>> & { mesh?: Partial<MeshConfig> } = {},
  previous: Routes | null = null,
): Routes {
  return Routes.build(
    {
      destinationRules: [],
      peerAuthentications: [],
      workload: client,
      ...more,
      services,
      mesh: { ...mesh, ...more.mesh },
    },
    previous,
  )
}
