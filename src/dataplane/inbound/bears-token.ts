/** Whether a request carries an end-user token in the default places (policy-semantics §6.3). Reads; verifies nothing. */
import type { RequestHead } from '../../http1/message.ts'

export function bearsToken(head: RequestHead, target: string): boolean {
  const { headers } = head
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] === 'authorization' && (headers[at + 1] as string).includes('Bearer ')) return true
  }
  const query = target.indexOf('?')
  return query >= 0 && new URLSearchParams(target.slice(query + 1)).has('access_token')
}
