/**
 * nginx as a sidecar pair: one worker each, pooled keep-alive connections on both legs, mTLS 1.3 between them, one header
 * rule. It cannot look at SPIFFE names: the server's DNS name and the client's chain are what it checks.
 */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Children } from '../children.ts'
import { text } from '../contender.ts'
import type { Contender, Surroundings } from '../contender.ts'
import { freePort } from '../free-port.ts'
import type { Identities } from '../identities.ts'
import { serviceHost, spiffeUri } from '../identities.ts'
import type { Settings } from '../options.ts'

const modules = ['/usr/lib/nginx/modules', '/usr/lib64/nginx/modules', '/usr/share/nginx/modules']

/** Path of the stream module, '' when it is built in, null when there is none (package libnginx-mod-stream). */
export function streamModule(configureArguments: string): string | null {
  if (/--with-stream(\s|$)/.test(configureArguments)) return ''
  const folders = [...(process.env['NGINX_MODULES'] ? [process.env['NGINX_MODULES']] : []), ...modules]
  return folders.map((folder) => join(folder, 'ngx_stream_module.so')).find(existsSync) ?? null
}

export async function startNginx(
  binary: { readonly path: string; readonly version: string; readonly details: string },
  settings: Settings,
  around: Surroundings,
  identities: Identities,
  children: Children,
): Promise<Contender> {
  const stream = streamModule(binary.details)
  const pairHttp = await freePort(around.outboundAddress)
  const pairTcp = await freePort(around.outboundAddress)
  const singleHttp = await freePort(around.inboundAddress)
  const singleTcp = await freePort(around.inboundAddress)
  const { client, server, rootFile } = identities
  const on = settings === 'on'
  const start = async (side: 'outbound' | 'inbound', http: string, tcp: string) => {
    const folder = join(around.folder, side)
    await mkdir(join(folder, 'tmp'), { recursive: true })
    const file = join(folder, 'nginx.conf')
    await writeFile(file, whole(folder, on, stream, http, tcp))
    return children.start(`nginx-${settings}-${side}`, binary.path, ['-p', folder, '-c', file])
  }
  const outbound = await start(
    'outbound',
    `server {
      listen ${text(pairHttp)} backlog=1024;
      location / {
        proxy_pass https://next;
        proxy_ssl_certificate ${client.certificateFile};
        proxy_ssl_certificate_key ${client.keyFile};
        proxy_ssl_trusted_certificate ${rootFile};
        proxy_ssl_verify on;
        proxy_ssl_name ${serviceHost};
        proxy_ssl_server_name on;
        proxy_ssl_protocols TLSv1.3;
        ${forwarding(on)}
      }
    }
    upstream next { server ${text(singleHttp)}; keepalive 256; keepalive_requests 1000000000; }`,
    `server {
      listen ${text(pairTcp)};
      proxy_half_close on;
      proxy_pass ${text(singleTcp)};
      proxy_ssl on;
      proxy_ssl_certificate ${client.certificateFile};
      proxy_ssl_certificate_key ${client.keyFile};
      proxy_ssl_trusted_certificate ${rootFile};
      proxy_ssl_verify on;
      proxy_ssl_name ${serviceHost};
      proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.3;
    }`,
  )
  const demand = `ssl_certificate ${server.certificateFile};
      ssl_certificate_key ${server.keyFile};
      ssl_client_certificate ${rootFile};
      ssl_verify_client on;
      ssl_protocols TLSv1.3;`
  const xfcc = `By=${spiffeUri('server')};Hash=$ssl_client_fingerprint;Subject=\\"$ssl_client_s_dn\\"`
  const inbound = await start(
    'inbound',
    `server {
      listen ${text(singleHttp)} ssl backlog=1024;
      ${demand}
      location / {
        if ($http_x_deny = "1") { return 403; }
        proxy_pass http://app;
        ${forwarding(on)}
        ${on ? `proxy_set_header X-Forwarded-Client-Cert "${xfcc}";` : ''}
      }
    }
    upstream app { server ${text(around.appHttp)}; keepalive 256; keepalive_requests 1000000000; }`,
    `server {
      listen ${text(singleTcp)} ssl;
      proxy_half_close on;
      ${demand}
      proxy_pass ${text(around.appTcp)};
    }`,
  )
  return {
    name: 'nginx',
    settings,
    version: binary.version,
    outbound,
    inbound,
    host: serviceHost,
    pairHttp,
    singleHttp,
    serverName: serviceHost,
    singleTcp: stream === null ? null : singleTcp,
    pairTcp: stream === null ? null : { ...pairTcp, connect: null },
    client,
    accessLogs: on ? ['outbound', 'inbound'].map((side) => join(around.folder, side, 'access.log')) : [],
  }
}

function forwarding(on: boolean): string {
  return `proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        ${on ? 'proxy_set_header X-Request-Id $id;' : ''}`
}

function whole(folder: string, on: boolean, stream: string | null, http: string, tcp: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const root = process.getuid?.() === 0 ? 'user root;' : ''
  return `${stream ? `load_module ${stream};` : ''}
  ${root}
  daemon off;
  worker_processes 1;
  pid ${folder}/nginx.pid;
  error_log stderr error;
  events { worker_connections 4096; }
  http {
    ${temporary.map((name) => `${name}_temp_path ${folder}/tmp/${name};`).join('\n    ')}
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    server_tokens off;
    map $http_x_request_id $id { default $http_x_request_id; "" $request_id; }
    log_format whole '$time_iso8601 $remote_addr "$request" $status $body_bytes_sent $request_time '
      '$upstream_addr $upstream_response_time $host $id "$http_user_agent" "$ssl_client_s_dn"';
    access_log ${on ? `${folder}/access.log whole buffer=64k flush=1s` : 'off'};
    ${http}
  }
  ${stream === null ? '' : `stream {\n    ${tcp}\n  }`}
`
}
