/** An exchange's outcome as an access record: a copy of fields, made once when the exchange is over. */
import type { AccessRecord } from '../../telemetry/access-record.ts'
import type { Connection } from '../connection.ts'
import type { DataPlane } from '../data-plane.ts'
import { startRecord } from '../open-connection.ts'
import type { Exchange } from './exchange.ts'

export function exchangeRecord(exchange: Exchange, connection: Connection, plane: DataPlane): AccessRecord {
  const record = startRecord(connection, plane)
  record.startTime = exchange.startTime
  record.durationMs = exchange.durationMs
  record.method = exchange.method
  record.path = exchange.path
  record.protocol = exchange.protocol
  record.authority = exchange.authority
  record.responseCode = exchange.responseCode
  record.responseFlags = exchange.responseFlags
  record.responseCodeDetails = exchange.responseCodeDetails
  record.connectionTerminationDetails = exchange.connectionTerminationDetails
  record.upstreamTransportFailureReason = exchange.upstreamTransportFailureReason
  record.bytesReceived = exchange.bytesReceived
  record.bytesSent = exchange.bytesSent
  record.upstreamServiceTimeMs = exchange.upstreamServiceTimeMs
  record.forwardedFor = exchange.requestHeader('x-forwarded-for')
  record.userAgent = exchange.requestHeader('user-agent')
  record.requestId = exchange.requestId
  record.upstreamHost = exchange.upstreamHost
  record.upstreamCluster = exchange.upstreamCluster
  record.upstreamLocalAddress = exchange.upstreamLocalAddress
  record.routeName = exchange.routeName
  return record
}
