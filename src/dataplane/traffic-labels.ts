/** The labels of a connection's series: who called whom, as far as it was proven (dataplane §11). Pure. */
import type { InboundPort } from '../discovery/snapshot.ts'
import type { Service } from '../policy/service.ts'
import type { Workload } from '../policy/workload.ts'
import { parseSpiffeId } from '../spiffe/spiffe-id.ts'
import type { TrafficLabels } from '../telemetry/traffic-metrics.ts'

type RequestProtocol = TrafficLabels['request_protocol']

const unknownSource = {
  source_workload: '',
  source_canonical_service: '',
  source_canonical_revision: '',
  source_workload_namespace: '',
  source_principal: '',
  source_app: '',
  source_version: '',
  source_cluster: '',
}

const unknownDestination = {
  destination_workload: '',
  destination_workload_namespace: '',
  destination_principal: '',
  destination_app: '',
  destination_version: '',
  destination_service: '',
  destination_canonical_service: '',
  destination_canonical_revision: '',
  destination_service_name: '',
  destination_service_namespace: '',
  destination_cluster: '',
}

/** `peerUri` is '' for plaintext peers: their labels stay unknown. */
export function inboundLabels(
  own: Workload,
  ownUri: string,
  peerUri: string,
  port: InboundPort,
  protocol: RequestProtocol,
): TrafficLabels {
  const peer = parseSpiffeId(peerUri)
  return {
    reporter: 'destination',
    ...unknownSource,
    source_workload_namespace: peer?.namespace ?? '',
    source_principal: peerUri,
    ...unknownDestination,
    destination_workload: own.name,
    destination_workload_namespace: own.namespace,
    destination_principal: peerUri === '' ? '' : ownUri,
    destination_app: own.labels['app'] ?? '',
    destination_version: own.labels['version'] ?? '',
    destination_canonical_service: canonicalName(own),
    destination_canonical_revision: canonicalRevision(own),
    destination_service: port.service?.hostname ?? '',
    destination_service_name: port.service?.name ?? 'InboundPassthroughCluster',
    destination_service_namespace: port.service?.namespace ?? own.namespace,
    request_protocol: protocol,
    connection_security_policy: peerUri === '' ? 'none' : 'mutual_tls',
  }
}

/** `service` is null for pass-through and refused traffic, which is named by its cluster. */
export function outboundLabels(
  own: Workload,
  ownUri: string,
  clusterName: string,
  service: Service | null,
  serverUri: string,
  protocol: RequestProtocol,
): TrafficLabels {
  const server = parseSpiffeId(serverUri)
  return {
    reporter: 'source',
    ...unknownSource,
    source_workload: own.name,
    source_canonical_service: canonicalName(own),
    source_canonical_revision: canonicalRevision(own),
    source_workload_namespace: own.namespace,
    source_principal: serverUri === '' ? '' : ownUri,
    source_app: own.labels['app'] ?? '',
    source_version: own.labels['version'] ?? '',
    ...unknownDestination,
    destination_workload_namespace: server?.namespace ?? service?.meta.namespace ?? '',
    destination_principal: serverUri,
    destination_service: service?.hostname ?? '',
    destination_service_name: service?.meta.name ?? clusterName,
    destination_service_namespace: service?.meta.namespace ?? '',
    request_protocol: protocol,
    // The reference's source reporter never claims to know (dataplane §11).
    connection_security_policy: 'unknown',
  }
}

function canonicalName(own: Workload): string {
  const { labels } = own
  return (
    labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? own.name
  )
}

function canonicalRevision(own: Workload): string {
  const { labels } = own
  return (
    labels['service.istio.io/canonical-revision'] ??
    labels['app.kubernetes.io/version'] ??
    labels['version'] ??
    ''
  )
}
