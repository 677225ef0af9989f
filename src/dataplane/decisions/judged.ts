/**
 * What was judged and how, as it is remembered: facts copied from a connection, a request and a verdict, so that no socket and no
 * configuration lives on in them. They are held as they are; what of them is told is `decision-text.ts`'s business.
 */
import type { SocketAddress } from '../../address/socket-address.ts'
import type { ShadowResult } from '../../authz/authorize.ts'
import type { DecidingAction } from '../../authz/deciding-action.ts'
import type { ConnectionContext, RequestContext } from '../../authz/request-context.ts'
import type { RequestHead } from '../../http1/message.ts'
import type { DecisionLine } from '../../telemetry/decision-line.ts'
import type { Connection } from '../connection.ts'

/** Made once a connection. */
export class JudgedConnection {
  /** null where the connection was refused before policy was asked about it. */
  readonly context: ConnectionContext | null
  /** `spiffe://…`; '' = plaintext. */
  readonly principalUri: string
  readonly remote: SocketAddress
  readonly destination: SocketAddress
  readonly sni: string

  constructor({ context, peer, remote, destination, sni }: Connection) {
    this.context = context
    this.principalUri = peer?.id.uri ?? ''
    this.remote = remote
    this.destination = destination
    // What a client says before mutual TLS ended here counts for nothing (policy-semantics §1.7).
    this.sni = peer === null ? '' : sni
  }
}

export interface JudgedRequest {
  readonly head: RequestHead
  /** '' when it was refused before it had one. */
  readonly requestId: string
  readonly host: string
  /** null when the request could not be read one way. */
  readonly context: RequestContext | null
  readonly token: DecisionLine['token']
}

export interface Judged {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly event: DecisionLine['event']
  readonly connection: JudgedConnection
  readonly request: JudgedRequest | null
  /** What an authorizer said; '' = none was asked. */
  readonly custom: string
  readonly unreadHttp: boolean
  readonly allowed: boolean
  readonly reason: string
  readonly action: DecidingAction
  readonly policy: string | null
  readonly rule: number | null
  readonly audits: readonly string[]
  readonly shadows: readonly ShadowResult[]
  /** Share of such decisions that are recorded. */
  readonly sample: number
}

/** Characters that stay in memory with it, about: parts of a head may hold on to all of it. */
export function sizeOf({ request }: Judged): number {
  if (request === null) return 500
  const { target, headers } = request.head
  let size = 500 + target.length
  for (let i = 0; i < headers.length; i++) size += (headers[i] as string).length
  return size
}
