/**
 * What an authorizer is told about an inbound connection and a request on it, in its own room's terms. Values only: nobody
 * is asked here.
 */
import type { CheckConnection, CheckHttp } from '../../ext-authz/check-request.ts'
import { Framing } from '../../http1/message.ts'
import type { Connection } from '../connection.ts'
import type { DataPlane } from '../data-plane.ts'
import type { Exchange } from '../http/exchange.ts'
import { ownPrincipal } from '../own-principal.ts'
import type { ReadRequest } from './request-token.ts'

export function checkConnection(connection: Connection, plane: DataPlane): CheckConnection {
  const { remote, destination, peer, context } = connection
  return {
    source: { ...remote, principal: peer?.id.uri ?? '' },
    destination: { ...destination, principal: ownPrincipal(plane) },
    sni: context?.sni ?? '',
  }
}

/** As it would be forwarded. `most`: bytes of the body that may be shown; 0 = none. */
export function checkHttp(
  exchange: Exchange,
  view: ReadRequest,
  scheme: 'http' | 'https',
  most: number,
): CheckHttp {
  const { head, protocol } = exchange
  const bytes = most === 0 ? null : exchange.gathered(most)
  return {
    id: view.requestId,
    method: head.method,
    target: view.target,
    host: view.host,
    scheme,
    protocol,
    headers: view.headers,
    contentLength: head.framing === Framing.None ? 0 : head.contentLength,
    body: bytes === null || bytes.length === 0 ? null : { bytes, complete: exchange.bytesReceived <= most },
  }
}
