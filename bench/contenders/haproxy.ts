/**
 * HAProxy as a sidecar pair: one thread each, connections reused whenever it is safe, mTLS 1.3 between them, one header
 * rule. Like nginx it checks the server's DNS name and the client's chain, not SPIFFE names.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Children } from '../children.ts'
import { text } from '../contender.ts'
import type { Contender, Surroundings } from '../contender.ts'
import { freePort } from '../free-port.ts'
import type { Identities } from '../identities.ts'
import { serviceHost, spiffeUri } from '../identities.ts'
import type { Settings } from '../options.ts'

export async function startHaproxy(
  binary: { readonly path: string; readonly version: string },
  settings: Settings,
  around: Surroundings,
  identities: Identities,
  children: Children,
): Promise<Contender> {
  const pairHttp = await freePort(around.outboundAddress)
  const pairTcp = await freePort(around.outboundAddress)
  const singleHttp = await freePort(around.inboundAddress)
  const singleTcp = await freePort(around.inboundAddress)
  const { client, server, rootFile } = identities
  const on = settings === 'on'
  const accessLog = (side: string): string => join(around.folder, `${side}.access.log`)
  const start = async (side: 'outbound' | 'inbound', sections: string) => {
    const file = join(around.folder, `${side}.cfg`)
    await writeFile(file, whole(on, sections))
    // It logs to its standard output, which is a file: it has no file writer of its own.
    const stdout = on ? { stdout: accessLog(side) } : {}
    return children.start(`haproxy-${settings}-${side}`, binary.path, ['-db', '-f', file], stdout)
  }
  const requestId = on
    ? 'http-request set-header x-request-id %[uuid()] unless { req.hdr(x-request-id) -m found }'
    : ''
  const toNext = (port: string): string =>
    `server next ${port} ssl verify required ca-file ${rootFile} crt ${client.bundleFile} sni str(${serviceHost}) ` +
    `verifyhost ${serviceHost} ssl-min-ver TLSv1.3`
  const demand = `ssl crt ${server.bundleFile} ca-file ${rootFile} verify required ssl-min-ver TLSv1.3`
  const xfcc =
    `http-request set-header x-forwarded-client-cert ` +
    `By=${spiffeUri('server')};Hash=%[ssl_c_der,sha2(256),hex];Subject=\\"%[ssl_c_s_dn]\\"`
  const outbound = await start(
    'outbound',
    `
frontend http
  bind ${text(pairHttp)}
  ${requestId}
  default_backend next
backend next
  http-reuse always
  ${toNext(text(singleHttp))}
listen tcp
  mode tcp
  ${on ? 'option tcplog' : ''}
  bind ${text(pairTcp)}
  ${toNext(text(singleTcp))}
`,
  )
  const inbound = await start(
    'inbound',
    `
frontend http
  bind ${text(singleHttp)} ${demand}
  http-request deny deny_status 403 if { req.hdr(x-deny) 1 }
  ${requestId}
  ${on ? xfcc : ''}
  default_backend app
backend app
  http-reuse always
  server app ${text(around.appHttp)}
listen tcp
  mode tcp
  ${on ? 'option tcplog' : ''}
  bind ${text(singleTcp)} ${demand}
  server app ${text(around.appTcp)}
`,
  )
  return {
    name: 'haproxy',
    settings,
    version: binary.version,
    outbound,
    inbound,
    host: serviceHost,
    pairHttp,
    singleHttp,
    serverName: serviceHost,
    singleTcp,
    pairTcp: { ...pairTcp, connect: null },
    client,
    accessLogs: on ? [accessLog('outbound'), accessLog('inbound')] : [],
  }
}

function whole(on: boolean, sections: string): string {
  return `global
  nbthread 1
  maxconn 4096
  ${on ? 'log stdout format raw local0 info' : ''}
defaults
  mode http
  ${on ? 'log global\n  option httplog' : ''}
  timeout connect 10s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
${sections}`
}
