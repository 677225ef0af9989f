/** Refusals as answers: what a peer is told when the verdict was not allowed. They decide nothing. */
import { isGrpc } from '../../dataplane/http/deny-response.ts'
import type { LocalReply } from '../../dataplane/http/deny-response.ts'
import type { RequestHead } from '../../http1/message.ts'
import type { Answer } from './answer.ts'

const nothing: readonly never[] = []

const undecided = {
  action: null,
  policy: null,
  rule: null,
  shadow: nothing,
  audit: nothing,
  miss: null,
  custom: null,
}

/** Refused without a word, or with words that nobody knows. */
export const unanswered: Omit<Answer, 'reason'> = {
  allowed: false,
  status: null,
  body: null,
  ...undecided,
  path: null,
}

/** What the peer is told; HEAD has no body. */
export function refused(head: RequestHead, reply: LocalReply, reason: string, path: string | null): Answer {
  const at = reply.headers.indexOf('grpc-status')
  return {
    allowed: false,
    status: reply.status,
    body: head.method === 'HEAD' ? '' : reply.body.toString(),
    ...(isGrpc(head) && at >= 0 ? { grpcStatus: Number(reply.headers[at + 1]) } : {}),
    ...undecided,
    reason,
    path,
  }
}
