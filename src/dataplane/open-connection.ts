/**
 * The first step of both itineraries: a socket becomes a registered Connection with a destination that is not us, or is
 * closed and counted. It serves nothing.
 */
import type { Socket } from 'node:net'
import type { SocketAddress } from '../address/socket-address.ts'
import { formatIp, parseIp } from '../address/ip.ts'
import { AccessRecord } from '../telemetry/access-record.ts'
import { Connection } from './connection.ts'
import type { Direction } from './connection.ts'
import type { DataPlane } from './data-plane.ts'
import { JudgedConnection } from './decisions/judged.ts'
import { ownPrincipal } from './own-principal.ts'
import { judgeDestination } from './loop-guard.ts'
import { localAddress } from './local-address.ts'

/** `captured`: the destination comes from the kernel; else it is what the peer dialled, the listener itself. */
export function openConnection(
  direction: Direction,
  socket: Socket,
  captured: boolean,
  plane: DataPlane,
): Connection | null {
  const local = localAddress(socket)
  const remote = remoteAddress(socket)
  if (local === null || remote === null) {
    // Gone between accept and now.
    socket.destroy()
    return null
  }
  const destination = captured ? plane.originalDestination(socket) : local
  const connection = new Connection(
    plane.table.nextId(),
    direction,
    socket,
    remote,
    destination ?? local,
    plane.clock.now(),
  )
  plane.table.register(connection)
  if (!captured) return connection
  const verdict = judgeDestination(destination, local, plane.ownPorts)
  if (verdict === 'ok') return connection
  refuseConnection(connection, 'NR', verdict, plane)
  return null
}

/**
 * Closes bare, as a listener without a matching chain does (dataplane §3.1 step 4), and says so once: also when the
 * connection is gone already, as it is after a handshake that the library refused.
 */
export function refuseConnection(
  connection: Connection,
  flag: string,
  reason: string,
  plane: DataPlane,
  detail = '',
): void {
  if (connection.refused) return
  connection.refused = true
  plane.refusals.set(reason, (plane.refusals.get(reason) ?? 0) + 1)
  const record = startRecord(connection, plane)
  record.responseFlags = flag
  record.connectionTerminationDetails = reason
  record.upstreamTransportFailureReason = detail
  record.decision = reason
  record.durationMs = plane.clock.now() - connection.openedAt
  if (reason === 'plaintext_refused' && plane.world !== null)
    plane.journal.refused(reason, new JudgedConnection(connection), null, plane.world)
  connection.cut(true)
  plane.finished(record)
}

/** A record with everything the connection knows. */
export function startRecord(connection: Connection, plane: DataPlane): AccessRecord {
  const record = new AccessRecord()
  record.connectionPart = connection.recordPart
  record.direction = connection.direction
  record.startTime = connection.openedAt
  record.downstreamLocalAddress = connection.destinationText
  record.downstreamRemoteAddress = connection.remoteText
  record.requestedServerName = connection.sni
  record.peerPrincipal = connection.peer?.id.uri ?? 'plaintext'
  record.tlsVersion = connection.tlsVersion ?? ''
  record.tlsCipher = connection.tlsCipher ?? ''
  record.localPrincipal = ownPrincipal(plane)
  record.generation = plane.world?.generation ?? 0
  return record
}

function remoteAddress(socket: Socket): SocketAddress | null {
  const ip = parseIp(socket.remoteAddress ?? '')
  return ip === null || socket.remotePort === undefined
    ? null
    : { address: formatIp(ip), port: socket.remotePort }
}
