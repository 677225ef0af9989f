/** The head of a question's request, as the HTTP codec would hand it over. It is no parser: a question is decoded already. */
import { Framing } from '../../http1/message.ts'
import type { RequestHead } from '../../http1/message.ts'
import { headerOf } from './question.ts'
import type { Question } from './question.ts'

export function headOf({ method, path, host, headers }: Question): RequestHead {
  const length = headerOf(headers, 'content-length')
  const chunked = headerOf(headers, 'transfer-encoding') !== ''
  const counted = !chunked && /^\d{1,15}$/.test(length)
  return {
    method,
    target: path,
    version: 11,
    headers: [...headers],
    framing: chunked ? Framing.Chunked : counted ? Framing.Length : Framing.None,
    contentLength: counted ? Number(length) : -1,
    keepAlive: true,
    host,
    expectContinue: false,
    upgrade: headerOf(headers, 'upgrade').toLowerCase(),
  }
}
