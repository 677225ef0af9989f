/**
 * Refuses destinations that would lead back into this proxy (dataplane §2.6, traps 25 and 26). Pure; it knows our own
 * listening ports and nothing about sockets.
 */
import type { SocketAddress } from '../address/socket-address.ts'

export type LoopVerdict = 'ok' | 'not_redirected' | 'own_port'

/**
 * `original` is what the kernel answered, `local` the socket's own address. An original that equals the local address
 * means there is no NAT entry: somebody dialled the capture port itself.
 */
export function judgeDestination(
  original: SocketAddress | null,
  local: SocketAddress | null,
  ownPorts: ReadonlySet<number>,
): LoopVerdict {
  if (original === null) return 'not_redirected'
  if (ownPorts.has(original.port)) return 'own_port'
  if (local !== null && original.port === local.port && original.address === local.address)
    return 'not_redirected'
  return 'ok'
}
