/** Where and from where the application is dialled (dataplane §2.6, §3.6). Pure. */
import type { DataPlane } from '../data-plane.ts'
import type { InboundCall } from './inbound-call.ts'
import type { ApplicationDial } from './forward-tcp.ts'

const timeoutMs = 10_000

export function applicationDial(call: InboundCall, plane: DataPlane): ApplicationDial {
  const { mapping, connection } = call
  if (mapping !== null) return { target: mapping.target, source: null, timeoutMs }
  const { address } = connection.destination
  const { inboundSourceV4, inboundSourceV6 } = plane.settings
  return {
    target: connection.destination,
    source: address.includes(':') ? inboundSourceV6 : inboundSourceV4,
    timeoutMs,
  }
}
