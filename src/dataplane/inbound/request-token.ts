/**
 * The step between reading a request and judging it: an end-user token is verified or refused, and what the rules take
 * from the request or put into it is done before policy and application see it (policy-semantics §6).
 */
import { RequestContext } from '../../authz/request-context.ts'
import type { BearerConnection, Edits, Outcome } from '../../jwt/bearer-request.ts'
import type { DataPlane } from '../data-plane.ts'
import { tokenRefusal } from '../http/deny-response.ts'
import type { Exchange } from '../http/exchange.ts'
import type { RequestView } from '../http/request-view.ts'
import type { World } from '../world.ts'

export type ReadRequest = Extract<RequestView, { ok: true }>

export interface TokenOutcome {
  readonly next: (view: ReadRequest) => void
  /** Told why, before the answer goes out. */
  readonly refused: (detail: string) => void
}

/**
 * Calls `next` with the request as it goes on, at once or, when keys must be fetched first, later; answers 401 or 403
 * itself. The exchange holds the body meanwhile.
 */
export function verifyToken(
  exchange: Exchange,
  view: ReadRequest,
  connection: BearerConnection,
  world: World,
  plane: DataPlane,
  outcomes: TokenOutcome,
): void {
  const { tokens } = world
  if (tokens.idle) return outcomes.next(view)
  const { method, path } = view.context
  const { headers, target, host } = view
  const outcome = tokens.verify({ connection, method, headers, target, path, host }, plane.clock.now())
  if (!(outcome instanceof Promise)) return settle(exchange, view, outcome, outcomes)
  outcome.then(
    (settled) => {
      // The client may have left while keys were fetched.
      if (!exchange.finished) settle(exchange, view, settled, outcomes)
    },
    (error: unknown) => {
      plane.fault(error)
      outcomes.refused('jwt_authn_fault')
      exchange.reply(
        tokenRefusal(exchange.head, 401, 'Jwt verification fails', null),
        'jwt_authn_fault',
        null,
      )
    },
  )
}

/**
 * Asks again about a request that a tunnel was made of, where a legacy policy demands its token: what it passed with was
 * not taken from it. `refused` is called at once or later.
 */
export function verifyAgain(
  { context, headers, target, host }: ReadRequest,
  connection: BearerConnection,
  { tokens }: World,
  plane: DataPlane,
  refused: () => void,
): void {
  const { method, path } = context
  const request = { connection, method, headers, target, path, host }
  const look = ({ ok }: Outcome): void => {
    if (!ok) refused()
  }
  const outcome = tokens.verify(request, plane.clock.now())
  if (outcome instanceof Promise) {
    outcome.then(look, (error: unknown) => {
      plane.fault(error)
      refused()
    })
  } else look(outcome)
}

function settle(
  exchange: Exchange,
  view: ReadRequest,
  outcome: Outcome,
  { next, refused }: TokenOutcome,
): void {
  if (!outcome.ok) {
    const { status, body, authenticate, details } = outcome
    refused(details)
    return exchange.reply(tokenRefusal(exchange.head, status, body, authenticate), details, null)
  }
  const edited = edit(view, outcome.edits)
  edited.context.token = outcome.token
  next(edited)
}

/** The same request after the rules' edits; policy judges what is then forwarded. */
function edit(view: ReadRequest, { removeHeaders, addHeaders, target }: Edits): ReadRequest {
  if (removeHeaders.length === 0 && addHeaders.length === 0 && target === view.target) return view
  const headers: string[] = []
  for (let at = 0; at < view.headers.length; at += 2) {
    const name = view.headers[at] as string
    if (!removeHeaders.includes(name)) headers.push(name, view.headers[at + 1] as string)
  }
  headers.push(...addHeaders)
  const { method, path, host } = view.context
  return { ...view, headers, target, context: new RequestContext(method, path, target, host, headers) }
}
