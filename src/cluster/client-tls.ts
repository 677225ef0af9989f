/**
 * How the way to each endpoint of a service is secured: DestinationRule settings, else auto-mTLS per endpoint
 * (policy-semantics §4.6, §4.7). Whatever cannot be done as asked is refused, never replaced by plaintext.
 */
import type { ClientTlsSettings } from '../policy/destination-rule.ts'
import type { MeshConfig } from '../policy/mesh-config.ts'
import type { PeerAuthentication } from '../policy/peer-authentication.ts'
import { peerMode } from '../policy/peer-mode.ts'
import type { Service, ServiceEndpoint } from '../policy/service.ts'
import { istioSpiffeUri, parseSpiffeId } from '../spiffe/spiffe-id.ts'
import type { ChosenRule } from './destination-rule.ts'
import type { ClientTls } from './endpoint.ts'

export interface MeshSecurity {
  readonly mesh: MeshConfig
  readonly peerAuthentications: readonly PeerAuthentication[]
}

/** One service port as a client secures it. */
export interface ServiceTls {
  /** For an endpoint the registry knows. */
  of(endpoint: ServiceEndpoint): ClientTls
  /** For an address of the service the registry does not know: mTLS only when every known endpoint has it. */
  readonly unknown: ClientTls
}

export const plaintext: ClientTls = { mode: 'plaintext' }

/** SNI of mesh traffic; the port is the service's (dataplane §4). */
export function meshSni(port: number, subset: string, hostname: string): string {
  return `outbound_.${port}_.${subset}_.${hostname}`
}

/** Sorted: every service account among the endpoints and the ServiceEntry's names, in each trust domain of the mesh. */
export function expectedIdentities(service: Service, mesh: MeshConfig): readonly string[] {
  const names = new Set(service.subjectAltNames)
  for (const { namespace, serviceAccount } of service.endpoints)
    if (serviceAccount !== null) names.add(istioSpiffeUri(mesh.trustDomain, namespace, serviceAccount))
  for (const name of [...names]) {
    const id = parseSpiffeId(name)
    if (id === null || id.namespace === null || id.serviceAccount === null) continue
    for (const alias of mesh.trustDomainAliases)
      names.add(istioSpiffeUri(alias, id.namespace, id.serviceAccount))
  }
  return [...names].sort()
}

/** `settings` are those resolved for the port (`portPolicy`); null = the auto-mTLS decision. */
export function serviceTls(
  service: Service,
  port: number,
  subset: string,
  rule: ChosenRule | null,
  settings: ClientTlsSettings | null,
  security: MeshSecurity,
): ServiceTls {
  if (rule !== null && rule.quarantined !== null)
    return same({ mode: 'refused', reason: `DestinationRule not in force: ${rule.quarantined}` })
  if (settings !== null) return same(asWritten(service, port, subset, rule, settings, security.mesh))
  return autoMtls(service, port, subset, security)
}

const same = (tls: ClientTls): ServiceTls => ({ of: () => tls, unknown: tls })

function asWritten(
  service: Service,
  port: number,
  subset: string,
  rule: ChosenRule | null,
  settings: ClientTlsSettings,
  mesh: MeshConfig,
): ClientTls {
  switch (settings.mode) {
    case 'DISABLE':
      return plaintext
    case 'ISTIO_MUTUAL':
      return meshTls(service, port, subset, settings, mesh)
    case 'SIMPLE':
    case 'MUTUAL': {
      // Istio builds no TLS context then and sends plaintext (policy-semantics trap 45).
      if (settings.credentialName !== null && rule?.selectsWorkload !== true)
        return { mode: 'refused', reason: 'credentialName needs a workloadSelector on the DestinationRule' }
      const expected =
        settings.subjectAltNames.length > 0 ? settings.subjectAltNames : service.subjectAltNames
      const mode = settings.mode === 'SIMPLE' ? 'simple' : 'mutual'
      return { mode, sni: settings.sni ?? '', expected, settings }
    }
  }
}

function meshTls(
  service: Service,
  port: number,
  subset: string,
  settings: ClientTlsSettings | null,
  mesh: MeshConfig,
): ClientTls {
  const named = settings !== null && settings.subjectAltNames.length > 0
  const expected = named ? settings.subjectAltNames : expectedIdentities(service, mesh)
  // Istio would check the chain only and take any workload of the mesh for the service (policy-semantics trap 43).
  if (expected.length === 0)
    return { mode: 'refused', reason: `no identity is known that may answer for ${service.hostname}` }
  return { mode: 'mtls', sni: settings?.sni ?? meshSni(port, subset, service.hostname), expected, settings }
}

/** The injector's label; without it plaintext, even if a sidecar is there (dataplane trap 34). */
export const hasSidecar = ({ labels }: ServiceEndpoint): boolean =>
  labels['security.istio.io/tlsMode'] === 'istio'

function autoMtls(service: Service, port: number, subset: string, security: MeshSecurity): ServiceTls {
  const { mesh, peerAuthentications } = security
  const root = mesh.rootNamespace
  if (!mesh.enableAutoMtls || service.location === 'MESH_EXTERNAL') return same(plaintext)
  // The service-wide mode does not look at workload policies (policy-semantics trap 40), and of legacy policies the
  // narrowest decides, endpoint by endpoint.
  const wide = peerAuthentications.filter(
    ({ selector, legacy }) => legacy === null && (selector === null || Object.keys(selector).length === 0),
  )
  if (peerMode(wide, service.meta.namespace, {}, 0, root) === 'DISABLE') return same(plaintext)
  const speaksMtls = (endpoint: ServiceEndpoint): boolean =>
    hasSidecar(endpoint) &&
    peerMode(
      peerAuthentications,
      endpoint.namespace,
      endpoint.labels,
      endpoint.ports[String(port)] ?? 0,
      root,
    ) !== 'DISABLE'
  const secured = meshTls(service, port, subset, null, mesh)
  const all = service.endpoints.length > 0 && service.endpoints.every(speaksMtls)
  const unknown = all ? secured : plaintext
  // Endpoints chosen by the client's own resolver cannot be told apart when dialled (policy-semantics §4.7).
  if (service.headless || service.resolution === 'NONE') return same(unknown)
  return { of: (endpoint) => (speaksMtls(endpoint) ? secured : plaintext), unknown }
}
