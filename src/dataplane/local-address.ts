/**
 * Where a connection was going when nothing redirected it, and the shape of every answer to that question. Asking the
 * kernel about redirected ones is `original-destination.ts`, which loads a native library: this file does not.
 */
import type { Socket } from 'node:net'
import { formatIp, parseIp } from '../address/ip.ts'
import type { SocketAddress } from '../address/socket-address.ts'

/** The address the peer dialled, or null when the connection was not redirected. Never throws. */
export type OriginalDestination = (socket: Socket) => SocketAddress | null

/** Without interception the address the peer dialled is the address it reached. */
export const localAddress: OriginalDestination = (socket) => {
  if (socket.localAddress === undefined || socket.localPort === undefined) return null
  const ip = parseIp(socket.localAddress)
  return ip === null ? null : { address: formatIp(ip), port: socket.localPort }
}
