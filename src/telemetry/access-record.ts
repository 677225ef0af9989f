/**
 * What is said of one request or one opaque connection, exactly once, when it ended. Born complete; it holds what was
 * already known, formats nothing and decides nothing.
 */
import { ConnectionPart } from './connection-part.ts'

const anyConnection = new ConnectionPart()

export class AccessRecord {
  /** `inbound` or `outbound`. */
  direction: 'inbound' | 'outbound' = 'inbound'
  /** Milliseconds since the epoch. */
  startTime = 0
  durationMs = 0
  /** '' on opaque connections. */
  method = ''
  /** As received from the peer, query included. */
  path = ''
  /** `HTTP/1.1`, `HTTP/1.0`, or `TCP`. */
  protocol = 'TCP'
  authority = ''
  /** 0 when no response was sent, and on opaque connections. */
  responseCode = 0
  /** Comma-joined flags of dataplane §11, or '' when nothing went wrong. */
  responseFlags = ''
  responseCodeDetails = ''
  connectionTerminationDetails = ''
  upstreamTransportFailureReason = ''
  bytesReceived = 0
  bytesSent = 0
  /** Milliseconds from request sent upstream to its response head; -1 when there was none. */
  upstreamServiceTimeMs = -1
  forwardedFor = ''
  userAgent = ''
  requestId = ''
  upstreamHost = ''
  upstreamCluster = ''
  upstreamLocalAddress = ''
  downstreamLocalAddress = ''
  downstreamRemoteAddress = ''
  requestedServerName = ''
  routeName = ''
  /** `spiffe://...` of the verified peer, or one of `plaintext`, `no-client-cert`, `unverified`. */
  peerPrincipal = 'plaintext'
  /** Our own identity, or ''. */
  localPrincipal = ''
  tlsVersion = ''
  tlsCipher = ''
  /** `namespace/name` of the policy that decided, or ''. */
  policy = ''
  /** Index of the rule that matched, or -1. */
  rule = -1
  /** Why it was allowed or refused; '' on outbound. */
  decision = ''
  /** Ids of the AUDIT rules that matched, comma-joined. */
  audit = ''
  /** What dry-run policies would have said: `deny:denied:RULE-ID,allow:allowed:RULE-ID`. */
  shadow = ''
  /** What the authorizer of a CUSTOM policy said: `PROVIDER:allowed`, `PROVIDER:error:REASON`. */
  custom = ''
  /** Policy and configuration in force. */
  generation = 0
  /** Remembers what its connection's records have in common; theirs alone to share. */
  connectionPart: ConnectionPart = anyConnection
}
