/**
 * Envoy as a sidecar pair, configured as Istio would: RBAC by SPIFFE name and by header, secure naming by SPIFFE name, XFCC
 * appended, one worker thread each, HTTP/1.1 between the two as Istio's default has it.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Children } from '../children.ts'
import type { Contender, Surroundings } from '../contender.ts'
import { freePort } from '../free-port.ts'
import type { IdentityFiles, Identities } from '../identities.ts'
import { serviceHost } from '../identities.ts'
import type { Settings } from '../options.ts'
import { connectionManager, cluster, listener, rbac, tcpProxy, tlsSocket } from './envoy-config.ts'

export async function startEnvoy(
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
  const logOf = (side: string): string | null => (on ? accessLog(side) : null)
  const start = async (side: 'outbound' | 'inbound', listeners: object[], clusters: object[]) => {
    const file = join(around.folder, `${side}.json`)
    await writeFile(file, JSON.stringify({ static_resources: { listeners, clusters } }, null, 1))
    const args = ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'error']
    return children.start(`envoy-${settings}-${side}`, binary.path, args)
  }
  const tlsTo = (own: IdentityFiles, peer: IdentityFiles) => ({
    rootFile,
    own,
    peerUri: peer.uri,
    serverName: serviceHost,
  })
  const outbound = await start(
    'outbound',
    [
      listener(
        'http',
        pairHttp,
        connectionManager('next', { on, accessLog: logOf('outbound'), inbound: false, filters: [] }),
      ),
      listener('tcp', pairTcp, tcpProxy('next-tcp', logOf('outbound'))),
    ],
    [
      cluster('next', singleHttp, tlsSocket('upstream', tlsTo(client, server))),
      cluster('next-tcp', singleTcp, tlsSocket('upstream', tlsTo(client, server))),
    ],
  )
  const demand = tlsSocket('downstream', tlsTo(server, client))
  const filters = [
    rbac('DENY', { header: { name: 'x-deny', string_match: { exact: '1' } } }, { any: true }),
    rbac('ALLOW', { any: true }, { authenticated: { principal_name: { exact: client.uri } } }),
  ]
  const inbound = await start(
    'inbound',
    [
      listener(
        'http',
        singleHttp,
        connectionManager('app', { on, accessLog: logOf('inbound'), inbound: true, filters }),
        demand,
      ),
      listener('tcp', singleTcp, tcpProxy('app-tcp', logOf('inbound')), demand),
    ],
    [cluster('app', around.appHttp), cluster('app-tcp', around.appTcp)],
  )
  return {
    name: 'envoy',
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
