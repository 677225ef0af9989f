/**
 * Local answers in the exact form a client expects (policy-semantics §2.4, §6): plain HTTP, or gRPC where the request was
 * gRPC. It builds values; `Exchange.reply` sends them.
 */
import type { RequestHead } from '../../http1/message.ts'
import { httpDate } from './http-date.ts'

export interface LocalReply {
  readonly status: number
  /** Without content-length, date and server, which the exchange adds. */
  readonly headers: readonly string[]
  /** Latin-1 text, or bytes. */
  readonly body: string | Buffer
}

const accessDenied = 'RBAC: access denied'
const plainDenial: LocalReply = { status: 403, headers: ['content-type', 'text/plain'], body: accessDenied }
const grpcDenial: LocalReply = {
  status: 200,
  headers: ['content-type', 'application/grpc', 'grpc-status', '7', 'grpc-message', accessDenied],
  body: '',
}

/** The answer to a request that policy refused. */
export function denial(head: RequestHead): LocalReply {
  return isGrpc(head) ? grpcDenial : plainDenial
}

/** The answer to a request whose token was refused: 401, or 403 for a wrong audience (policy-semantics §6). */
export function tokenRefusal(
  head: RequestHead,
  status: 401 | 403,
  body: string,
  authenticate: string | null,
): LocalReply {
  return localReply(head, status, body, authenticate === null ? [] : ['www-authenticate', authenticate])
}

/** Any other local answer; `extra` is a flat list of further headers. */
export function localReply(
  head: RequestHead,
  status: number,
  body: string,
  extra: readonly string[] = [],
): LocalReply {
  if (isGrpc(head)) {
    const headers = ['content-type', 'application/grpc', 'grpc-status', grpcStatus(status)]
    if (body !== '') headers.push('grpc-message', encodeGrpcMessage(body))
    return { status: 200, headers: [...headers, ...extra], body: '' }
  }
  return { status, headers: body === '' ? extra : ['content-type', 'text/plain', ...extra], body }
}

/** What is written behind the head: Latin-1 text or bytes; null = nothing. */
export function bodyOf({ status, body }: LocalReply, head: RequestHead): string | Buffer | null {
  if (body.length === 0 || bare(status) || head.method === 'HEAD') return null
  return typeof body === 'string' && Buffer.byteLength(body) !== body.length ? Buffer.from(body) : body
}

/** Complete but for what the connection adds. */
export function headersOf({ status, headers, body }: LocalReply, server: string): string[] {
  const length = bare(status) ? [] : ['content-length', String(Buffer.byteLength(body))]
  return [...length, ...headers, 'date', httpDate(), 'server', server]
}

/** These have no body and no length of one (RFC 9110 §8.6). */
const bare = (status: number): boolean => status === 204 || status === 304

/** `application/grpc` or `application/grpc+…`; `application/grpc-web` is plain HTTP. */
export function isGrpc(head: RequestHead): boolean {
  const headers = head.headers
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'content-type') continue
    const value = headers[i + 1] as string
    return value === 'application/grpc' || value.startsWith('application/grpc+')
  }
  return false
}

/** HTTP status to gRPC status, gRPC's own table. */
function grpcStatus(status: number): string {
  switch (status) {
    case 400:
      return '13'
    case 401:
      return '16'
    case 403:
      return '7'
    case 404:
      return '12'
    case 429:
    case 502:
    case 503:
    case 504:
      return '14'
    default:
      return '2'
  }
}

/** grpc-message is percent-encoded outside printable ASCII. */
function encodeGrpcMessage(text: string): string {
  return text.replace(
    /[\x00-\x1f%\x7f-\xff]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
