/**
 * Why a request or connection ended otherwise than well: the closed list of dataplane §11, each flag with its meaning
 * and whose fault it was. It maps upstream failures to what a client is told; it writes no log.
 */

/** Whose doing it was, in words an operator can act on. */
export type Fault = 'client' | 'upstream' | 'policy' | 'configuration' | 'proxy'

export interface FlagMeaning {
  /** Status a local reply carries with this flag; 0 = none is sent. */
  readonly status: number
  readonly fault: Fault
  readonly meaning: string
}

export const responseFlags = {
  UH: { status: 503, fault: 'upstream', meaning: 'no healthy upstream' },
  UF: { status: 503, fault: 'upstream', meaning: 'upstream connection failed' },
  UO: { status: 503, fault: 'proxy', meaning: 'upstream overflow: connection or pending limit reached' },
  NR: { status: 404, fault: 'configuration', meaning: 'no route or no filter chain' },
  URX: { status: 503, fault: 'upstream', meaning: 'retry limit reached' },
  NC: { status: 503, fault: 'configuration', meaning: 'cluster not found' },
  DT: { status: 0, fault: 'client', meaning: 'maximum connection duration reached' },
  DC: { status: 0, fault: 'client', meaning: 'downstream closed the connection' },
  LH: { status: 503, fault: 'upstream', meaning: 'local health check failed' },
  UT: { status: 504, fault: 'upstream', meaning: 'upstream request timeout' },
  LR: { status: 503, fault: 'proxy', meaning: 'local reset' },
  UR: { status: 503, fault: 'upstream', meaning: 'upstream reset the connection' },
  UC: { status: 503, fault: 'upstream', meaning: 'upstream closed the connection' },
  DI: { status: 0, fault: 'configuration', meaning: 'delay injected' },
  FI: { status: 0, fault: 'configuration', meaning: 'fault injected' },
  RL: { status: 429, fault: 'policy', meaning: 'rate limited' },
  RLSE: { status: 500, fault: 'upstream', meaning: 'rate limit service failed' },
  UAEX: { status: 403, fault: 'policy', meaning: 'external authorization denied' },
  IH: { status: 400, fault: 'client', meaning: 'invalid value of a strictly checked header' },
  SI: { status: 408, fault: 'client', meaning: 'stream idle timeout' },
  DPE: { status: 400, fault: 'client', meaning: 'downstream protocol error' },
  UPE: { status: 502, fault: 'upstream', meaning: 'upstream protocol error' },
  UMSDR: { status: 0, fault: 'client', meaning: 'maximum stream duration reached' },
  OM: { status: 503, fault: 'proxy', meaning: 'overload manager' },
  DF: { status: 503, fault: 'configuration', meaning: 'name resolution failed' },
  DO: { status: 503, fault: 'policy', meaning: 'drop overload' },
  RFCF: { status: 0, fault: 'configuration', meaning: 'rate limit filter configuration failed' },
  NFCF: { status: 0, fault: 'configuration', meaning: 'no filter configuration' },
} as const satisfies Record<string, FlagMeaning>

export type ResponseFlag = keyof typeof responseFlags

/** What went wrong on the way to or at an upstream, before its response was complete. */
export type FailureKind =
  /** The connection could not be made. */
  | 'connect'
  | 'connect_timeout'
  /** The handshake failed, or the peer's name is not one the cluster may have. */
  | 'handshake'
  /** Policy or configuration forbids to dial at all. */
  | 'refused'
  /** Limits of the pool. */
  | 'overflow'
  /** The peer ended its side where a response was due. */
  | 'closed'
  /** The peer reset the connection. */
  | 'reset'
  /** The peer's bytes are no HTTP/1.1. */
  | 'protocol'
  /** The request's own time was up. */
  | 'timeout'

export interface UpstreamFailure {
  readonly kind: FailureKind
  /** Short text for the log (`upstream_transport_failure_reason`): an error code or fixed words, never peer-made text. */
  readonly reason: string
  /** The peer says that it did nothing with the request: whatever its method, it can be sent again. */
  readonly unprocessed?: boolean
}

export interface FailureAnswer {
  readonly status: number
  readonly flag: ResponseFlag
  /** `response_code_details`, as Envoy spells it. */
  readonly details: string
  /** Body of the local reply: names the side at fault. */
  readonly body: string
}

const reset = (reason: string): string => `upstream_reset_before_response_started{${reason}}`

export const failureAnswers: Record<FailureKind, FailureAnswer> = {
  connect: {
    status: 503,
    flag: 'UF',
    details: reset('remote_connection_failure'),
    body: 'upstream connection failed: the destination refused or is unreachable',
  },
  connect_timeout: {
    status: 503,
    flag: 'UF',
    details: reset('connection_timeout'),
    body: 'upstream connection failed: the destination did not answer in time',
  },
  handshake: {
    status: 503,
    flag: 'UF',
    details: reset('tls_failure'),
    body: 'upstream connection failed: TLS handshake or peer identity',
  },
  refused: {
    status: 503,
    flag: 'UF',
    details: reset('connection_refused_by_configuration'),
    body: 'upstream connection failed: configuration forbids it',
  },
  overflow: {
    status: 503,
    flag: 'UO',
    details: reset('overflow'),
    body: 'upstream overflow: connection or pending limit of this proxy reached',
  },
  closed: {
    status: 503,
    flag: 'UC',
    details: reset('connection_termination'),
    body: 'the destination closed the connection before it answered',
  },
  reset: {
    status: 503,
    flag: 'UR',
    details: reset('remote_reset'),
    body: 'the destination reset the connection before it answered',
  },
  protocol: {
    status: 502,
    flag: 'UPE',
    details: reset('protocol_error'),
    body: 'the destination answered with malformed HTTP',
  },
  timeout: {
    status: 504,
    flag: 'UT',
    details: 'upstream_response_timeout',
    body: 'upstream request timeout',
  },
}
