/**
 * A real Envoy whose listeners ask external authorizers, each configured as Istio's control plane would for a provider of
 * ours. It compares nothing.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { typed } from './running-envoy.ts'

export interface Places {
  readonly application: number
  readonly http: number
  readonly grpc: number
  /** Where nobody listens. */
  readonly dead: number
}

export interface Variant {
  readonly name: string
  readonly kind: 'http' | 'grpc'
  /** The authorizer is away. */
  readonly away?: boolean
  /** Of the extension provider, without service and port. */
  readonly settings: {
    readonly failOpen?: boolean
    readonly statusOnError?: string
    readonly pathPrefix?: string
    readonly includeRequestHeadersInCheck?: readonly string[]
    readonly includeAdditionalHeadersInCheck?: Readonly<Record<string, string>>
    readonly includeRequestBodyInCheck?: {
      readonly maxRequestBytes: number
      readonly allowPartialMessage?: boolean
    }
    readonly headersToUpstreamOnAllow?: readonly string[]
    readonly headersToDownstreamOnAllow?: readonly string[]
    readonly headersToDownstreamOnDeny?: readonly string[]
  }
}

const at = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } })

/** Ports of the listeners, one a variant, and how to end it. */
export async function authorizingEnvoy(binary: string, variants: readonly Variant[], places: Places) {
  const [admin = 0, ...ports] = await freePorts(variants.length + 1)
  const folder = await mkdtemp(`${tmpdir()}/sallyport-envoy-`)
  await writeFile(`${folder}/envoy.json`, JSON.stringify(configuration(variants, ports, admin, places)))
  const args = ['-c', `${folder}/envoy.json`, '--concurrency', '1', '--disable-hot-restart', '-l', 'error']
  const child = spawn(binary, args, { stdio: 'inherit' })
  const give = AbortSignal.timeout(30_000)
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${admin}/ready`).catch(() => null)
    if (answer?.status === 200) break
    if (give.aborted || child.exitCode !== null) throw new Error('Envoy did not become ready: it wrote why')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit')
    await rm(folder, { recursive: true })
  }
  return { ports, stop }
}

function configuration(
  variants: readonly Variant[],
  ports: readonly number[],
  admin: number,
  places: Places,
): object {
  const route = { match: { prefix: '' }, route: { cluster: 'application', timeout: '0s' } }
  const listeners = variants.map((variant, i) => ({
    name: variant.name,
    address: at(ports[i] as number),
    filter_chains: [
      {
        filters: [
          typed('hcm', 'filters.network.http_connection_manager.v3.HttpConnectionManager', {
            stat_prefix: 'h',
            use_remote_address: false,
            normalize_path: true,
            server_name: 'istio-envoy',
            upgrade_configs: [{ upgrade_type: 'websocket' }],
            route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
            http_filters: [
              typed('ext_authz', 'filters.http.ext_authz.v3.ExtAuthz', filterOf(variant)),
              typed('router', 'filters.http.router.v3.Router', {}),
            ],
          }),
        ],
      },
    ],
  }))
  const { application, http, grpc, dead } = places
  const clusters = [
    cluster('application', application, false),
    cluster('http', http, false),
    cluster('grpc', grpc, true),
    cluster('dead', dead, false),
  ]
  return { admin: { address: at(admin) }, static_resources: { listeners, clusters } }
}

function cluster(name: string, port: number, http2: boolean): object {
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: at(port) } }] }],
    },
    ...(http2
      ? {
          typed_extension_protocol_options: {
            [options]: {
              '@type': `type.googleapis.com/${options}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }
      : {}),
  }
}

function filterOf({ kind, away = false, settings }: Variant): object {
  const body = settings.includeRequestBodyInCheck
  const common = {
    transport_api_version: 'V3',
    status_on_error: { code: Number(settings.statusOnError ?? 403) },
    failure_mode_allow: settings.failOpen ?? false,
    ...(body === undefined
      ? {}
      : {
          with_request_body: {
            max_request_bytes: body.maxRequestBytes,
            allow_partial_message: body.allowPartialMessage ?? false,
          },
        }),
  }
  const name = away ? 'dead' : kind
  if (kind === 'grpc')
    return { ...common, grpc_service: { envoy_grpc: { cluster_name: name }, timeout: '600s' } }
  const fixed = Object.entries(settings.includeAdditionalHeadersInCheck ?? {})
  return {
    ...common,
    ...patterns('allowed_headers', settings.includeRequestHeadersInCheck),
    http_service: {
      path_prefix: settings.pathPrefix ?? '',
      server_uri: { uri: 'http://authz', cluster: name, timeout: '600s' },
      authorization_request: { headers_to_add: fixed.map(([key, value]) => ({ key, value })) },
      authorization_response: {
        ...patterns('allowed_upstream_headers', settings.headersToUpstreamOnAllow),
        ...patterns('allowed_client_headers_on_success', settings.headersToDownstreamOnAllow),
        ...patterns('allowed_client_headers', settings.headersToDownstreamOnDeny),
      },
    },
  }
}

function patterns(field: string, values: readonly string[] | undefined): object {
  if (values === undefined) return {}
  const matcher = (value: string): object => {
    if (value.endsWith('*')) return { prefix: value.slice(0, -1), ignore_case: true }
    if (value.startsWith('*')) return { suffix: value.slice(1), ignore_case: true }
    return { exact: value, ignore_case: true }
  }
  return { [field]: { patterns: values.map(matcher) } }
}

/** All at once, so that none is given twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => (server.close(), once(server, 'close'))))
  return ports
}
