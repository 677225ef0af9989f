/**
 * What an authorizer's answer does to a request and to the response: the request as it goes on, or the refusal in the form
 * its client expects (policy-semantics §9.3). It asks nobody and sends nothing.
 */
import { RequestContext } from '../../authz/request-context.ts'
import { applyToRequest, applyToTarget } from '../../ext-authz/apply-allow.ts'
import type { Allow, CheckOutcome } from '../../ext-authz/outcome.ts'
import type { RequestHead } from '../../http1/message.ts'
import { normalizePath } from '../../match/path-normalization.ts'
import type { PathNormalizationMode } from '../../match/path-normalization.ts'
import { isGrpc, localReply } from '../http/deny-response.ts'
import type { LocalReply } from '../http/deny-response.ts'
import type { ReadRequest } from './request-token.ts'

/**
 * The request after the authorizer's changes, read again as if it had come so; null when what it made of the path is one
 * we refuse.
 */
export function allowedRequest(
  view: ReadRequest,
  allow: Allow,
  mode: PathNormalizationMode,
): ReadRequest | null {
  const path = normalizePath(applyToTarget(view.target, allow.query), mode)
  if (!path.ok) return null
  const headers = applyToRequest(view.headers, allow)
  const { method, host } = view.context
  return {
    ...view,
    headers,
    target: path.pathWithQuery,
    requestId: firstOf(headers, 'x-request-id'),
    context: new RequestContext(method, path.path, path.pathWithQuery, host, headers),
  }
}

/** What the client of a refused request is told. */
export function refusalOf(head: RequestHead, outcome: Exclude<CheckOutcome, Allow>): LocalReply {
  switch (outcome.kind) {
    case 'deny': {
      const { status, headers, body } = outcome
      return isGrpc(head) ? grpcDenial(head, status, headers, body) : { status, headers, body }
    }
    case 'too-large':
      return localReply(head, outcome.status, 'Payload Too Large')
    case 'error':
      return localReply(head, outcome.status, '')
  }
}

/** Characters of a denial's body that fit a header: grpc-message. */
const longestMessage = 1024

function grpcDenial(head: RequestHead, status: number, headers: readonly string[], body: Buffer): LocalReply {
  const message = body
    .subarray(0, longestMessage * 4)
    .toString('utf8')
    .slice(0, longestMessage)
    .toWellFormed()
  const ownStatus = firstOf(headers, 'grpc-status')
  const extra: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    // The authorizer may say how the call failed, in gRPC's own terms; of what type the answer is, it may not.
    const ours =
      name === 'content-type' || name === 'grpc-status' || (name === 'grpc-message' && message !== '')
    if (!ours) extra.push(name, headers[i + 1] as string)
  }
  const reply = localReply(head, status, Buffer.from(message).toString('latin1'), extra)
  return /^(?:[1-9]|1[0-6])$/.test(ownStatus)
    ? { ...reply, headers: withStatus(reply.headers, ownStatus) }
    : reply
}

function withStatus(headers: readonly string[], status: string): string[] {
  return headers.map((text, i) => (i % 2 === 1 && headers[i - 1] === 'grpc-status' ? status : text))
}

function firstOf(headers: readonly string[], name: string): string {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1] as string
  return ''
}
