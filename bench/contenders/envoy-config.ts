/** Pieces of an Envoy configuration, as values that are written as JSON. Only what the bench needs. */
import type { Target } from '../contender.ts'
import type { IdentityFiles } from '../identities.ts'

const type = (name: string): string => `type.googleapis.com/${name}`
const extensions = 'envoy.extensions'

export interface EnvoyTls {
  readonly rootFile: string
  readonly own: IdentityFiles
  /** SPIFFE name the peer must have. */
  readonly peerUri: string
  readonly serverName: string
}

export function listener(name: string, at: Target, filter: object, tls?: object): object {
  return {
    name,
    address: socketAddress(at),
    filter_chains: [{ filters: [filter], ...(tls && { transport_socket: tls }) }],
  }
}

export function cluster(name: string, to: Target, tls?: object): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '10s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(to) } }] }],
    },
    ...(tls && { transport_socket: tls }),
  }
}

export function tlsSocket(side: 'upstream' | 'downstream', tls: EnvoyTls): object {
  const upstream = side === 'upstream'
  const common = {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [
      {
        certificate_chain: { filename: tls.own.certificateFile },
        private_key: { filename: tls.own.keyFile },
      },
    ],
    validation_context: {
      trusted_ca: { filename: tls.rootFile },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: tls.peerUri } }],
    },
  }
  const kind = upstream ? 'UpstreamTlsContext' : 'DownstreamTlsContext'
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': type(`${extensions}.transport_sockets.tls.v3.${kind}`),
      common_tls_context: common,
      ...(upstream ? { sni: tls.serverName } : { require_client_certificate: true }),
    },
  }
}

/** `permission` and `principal` are those of one policy. */
export function rbac(action: 'DENY' | 'ALLOW', permission: object, principal: object): object {
  return {
    name: `rbac-${action.toLowerCase()}`,
    typed_config: {
      '@type': type(`${extensions}.filters.http.rbac.v3.RBAC`),
      rules: { action, policies: { only: { permissions: [permission], principals: [principal] } } },
    },
  }
}

export interface HttpSettings {
  readonly on: boolean
  readonly accessLog: string | null
  readonly inbound: boolean
  readonly filters: readonly object[]
}

export function connectionManager(to: string, settings: HttpSettings): object {
  const { on, accessLog, inbound, filters } = settings
  const router = {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': type(`${extensions}.filters.http.router.v3.Router`) },
  }
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': type(`${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`),
      stat_prefix: 'http',
      codec_type: 'AUTO',
      generate_request_id: on,
      access_log: fileLog(accessLog),
      ...(on && inbound
        ? {
            forward_client_cert_details: 'APPEND_FORWARD',
            set_current_client_cert_details: { subject: true, uri: true, dns: true },
          }
        : {}),
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: to, timeout: '0s' } }],
          },
        ],
      },
      http_filters: [...filters, router],
    },
  }
}

export function tcpProxy(to: string, accessLog: string | null): object {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': type(`${extensions}.filters.network.tcp_proxy.v3.TcpProxy`),
      stat_prefix: 'tcp',
      cluster: to,
      access_log: fileLog(accessLog),
    },
  }
}

// Istio's JSON access log, without the fields that only its own extensions fill.
const logFields = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
}

function fileLog(path: string | null): object[] {
  if (path === null) return []
  return [
    {
      name: 'envoy.access_loggers.file',
      typed_config: {
        '@type': type(`${extensions}.access_loggers.file.v3.FileAccessLog`),
        path,
        log_format: { json_format: logFields },
      },
    },
  ]
}

const socketAddress = ({ address, port }: Target): object => ({
  socket_address: { address, port_value: port },
})
