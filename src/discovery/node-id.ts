/**
 * The name under which a proxy asks for configuration: `TYPE~IP~NAME.NAMESPACE~NAMESPACE.svc.DOMAIN` (dataplane §10.2).
 * It is a claim: whether the caller may make it is the server's to decide.
 */
import { parseIp } from '../address/ip.ts'
import type { Json } from '../proto/struct.ts'

export interface NodeId {
  readonly type: 'sidecar' | 'router' | 'waypoint' | 'ztunnel'
  readonly addresses: readonly string[]
  readonly name: string
  readonly namespace: string
  /** null = the node does not say; then any account of its namespace may speak for it. */
  readonly serviceAccount: string | null
}

const types = ['sidecar', 'router', 'waypoint', 'ztunnel'] as const

export function formatNodeId(node: {
  name: string
  namespace: string
  address: string
  domain: string
}): string {
  const { name, namespace, address, domain } = node
  return `sidecar~${address}~${name}.${namespace}~${namespace}.svc.${domain}`
}

/** The node, or what is wrong with its id as one clause. */
export function parseNode(id: string, metadata: Readonly<Record<string, Json>>): NodeId | string {
  const parts = id.split('~')
  const [type, ip, name, dnsDomain] = parts
  if (parts.length !== 4 || name === undefined || dnsDomain === undefined) {
    return 'node id: expected TYPE~IP~NAME.NAMESPACE~DOMAIN'
  }
  const known = types.find((entry) => entry === type)
  if (known === undefined) return `node id: unknown proxy type ${JSON.stringify(type?.slice(0, 32))}`
  const named = text(metadata['INSTANCE_IPS'])?.split(',') ?? []
  const addresses = (named.length > 0 ? named : [ip ?? '']).filter((entry) => parseIp(entry) !== null)
  if (addresses.length === 0) return 'node id: no valid IP address'
  const namespace = text(metadata['NAMESPACE']) ?? dnsDomain.split('.')[0] ?? ''
  if (namespace === '') return 'node id: no namespace'
  const serviceAccount = text(metadata['SERVICE_ACCOUNT'])
  return { type: known, addresses, name: name.split('.')[0] ?? '', namespace, serviceAccount }
}

function text(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
