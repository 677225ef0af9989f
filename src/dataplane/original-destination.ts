/**
 * Where a redirected connection was really going: the kernel is asked once a
 * connection; it does not decide what to do with the answer (loop guards are in `loop-guard.ts`).
 *
 * Source: dataplane §2.5. SO_ORIGINAL_DST is 80 on both SOL_IP (0) and SOL_IPV6 (41).
 */
import type { Socket } from 'node:net'
import koffi from 'koffi'
import { formatIp, parseIp } from '../address/ip.ts'
import type { SocketAddress } from '../address/socket-address.ts'
import type { OriginalDestination } from './local-address.ts'

const SO_ORIGINAL_DST = 80
const SOL_IP = 0
const SOL_IPV6 = 41
const V4_BYTES = 16
const V6_BYTES = 28

/** Loads the C library's getsockopt and asks it. Costs about 3 µs a connection. Throws where there is no such call. */
export function kernelOriginalDestination(): OriginalDestination {
  const getsockopt = koffi
    .load(null)
    .func(
      'int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
    ) as unknown as (fd: number, level: number, name: number, value: Buffer, length: number[]) => number
  const answer = Buffer.alloc(V6_BYTES)
  const length = [0]

  return (socket) => {
    const fd = descriptorOf(socket)
    if (fd < 0) return null
    // An IPv4 client of a dual-stack listener needs the IPv4 question (dataplane trap 40).
    const v4 = socket.remoteFamily === 'IPv4' || (socket.remoteAddress ?? '').startsWith('::ffff:')
    length[0] = v4 ? V4_BYTES : V6_BYTES
    if (getsockopt(fd, v4 ? SOL_IP : SOL_IPV6, SO_ORIGINAL_DST, answer, length) !== 0) return null
    return v4 ? readV4(answer) : readV6(answer)
  }
}

function readV4(bytes: Buffer): SocketAddress {
  return { address: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`, port: bytes.readUInt16BE(2) }
}

function readV6(bytes: Buffer): SocketAddress | null {
  const groups: string[] = []
  for (let at = 8; at < 24; at += 2) groups.push(bytes.readUInt16BE(at).toString(16))
  const ip = parseIp(groups.join(':'))
  return ip === null ? null : { address: formatIp(ip), port: bytes.readUInt16BE(2) }
}

// The descriptor is not public API; -1 (a closed or foreign handle) reads as "not redirected" and is refused later.
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1
}
