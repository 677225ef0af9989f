/**
 * One inbound request from its reading to its record: how far it has come and what was found about it. It decides nothing;
 * the steps of `serve-http.ts` fill it in.
 */
import type { Seated } from '../../lifecycle/roster.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Inquiry } from './inquiry.ts'
import type { Verdict } from './judge-request.ts'
import type { ReadRequest } from './request-token.ts'

export class OpenRequest implements Seated {
  seat = -1
  readonly exchange: Exchange
  /** As read, before an authorizer or a token changed anything. */
  readonly view: ReadRequest
  /** Null until it is judged, and for what never came so far. */
  verdict: Verdict | null = null
  /** As it was judged and sent on; null until then. A tunnel made of it is judged again when policy changes. */
  forwarded: ReadRequest | null = null
  /** Set where a CUSTOM rule was looked for. */
  inquiry: Inquiry | null = null
  /** What the authorizer said, for the record: `PROVIDER:allowed`. */
  custom = ''

  constructor(exchange: Exchange, view: ReadRequest) {
    this.exchange = exchange
    this.view = view
  }
}
